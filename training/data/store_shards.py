"""Records in webdataset's shards: ``shard-000000.tar``, …, a unit each, with an index of where every member lies.

Anything that reads webdatasets streams them; by the index one record is read without the others.
"""

import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import TrainingError
from . import atomic
from .record_files import INDEX, encode
from .records import Record


class Extent(NamedTuple):
    """Where a member lies in its shard, in bytes."""

    start: int
    length: int


Extents = dict[str, dict[str, Extent]]


class ShardFormat:
    """Shards in ``root``.

    A shard is there once its file has its name, which is after it is whole and its index is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._places: dict[str, tuple[Path, dict[str, Extent]]] | None = None

    def names(self) -> set[str]:
        """Names of the records that are there."""
        return set(self._index())

    def todo(self, number: int, names: Sequence[str], there: set[str]) -> list[str]:
        """A unit's records, all or none of them."""
        return [] if self._file(number).is_file() else list(names)

    def write(self, number: int, records: Iterable[Record]) -> int:
        """Write a unit's records as one shard, or nothing where they fail; tells how many."""
        from webdataset import TarWriter

        # First all of them: who makes them may fail.
        samples = [{"__key__": record.name, **encode(record)} for record in records]
        temporary, shard = atomic.temporary_in(self.root), self._file(number)
        # Without times and owners, the same records make the same bytes.
        with temporary.open("wb") as file, TarWriter(file, encoder=False, mtime=0.0, format="GNU_FORMAT") as writer:
            for sample in samples:
                writer.write(sample)
        index = {"bytes": temporary.stat().st_size, "records": _extents(temporary)}
        atomic.write(self.root, _index_file(shard), json.dumps(index).encode())
        atomic.settle(self.root)
        atomic.place(temporary, shard)
        atomic.settle(self.root)
        return len(samples)

    def members(self, name: str) -> list[str]:
        """A record's members but for ``json``."""
        return [member for member in self._index()[name][1] if member != INDEX]

    def read(self, name: str, member: str) -> bytes:
        """A member's bytes.

        Raises:
            KeyError: there is none.
        """
        shard, extents = self._index()[name]
        with shard.open("rb") as file:
            file.seek(extents[member].start)
            return file.read(extents[member].length)

    def _file(self, number: int) -> Path:
        return self.root / f"shard-{number:06}.tar"

    def _index(self) -> dict[str, tuple[Path, dict[str, Extent]]]:
        if self._places is None:
            self._places = {
                name: (shard, extents)
                for shard in sorted(self.root.glob("shard-*.tar"))
                for name, extents in _read_index(shard).items()
            }
        return self._places


def _index_file(shard: Path) -> Path:
    return shard.with_suffix(".index.json")


def _read_index(shard: Path) -> Extents:
    """What a shard holds; of its own headers where its index was lost on the way here, or is another's."""
    try:
        index = json.loads(_index_file(shard).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return _extents(shard)
    if index["bytes"] != shard.stat().st_size:
        return _extents(shard)
    return {
        name: {member: Extent(*place) for member, place in extents.items()}
        for name, extents in index["records"].items()
    }


def _extents(shard: Path) -> Extents:
    """Where every member lies, by record and member, in the shard's order."""
    places: Extents = {}
    try:
        with tarfile.open(shard) as archive:
            for entry in archive:
                name, member = entry.name.split(".", 1)
                places.setdefault(name, {})[member] = Extent(entry.offset_data, entry.size)
    except tarfile.TarError as error:
        raise TrainingError(
            f"The shard '{shard}' is damaged ({error}). Delete it and run python dev.py training preprocess again with "
            "the same settings; it makes what is not there."
        ) from error
    return places
