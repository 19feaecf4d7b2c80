"""A file of ours that is made of published ones: tensor by tensor, as they are mapped."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from .published_files import ConversionError, OneOpenFile, hashes, stored_as
from .safetensors_stream import Entry, write

#: Bytes of a unit, and how many decimals are worth saying.
UNITS = {"MiB": (2**20, 0), "GiB": (2**30, 2)}


def check_absent(out: Path) -> None:
    """Raise :class:`ConversionError` where there is something that would be overwritten."""
    if out.exists():
        raise ConversionError(f"{out} exists already. Delete it, or give another name.")


def entry_of(files: OneOpenFile, path: Path, key: str, name: str, tensor: Tensor, half: bool) -> Entry:
    """A published tensor under our name.

    Args:
        tensor: on the meta device.
        half: store half precision.
    """
    return Entry(name, stored_as(tensor, half), tuple(tensor.shape), partial(files.tensor, path, key))


def write_converted(
    out: Path,
    entries: Sequence[Entry],
    metadata: Mapping[str, str],
    sources: Iterable[Path],
    say: Callable[[str], None],
    unit: Literal["MiB", "GiB"] = "GiB",
) -> None:
    """Write the file, with what it was made of in its header, and say so."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, entries, {**metadata, **hashes(sources)})
    size, (whole, decimals) = sum(entry.size for entry in entries), UNITS[unit]
    say(
        f"Wrote {out}: {len(entries)} tensors, {size / whole:.{decimals}f} {unit}. Put it into ComfyUI's "
        "models/mannequin."
    )
