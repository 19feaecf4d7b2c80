"""Checkpoints of a run: folders that are there completely or not at all."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from .data import atomic

_PREFIX, _PARTIAL = "checkpoint-", "partial-"


def latest(folder: Path) -> Path | None:
    """The run's last checkpoint."""
    return max(folder.glob(f"{_PREFIX}*"), default=None)


def step_of(checkpoint: Path) -> int:
    """How many steps were done when it was written."""
    return int(checkpoint.name.removeprefix(_PREFIX))


def save(
    folder: Path, step: int, write: Callable[[Path], None], keep: int, main: bool, wait: Callable[[], None]
) -> None:
    """Write a checkpoint beside its place and move it there when it is complete and on the disk.

    Args:
        write: is given the folder to write into; every process of the run calls it.
        keep: older checkpoints beyond so many are removed.
        main: whether this is the process that moves and removes.
        wait: returns when all processes have come so far.
    """
    partial, place = folder / f"{_PARTIAL}{step:08d}", folder / f"{_PREFIX}{step:08d}"
    if main:
        clear(folder)
        partial.mkdir(parents=True)
    wait()
    write(partial)
    wait()
    if main:
        for file in [path for path in partial.rglob("*") if path.is_file()]:
            with file.open("rb") as written:
                os.fsync(written.fileno())
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
        atomic.settle(folder)
        for old in sorted(folder.glob(f"{_PREFIX}*"))[:-keep]:
            # Under its own name a half-removed checkpoint could be taken for a whole one.
            shutil.rmtree(old.rename(folder / f"{_PARTIAL}{old.name}"))
    wait()


def clear(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for path in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(path)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file beside its place and move it there when it is complete."""
    partial = atomic.temporary_in(path.parent)
    write(partial)
    atomic.place(partial, path)
