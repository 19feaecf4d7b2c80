"""Records as files of a folder: ``NAME.image.png``, ``NAME.keypoints.npy``, …, and ``NAME.json`` once all are there."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import atomic
from .record_files import INDEX, encode
from .records import Record

RECORDS = "records"


class FolderFormat:
    """Records below ``root/records``.

    A record is there once its ``json`` is, which is written last.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / RECORDS

    def names(self) -> set[str]:
        """Names of the records that are there."""
        if not self.folder.is_dir():
            return set()
        return {file.name.removesuffix(".json") for file in self.folder.iterdir() if file.suffix == ".json"}

    def todo(self, number: int, names: Sequence[str], there: set[str]) -> list[str]:
        """What is left of a unit's records, given those that are there."""
        return [name for name in names if name not in there]

    def write(self, number: int, records: Iterable[Record]) -> int:
        """Write a unit's records, each as it comes; tells how many."""
        self.folder.mkdir(parents=True, exist_ok=True)
        written = 0
        for record in records:
            for member, data in encode(record).items():
                if member == INDEX:
                    # With it the record is there: the others have to be on the disk.
                    atomic.settle(self.folder)
                atomic.write(self.root, self.folder / f"{record.name}.{member}", data)
            written += 1
        atomic.settle(self.folder)
        return written

    def members(self, name: str) -> list[str]:
        """A record's members but for ``json``."""
        return json.loads(self.read(name, INDEX))["members"]

    def read(self, name: str, member: str) -> bytes:
        """A member's bytes.

        Raises:
            OSError: there is none.
        """
        return (self.folder / f"{name}.{member}").read_bytes()
