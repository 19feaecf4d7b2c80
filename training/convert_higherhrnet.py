"""A published HigherHRNet to ours: the official files or mmpose's, of COCO or of Human-Art, W32 or W48."""

from collections.abc import Callable
from pathlib import Path

from model_patches.errors import PatchError
from model_patches.published_higherhrnet import our_name
from model_patches.weight_kinds import check, describe, recognise
from model_patches.weight_kinds.higherhrnet import HIGHERHRNET, estimator_metadata

from .converted_file import check_absent, entry_of, write_converted
from .published_files import ConversionError, OneOpenFile, read_shapes


def convert_higherhrnet(file: Path, out: Path, say: Callable[[str], None], half: bool = False) -> None:
    """One published file as one of ours.

    Args:
        half: store half precision.

    Raises:
        ConversionError: the file is not there, of another network or incomplete, or ours exists; nothing is written.
    """
    check_absent(out)
    if not file.is_file():
        raise ConversionError(f"There is no file {file}.")
    published = read_shapes(file)
    state = {our_name(key): tensor for key, tensor in published.items()}
    kind = recognise(state)
    if kind is not HIGHERHRNET:
        raise ConversionError(
            f"{file.name} is {describe(kind)}. Needed is a HigherHRNet of the official code "
            "(pose_higher_hrnet_w32_512.pth and others) or of mmpose (higher_hrnet32_… and higher_hrnet48_…)."
        )
    if len(state) < len(published):
        raise ConversionError(f"{file.name} has a part twice, under two names. Download it again.")
    metadata = estimator_metadata()
    try:
        check(HIGHERHRNET, state, file.name, metadata)
    except PatchError as error:
        raise ConversionError(f"{error} Download it again.") from error
    files = OneOpenFile()
    entries = [entry_of(files, file, key, our_name(key), tensor, half) for key, tensor in published.items()]
    write_converted(out, entries, metadata, [file], say, "MiB")
