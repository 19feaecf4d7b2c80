"""The header of a safetensors file: which tensors it holds, told from a few kilobytes of gigabytes.

Eight bytes with the header's length, a JSON header with every tensor's type, shape and place, the bytes.
"""

import json
import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: Names of types in the format.
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
#: Bytes. Ours are a hundred kilobytes; whatever has a longer header is no file of ours and is not read.
LONGEST = 2**23
METADATA = "__metadata__"


class HeaderError(ValueError):
    """The file is no safetensors file, or is cut short."""


@dataclass(frozen=True)
class Header:
    """What a file holds: its tensors, without memory, and its metadata."""

    state: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def read_header(path: Path) -> Header:
    """The header of a complete safetensors file.

    Raises:
        HeaderError: it is none, it is cut short, or its header is longer than any of ours.
        OSError: it cannot be read.
    """
    facts = path.stat()
    # A pipe would be waited for.
    if not stat.S_ISREG(facts.st_mode):
        raise HeaderError("no file")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LONGEST, facts.st_size - 8):
            raise HeaderError(f"no header of {length} bytes")
        text = file.read(length)
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HeaderError("the header is no JSON") from error
    if not isinstance(entries, dict):
        raise HeaderError("the header has no keys")
    metadata = entries.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise HeaderError("the metadata are no words")
    _check_places(entries, facts.st_size - 8 - length)
    return Header({key: _without_memory(entry) for key, entry in entries.items()}, metadata)


def _check_places(entries: Mapping[str, Any], size: int) -> None:
    """Tensors lie one behind the other, each as long as its shape says, to the file's end."""
    for key, entry in entries.items():
        if not (isinstance(entry, dict) and isinstance(entry.get("dtype"), str) and entry["dtype"] in DTYPES):
            raise HeaderError(f"'{key}' is of no type that is known")
        place = entry.get("data_offsets")
        if not (_whole_numbers(entry.get("shape")) and _whole_numbers(place) and len(place) == 2):
            raise HeaderError(f"'{key}' has no shape or no place")
    places = [(*entry["data_offsets"], DTYPES[entry["dtype"]].itemsize, entry["shape"]) for entry in entries.values()]
    end = 0
    for begin, until, itemsize, shape in sorted(places, key=lambda place: place[:2]):
        if begin != end or until - begin != itemsize * math.prod(shape):
            raise HeaderError("the tensors' places do not fit their shapes")
        end = until
    if end != size:
        raise HeaderError(f"{size} bytes of {end} are there")


def _whole_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _without_memory(entry: Mapping[str, Any]) -> Tensor:
    try:
        return torch.empty(entry["shape"], dtype=DTYPES[entry["dtype"]], device="meta")
    except (RuntimeError, OverflowError, TypeError) as error:
        raise HeaderError("a shape is beyond all bounds") from error
