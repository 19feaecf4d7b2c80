"""Records with everything computed, on disk: ``python -m training.preprocess`` writes them and training reads them.

A store is a folder with ``store.json`` (what it was made of and how), ``names.txt`` and ``pairs.csv`` (what it will
hold when it is whole) and the records, in one of two formats. They are written in units, runs of consecutive names, so
that who writes one needs to know nothing of the others.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from ..errors import TrainingError
from . import atomic
from .names import is_name
from .record_files import IMAGE, decode
from .records import Pair, People, Record
from .store_folder import FolderFormat
from .store_shards import ShardFormat
from .tables import read_pairs

Format = Literal["folder", "shards"]
FORMATS = {"folder": FolderFormat, "shards": ShardFormat}
SETTINGS, NAMES, PAIRS = "store.json", "names.txt", "pairs.csv"
VERSION = 1


class Unit(NamedTuple):
    """Consecutive names that one worker writes."""

    number: int
    names: list[str]


class Files(Protocol):
    """What a format does with a store's records."""

    def names(self) -> set[str]: ...

    def todo(self, number: int, names: Sequence[str], there: set[str]) -> list[str]: ...

    def write(self, number: int, records: Iterable[Record]) -> int: ...

    def members(self, name: str) -> list[str]: ...

    def read(self, name: str, member: str) -> bytes: ...


def begin(root: Path, people: People, settings: Mapping[str, Any], format: Format, unit: int) -> None:
    """Make a store, or find the one that a stopped run of the same settings has left.

    Args:
        settings: of what the records are made, for JSON; a store holds records of one kind.
        unit: how many names a unit has.

    Raises:
        TrainingError: there is something else in the folder, or a name is none.
    """
    wrong = next((name for name in people.names if not is_name(name)), None)
    if wrong is not None or len(set(people.names)) != len(people.names):
        reason = "there twice" if wrong is None else f"not made of letters, digits, _ and -: '{wrong}'"
        raise TrainingError(f"A name of the data set is {reason}. Rename the picture.")
    names = "".join(f"{name}\n" for name in people.names)
    digest = hashlib.sha256(names.encode()).hexdigest()
    wanted = {"version": VERSION, "format": format, "unit": unit, "names_sha256": digest, **settings}
    # As it will be read back: JSON has lists only.
    wanted = json.loads(json.dumps(wanted))
    if (root / SETTINGS).is_file():
        found = _settings(root)
        different = [key for key in sorted(wanted.keys() | found.keys()) if wanted.get(key) != found.get(key)]
        if different:
            key = different[0]
            raise TrainingError(
                f"'{root}' was begun with other settings: {key} was {found.get(key)} and is now {wanted.get(key)}. "
                "Give the same settings to go on with it, or another folder."
            )
        return
    if root.exists() and any(entry.name != atomic.PARTIAL for entry in root.iterdir()) and not _only_begun(root):
        raise TrainingError(f"'{root}' is not empty and no store. Give a folder that does not exist yet.")
    root.mkdir(parents=True, exist_ok=True)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([("from", "to"), *people.pairs])
    atomic.write(root, root / NAMES, names.encode())
    atomic.write(root, root / PAIRS, table.getvalue().encode())
    atomic.settle(root)
    # The last: with it there is a store.
    atomic.write(root, root / SETTINGS, json.dumps(wanted, indent=1).encode())
    atomic.settle(root)


def _only_begun(root: Path) -> bool:
    """Whether a run was stopped before it had begun in earnest."""
    return {entry.name for entry in root.iterdir()} <= {NAMES, PAIRS, atomic.PARTIAL}


def files_of(root: Path, format: Format) -> Files:
    """The records' files of a store."""
    return FORMATS[format](root)


def left_to_do(root: Path, names: Sequence[str], format: Format, unit: int) -> list[Unit]:
    """The units of a store that are not written yet, each with the names that are left."""
    files = files_of(root, format)
    there = files.names()
    units = (Unit(number, list(names[start : start + unit])) for number, start in enumerate(range(0, len(names), unit)))
    left = (Unit(number, files.todo(number, theirs, there)) for number, theirs in units)
    return [unit for unit in left if unit.names]


class StoredPeople:
    """A split as ``python -m training.preprocess`` has stored it.

    Args:
        root: of the store.
        partial: take a store that is not whole as it is: the records that are there, and the pairs of them.

    Attributes:
        complete_fields: what was computed, or known, of every picture; where it is absent, it is absent.

    Raises:
        TrainingError: there is no store, or it is not whole.
    """

    def __init__(self, root: str | Path, partial: bool = False) -> None:
        self.root = Path(root)
        self.settings = _settings(self.root)
        self._files = files_of(self.root, self.settings["format"])
        names = (self.root / NAMES).read_text(encoding="utf-8").split()
        self._there = there = self._files.names()
        self.names = [name for name in names if name in there]
        if len(self.names) < len(names) and not partial:
            raise TrainingError(
                f"The store '{self.root}' is not finished: it has {len(self.names):,} of {len(names):,} records. Run "
                "python dev.py training preprocess again with the same settings; it does the rest."
            )
        pairs = (Pair(row.source, row.target) for row in read_pairs(self.root / PAIRS))
        self.pairs = [pair for pair in pairs if pair.source in there and pair.target in there]
        self.complete_fields = frozenset(self.settings.get("complete_fields", ()))

    def record(self, name: str) -> Record:
        """One picture; its fields are read when they are asked for.

        Raises:
            KeyError: there is none of this name.
            TrainingError: it is damaged.
        """
        if name not in self._there:
            raise KeyError(name)
        return decode(lambda member: self._files.read(name, member))

    def fields_of(self, name: str) -> frozenset[str]:
        """Which fields a record has, without reading them."""
        return frozenset(member.split(".")[0] for member in self._files.members(name) if member != IMAGE)


def _settings(root: Path) -> dict[str, Any]:
    try:
        settings = json.loads((root / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"'{root}' is no store ({SETTINGS}: {error}). Make one with python dev.py training preprocess "
            f"SOURCE '{root}'."
        ) from error
    if not isinstance(settings, dict) or settings.get("version") != VERSION or settings.get("format") not in FORMATS:
        raise TrainingError(f"'{root / SETTINGS}' is of another version of the program. Make the store again.")
    return settings
