"""PCDMs' published stages to ours, a file each.

A stage is written as it is mapped, tensor by tensor: besides what the system may drop again at any time, converting
takes the memory of the largest tensor, 50 MB of the published ones.
"""

from collections.abc import Callable
from pathlib import Path

from model_patches.errors import PatchError
from model_patches.published_pcdms import STAGES, our_name, stage_in_name, stage_of
from model_patches.weight_kinds import check
from model_patches.weight_kinds.pcdms_prior import PCDMS_PRIOR, PRIOR
from model_patches.weight_kinds.pcdms_unets import (
    INPAINTING,
    PCDMS_INPAINTING,
    PCDMS_REFINING,
    REFINING,
    SIMPLIFIED,
    stage_metadata,
)

from .converted_file import entry_of, write_converted
from .published_files import ENDINGS, ConversionError, OneOpenFile, Source, read_shapes

KINDS = {
    PRIOR: PCDMS_PRIOR,
    INPAINTING: PCDMS_INPAINTING,
    REFINING: PCDMS_REFINING,
    SIMPLIFIED: PCDMS_INPAINTING,
}
#: What our files are called, as the example graphs have them.
NAMES = {
    PRIOR: "pcdms_prior.safetensors",
    INPAINTING: "pcdms_inpainting.safetensors",
    REFINING: "pcdms_refining.safetensors",
    SIMPLIFIED: "pcdms_simplified.safetensors",
}


def convert_pcdms(folder: Path, out: Path, say: Callable[[str], None], half: bool = False) -> None:
    """The stages that are in a folder, or below it, as files of ours in the folder ``out``.

    Args:
        half: store half precision, as most of the published files do.

    Raises:
        ConversionError: there is none, one is there twice, is incomplete or named as another, or our file exists;
            nothing is written then.
    """
    sources = recognised(folder, say)
    for stage, source in sources.items():
        if (out / NAMES[stage]).exists():
            raise ConversionError(f"{out / NAMES[stage]} exists already. Delete it, or give another folder.")
        check_complete(source)
    for stage, source in sources.items():
        files = OneOpenFile()
        entries = [
            entry_of(files, source.path, key, our_name(stage, key), tensor, half)
            for key, tensor in source.state.items()
        ]
        write_converted(out / NAMES[stage], entries, stage_metadata(stage), [source.path], say)


def recognised(folder: Path, say: Callable[[str], None]) -> dict[str, Source]:
    """The published files in a folder and below it, by stage; what was found is said."""
    if not folder.is_dir():
        raise ConversionError(f"There is no folder {folder}.")
    sources: dict[str, Source] = {}
    for path in sorted(path for path in folder.rglob("*") if _may_be_weights(path)):
        name, state = path.relative_to(folder).as_posix(), read_shapes(path)
        stage = stage_of(state)
        say(f"{name}: {STAGES.get(stage, 'no published file of PCDMs, left out')} ({len(state)} tensors)")
        if stage is None:
            continue
        _check_name(path, name, stage)
        if stage in sources:
            former = sources[stage].path.relative_to(folder).as_posix()
            raise ConversionError(f"{former} and {name} are both {STAGES[stage]}. Take one of them out of the folder.")
        sources[stage] = Source(path, stage, state)
    if not sources:
        raise ConversionError(
            f"{folder} holds no published file of PCDMs. Needed is one or more of s1_256.pt (prior), s2_512.pt "
            "(inpainting), stage 3's file (refining) and pcdms_ckpt.pt (simplified)."
        )
    return sources


def _may_be_weights(path: Path) -> bool:
    """By its name; DeepSpeed keeps the optimiser's state in files beside the weights."""
    return path.suffix in ENDINGS and path.is_file() and not path.stem.endswith("optim_states")


def _check_name(path: Path, name: str, stage: str) -> None:
    """Raise where a file is named as another stage than it holds; the published s2_256.pt is."""
    said = stage_in_name(path.name)
    if said not in (None, stage):
        raise ConversionError(
            f"{name} is named as {STAGES[said]} and holds {STAGES[stage]}. The published s2_256.pt does so: take "
            f"s2_512.pt for stage 2. Take the file out, or give it a name that does not begin with {path.name[:2]}."
        )


def check_complete(source: Source) -> None:
    """A file must have every key of its stage, and no other; nothing is allocated."""
    state = {our_name(source.kind, key): tensor for key, tensor in source.state.items()}
    if len(state) < len(source.state):
        raise ConversionError(f"{source.path.name} has a part twice, under two names. Download it again.")
    try:
        check(KINDS[source.kind], state, source.path.name, stage_metadata(source.kind))
    except (PatchError, ValueError) as error:
        raise ConversionError(
            f"{source.path.name} is no complete file of {STAGES[source.kind]}: {error} Download it again."
        ) from error
