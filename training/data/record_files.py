"""A record as files and back: what a folder and a shard hold, member by member.

``image.png`` and the maps are lossless PNG, everything else is ``.npy``; ``json`` tells whose the record is and which
members it has.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from ..errors import TrainingError
from .records import FIELDS, Record

IMAGE, INDEX = "image.png", "json"
#: Maps of eight bits.
MAPS = frozenset({"parsing", "iuv", "texture", "coarse"})
#: zlib's level: higher ones take twice the time for a few hundredths of the size.
PNG_LEVEL = 4


def member_of(field: str) -> str:
    """The member that holds a field."""
    return f"{field}.png" if field in MAPS else f"{field}.npy"


def encode(record: Record) -> dict[str, bytes]:
    """Every member's bytes, the same for the same record; ``json`` is the last."""
    unknown = sorted(record.fields.keys() - set(FIELDS))
    if unknown:
        raise ValueError(f"'{record.name}' has fields that records do not have: {', '.join(unknown)}")
    members = {IMAGE: _png(record.image)}
    for field in FIELDS:
        if field in record.fields:
            value = np.asarray(record.fields[field])
            members[member_of(field)] = _png(value) if field in MAPS else _npy(value)
    about = {"name": record.name, "identity": record.identity, "outfit": record.outfit, "members": list(members)}
    members[INDEX] = json.dumps(about).encode()
    return members


def decode(read: Callable[[str], bytes]) -> Record:
    """A record whose picture is read now, and whose fields when they are asked for.

    Args:
        read: gives a member's bytes.

    Raises:
        TrainingError: a member is damaged; of a field, when it is asked for.
    """
    about = _value(read, INDEX)
    fields = StoredFields(read, about["members"])
    return Record(about["name"], about["identity"], about["outfit"], _value(read, IMAGE), fields)


def _value(read: Callable[[str], bytes], member: str) -> Any:
    try:
        data = read(member)
        if member == INDEX:
            return json.loads(data)
        return _pixels(data) if member.endswith(".png") else _array(data)
    except (OSError, KeyError, ValueError, EOFError, SyntaxError) as error:
        raise TrainingError(
            f"A record's '{member}' is damaged or missing ({error}). Delete the record's files, or its shard, and run "
            "python dev.py training preprocess again with the same settings; it makes what is not there."
        ) from error


class StoredFields(Mapping[str, np.ndarray]):
    """Fields by name, each read when it is first asked for: a method of training needs few of them."""

    def __init__(self, read: Callable[[str], bytes], members: list[str]) -> None:
        self._read = read
        self._members = {member.split(".")[0]: member for member in members if member != IMAGE}
        self._values: dict[str, np.ndarray] = {}

    def __getitem__(self, field: str) -> np.ndarray:
        if field not in self._values:
            self._values[field] = _value(self._read, self._members[field])
        return self._values[field]

    def __contains__(self, field: object) -> bool:
        # Mapping's own would read the field.
        return field in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _png(pixels: np.ndarray) -> bytes:
    if pixels.dtype != np.uint8:
        raise ValueError(f"pictures and maps are uint8, not {pixels.dtype}")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.getvalue()


def _pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as picture:
        return np.array(picture)


def _npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    # A caption's letters stay bytes.
    np.save(file, values if values.dtype == np.uint8 else values.astype(np.float32), allow_pickle=False)
    return file.getvalue()


def _array(data: bytes) -> np.ndarray:
    return np.load(io.BytesIO(data), allow_pickle=False)
