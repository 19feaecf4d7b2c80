"""The files that IMAGPose's published training writes, to one of ours.

Its second stage writes the whole UNet twice, as denoising_unet-*.pth and as motion_module-*.pth, of which the published
inference reads the second over the first. A motion module alone, as that training begins from, becomes a file of
cross-view attention.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from model_patches.errors import PatchError
from model_patches.published_imagpose import (
    KINDS,
    MODULES_ALONE,
    NAMES,
    PATCH,
    POSE_GUIDER,
    UNET,
    WHOLE_UNET,
    is_module,
    kind_of,
    our_name,
)
from model_patches.weight_kinds import check
from model_patches.weight_kinds.imagpose import CVA_MODULES, IMAGPOSE_MODEL, imagpose_metadata

from .converted_file import check_absent, entry_of, write_converted
from .published_files import ENDINGS, ConversionError, OneOpenFile, Source, read_shapes

#: Where cross-view attention stands in Stable Diffusion 1.x, as published.
PLACES = 21


def convert_imagpose(folder: Path, out: Path, say: Callable[[str], None], half: bool = False) -> None:
    """The trained files in a folder as one of ours; a motion module alone as a file for Load CVA.

    Args:
        half: store half precision, which halves the file and changes nothing on a GPU that computes in it.

    Raises:
        ConversionError: files are missing, there twice, named as another, incomplete or do not belong together; nothing
            is written then.
    """
    check_absent(out)
    sources = chosen(recognised(folder, say), folder)
    files = OneOpenFile()
    try:
        # A module read over the UNet's own takes its place.
        entries = {
            our_name(source.kind, key): entry_of(files, source.path, key, our_name(source.kind, key), tensor, half)
            for source in sources
            for key, tensor in source.state.items()
        }
        state = {our_name(source.kind, key): tensor for source in sources for key, tensor in source.state.items()}
        alone = len(sources) == 1
        check(CVA_MODULES if alone else IMAGPOSE_MODEL, state, "the set", imagpose_metadata())
    except (PatchError, ValueError) as error:
        raise ConversionError(
            f"{', '.join(source.path.name for source in sources)} make no complete set: {error} Take files of one "
            "training, and of one of its steps."
        ) from error
    places = len({name.split(".")[1] for name in entries if name.startswith("cva.")})
    say(f"Cross-view attention at {places} of {PLACES} places.")
    write_converted(out, list(entries.values()), imagpose_metadata(), [source.path for source in sources], say)


def recognised(folder: Path, say: Callable[[str], None]) -> list[Source]:
    """The trained files in a folder; what was found is said."""
    if not folder.is_dir():
        raise ConversionError(f"There is no folder {folder}.")
    sources = []
    for path in sorted(path for path in folder.iterdir() if path.suffix in ENDINGS):
        state = read_shapes(path)
        kind = kind_of(state)
        say(f"{path.name}: {KINDS.get(kind, 'no file of IMAGPose, left out')} ({len(state)} tensors)")
        if kind is not None:
            _check_name(path, kind)
            sources.append(Source(path, kind, state))
    return sources


def _check_name(path: Path, kind: str) -> None:
    named = next((name for name in NAMES if path.name.startswith(name)), None)
    if named and kind not in NAMES[named]:
        raise ConversionError(
            f"{path.name} is named as a {named} and holds {KINDS[kind]}. Files were swapped: give them their names "
            "back."
        )


def chosen(sources: list[Source], folder: Path) -> list[Source]:
    """One file of each sort, the UNet before what is read over it."""
    twice = [source for source in sources if source.kind == WHOLE_UNET]
    over = [source for source in twice if source.path.name.startswith("motion_module")]
    if len(over) == 1:
        # The published inference reads it over denoising_unet-*.pth, and it has every key of that.
        _check_same_unet(over[0], [source for source in sources if source.kind in (UNET, WHOLE_UNET)])
        sources = over + [source for source in sources if source.kind not in (UNET, WHOLE_UNET)]
    kinds: Mapping[str, list[Source]] = {kind: [s for s in sources if s.kind == kind] for kind in KINDS}
    unets, modules = kinds[UNET] + kinds[WHOLE_UNET], kinds[MODULES_ALONE]
    for found in (unets, modules, kinds[POSE_GUIDER], kinds[PATCH]):
        if len(found) > 1:
            names = " and ".join(source.path.name for source in found)
            raise ConversionError(
                f"{names} are both {KINDS[found[-1].kind]}. Take all but one out of the folder: of several steps of a "
                "training the one you want."
            )
    if modules and not (unets or kinds[POSE_GUIDER] or kinds[PATCH]):
        return modules
    needed = {
        "denoising_unet-*.pth": unets,
        "pose_guider-*.pth": kinds[POSE_GUIDER],
        "patch-*.pth": kinds[PATCH],
    }
    missing = [name for name, found in needed.items() if not found]
    if missing:
        raise ConversionError(
            f"{folder} has no {' and no '.join(missing)}. Needed are the files the training wrote at one step: "
            "denoising_unet-*.pth, pose_guider-*.pth, patch-*.pth, and motion_module-*.pth of its second stage; or a "
            "motion module alone."
        )
    return [*unets, *modules, *kinds[POSE_GUIDER], *kinds[PATCH]]


def _check_same_unet(over: Source, others: list[Source]) -> None:
    """Raise where the UNets of two stages differ in their keys or sizes."""

    def sizes(source: Source) -> dict[str, tuple[int, ...]]:
        return {key: tuple(tensor.shape) for key, tensor in source.state.items() if not is_module(key)}

    for other in others:
        if sizes(other) != sizes(over):
            raise ConversionError(
                f"{other.path.name} and {over.path.name} hold UNets of other sizes. Take files of one training."
            )
