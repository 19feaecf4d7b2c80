"""Files that are there whole or not at all, whenever the process or the machine stops."""

import os
import time
import uuid
from pathlib import Path

#: Where files lie until they are whole, beside what is finished: a rename stays within one disk.
PARTIAL = ".partial"
#: A file that lies there longer than this belongs to nobody who still writes: writing takes seconds.
ABANDONED_S = 3600


def place(temporary: Path, final: Path) -> None:
    """Make a finished file visible under its name: what it holds is on the disk before it is seen."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(final)


def settle(folder: Path) -> None:
    """Return once the names of the files placed in a folder are on the disk."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write(root: Path, final: Path, data: bytes) -> None:
    """Write a file below ``root`` and place it."""
    temporary = temporary_in(root)
    temporary.write_bytes(data)
    place(temporary, final)


def temporary_in(root: Path) -> Path:
    """A name of a file not yet finished that nobody else has."""
    folder = root / PARTIAL
    folder.mkdir(parents=True, exist_ok=True)
    return folder / uuid.uuid4().hex


def clear(root: Path, older_than_s: float = ABANDONED_S) -> None:
    """Take away what stopped runs have left unfinished."""
    for file in (root / PARTIAL).glob("*"):
        try:
            if time.time() - file.stat().st_mtime > older_than_s:
                file.unlink()
        except FileNotFoundError:
            # Whoever wrote it has just finished it.
            continue
