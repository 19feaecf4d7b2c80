"""Published weights to ours: ``python -m training.convert mcld FOLDER OUT``, and so on for the other methods.

Files are recognised by their keys, not by their names, checked against each other, and written to safetensors files
that our loaders read: MCLD's and IMAGPose's all to one, PCDMs' stages to one each, in a folder. Pickled files are read
with ``weights_only=True``, mapped and not loaded, one at a time: seven gigabytes convert in the memory of the largest
file at most.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from model_patches.errors import PatchError
from model_patches.networks.mcld import RESAMPLER_HEAD
from model_patches.published_mcld import KINDS, kind_of, our_name
from model_patches.unet_family import SD1
from model_patches.unet_layout import check_unet
from model_patches.weight_kinds import check_modules as check_network
from model_patches.weight_kinds.mcld import FACE_HEADS_KEY, MCLD_MODEL, mcld_metadata, mcld_shape

from .convert_higherhrnet import convert_higherhrnet
from .convert_imagpose import convert_imagpose
from .convert_pcdms import convert_pcdms
from .converted_file import check_absent, entry_of, write_converted
from .published_files import ENDINGS, ConversionError, OneOpenFile, Source, read_shapes
from .safetensors_stream import Entry


def convert_mcld(
    folder: Path, out: Path, say: Callable[[str], None], half: bool = False, heads: int | None = None
) -> None:
    """MCLD's four published files as one of ours.

    Args:
        half: store half precision, which halves the file and changes nothing on a GPU that computes in it.
        heads: of the face projector, which its weights do not tell; None is as published, 64 wide each.

    Raises:
        ConversionError: files are missing, there twice, incomplete or do not belong together; nothing is written then.
    """
    check_absent(out)
    sources = recognised(folder, say)
    for source in sources.values():
        check_complete(source)
    files = OneOpenFile()
    entries = [
        entry_of(files, source.path, key, our_name(source.kind, key), tensor, half)
        for source in sources.values()
        for key, tensor in source.state.items()
    ]
    metadata = mcld_metadata() | {FACE_HEADS_KEY: str(heads or published_heads(sources["image_proj_model"]))}
    check_modules(entries, metadata)
    write_converted(out, entries, metadata, [source.path for source in sources.values()], say)


def recognised(folder: Path, say: Callable[[str], None]) -> dict[str, Source]:
    """The published files in a folder, by kind; what was found is said."""
    if not folder.is_dir():
        raise ConversionError(f"There is no folder {folder}.")
    sources: dict[str, Source] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in ENDINGS):
        state = read_shapes(path)
        kind = kind_of(state)
        say(f"{path.name}: {kind or 'not one of MCLD’s files, left out'} ({len(state)} tensors)")
        if kind is None:
            continue
        if kind in sources:
            raise ConversionError(
                f"{sources[kind].path.name} and {path.name} are both a {kind}. Take one of them out of the folder."
            )
        sources[kind] = Source(path, kind, state)
    missing = [kind for kind in KINDS if kind not in sources]
    if missing:
        raise ConversionError(
            f"{folder} has no {' and no '.join(missing)}. All four published files are needed: denoising_unet.pth, "
            "reference_unet.pth, pose_guider.pth, and image_proj_model.pth or image_projector.pth."
        )
    return sources


def published_heads(projector: Source) -> int:
    """How many heads a face projector has whose heads are as wide as the published one's."""
    width = projector.state["layers.0.0.to_q.weight"].shape[0] if "layers.0.0.to_q.weight" in projector.state else 0
    if not width or width % RESAMPLER_HEAD:
        raise ConversionError(
            f"The attention of {projector.path.name} is {width} wide, which is no multiple of the published heads' "
            f"{RESAMPLER_HEAD}. Say with --face-heads how many heads it has."
        )
    return width // RESAMPLER_HEAD


def check_complete(source: Source) -> None:
    """A UNet must have every key of its size, and no other."""
    if not source.kind.endswith("unet"):
        return
    weights = {key: tensor for key, tensor in source.state.items() if ".processor." not in key}
    try:
        check_unet(weights, SD1, headless=source.kind == "reference_unet")
    except ValueError as error:
        raise ConversionError(
            f"{source.path.name} is no complete {source.kind}: {error}. Download it again."
        ) from error


def check_modules(entries: Sequence[Entry], metadata: Mapping[str, str]) -> None:
    """Face projections, projector and pose guider must fit together; nothing is allocated."""
    ours = {entry.name: entry for entry in entries if not entry.name.startswith(("denoising_unet.", "reference_unet."))}
    state = {name: torch.empty(entry.shape, dtype=entry.dtype, device="meta") for name, entry in ours.items()}
    try:
        check_network(MCLD_MODEL, state, "the published set", metadata)
    except PatchError as error:
        raise ConversionError(str(error)) from error
    shape = mcld_shape(state, metadata)
    if len(shape.mfca) == 0 or shape.resampler is None or shape.context_dim != shape.resampler.output_dim:
        raise ConversionError(
            f"The face projector gives tokens {shape.resampler and shape.resampler.output_dim} wide and the UNet takes "
            f"{shape.context_dim}: these files are of different models."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where the files are not right."""

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    parser = argparse.ArgumentParser(prog="python -m training.convert", description=__doc__.splitlines()[0])
    methods = parser.add_subparsers(dest="method", required=True, metavar="METHOD")
    mcld = methods.add_parser("mcld", help="the published .pth set of MCLD")
    mcld.add_argument("folder", type=Path, metavar="FOLDER", help="where the published files are")
    mcld.add_argument("out", type=Path, metavar="OUT", help="the safetensors file to write")
    mcld.add_argument("--half", action="store_true", help="store half precision: 3.7 GB instead of 7.3")
    mcld.add_argument("--face-heads", type=int, metavar="N", help="heads of the face projector, where not 64 wide each")
    mcld.set_defaults(convert=lambda given: convert_mcld(given.folder, given.out, say, given.half, given.face_heads))
    pcdms = methods.add_parser("pcdms", help="the published DeepSpeed files of PCDMs' stages")
    pcdms.add_argument("folder", type=Path, metavar="FOLDER", help="where the published files are, or in folders below")
    pcdms.add_argument("out", type=Path, metavar="OUT", help="the folder to write a safetensors file a stage into")
    pcdms.add_argument("--half", action="store_true", help="store half precision, where a file does not yet")
    pcdms.set_defaults(convert=lambda given: convert_pcdms(given.folder, given.out, say, given.half))
    pose = methods.add_parser("higherhrnet", help="a published file of HigherHRNet, its own or mmpose's")
    pose.add_argument("file", type=Path, metavar="FILE", help="the published file")
    pose.add_argument("out", type=Path, metavar="OUT", help="the safetensors file to write")
    pose.add_argument("--half", action="store_true", help="store half precision: 57 MB of W32 instead of 115")
    pose.set_defaults(convert=lambda given: convert_higherhrnet(given.file, given.out, say, given.half))

    imagpose = methods.add_parser("imagpose", help="what IMAGPose's published training writes, or a motion module")
    imagpose.add_argument("folder", type=Path, metavar="FOLDER", help="where the trained files are")
    imagpose.add_argument("out", type=Path, metavar="OUT", help="the safetensors file to write")
    imagpose.add_argument("--half", action="store_true", help="store half precision: 2.7 GB instead of 5.3")
    imagpose.set_defaults(convert=lambda given: convert_imagpose(given.folder, given.out, say, given.half))

    options = parser.parse_args(arguments)
    try:
        options.convert(options)
    except ConversionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
