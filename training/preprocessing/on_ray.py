"""Units of work through Ray."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np

from ..data.store import Unit
from ..errors import TrainingError
from ..ray_workers import Workers, spread
from .step import SetupError
from .work import BrokenRecords, Job, Worker


def run(
    job: Job,
    units: Sequence[Unit],
    workers: Workers,
    done: Callable[[int], None],
    broken: Callable[[Sequence[str]], None],
) -> None:
    """Let workers write units, in any order.

    Args:
        done: called with the number of records of every unit that is written.
        broken: called with what is wrong with the records of a unit; may raise.

    Raises:
        TrainingError: Ray is not installed or not there, or a worker said why it cannot go on.
    """
    rows = [{"number": unit.number, "names": "\n".join(unit.names)} for unit in units]
    with closing(spread(rows, RayWorker, (job,), workers)) as written:
        for row in written:
            if row["fatal"]:
                raise SetupError(row["broken"])
            if row["broken"]:
                broken(row["broken"].split("\n"))
            done(int(row["count"]))


class RayWorker:
    """A :class:`Worker` as Ray Data calls it. What a user can mend comes back as sentences."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Write the units of a batch: how many records were computed, what is wrong, and whether that ends the run."""
        rows = [self._write(Unit(int(batch["number"][n]), str(batch["names"][n]).split("\n"))) for n in _places(batch)]
        counts, broken, fatal = zip(*rows, strict=True)
        return {"count": np.array(counts), "broken": np.array(broken), "fatal": np.array(fatal)}

    def _write(self, unit: Unit) -> tuple[int, str, bool]:
        count = 0

        def done() -> None:
            nonlocal count
            count += 1

        try:
            self._worker = self._worker or Worker(self._job)
            self._worker.write(unit, done)
        except BrokenRecords as error:
            return count, str(error), False
        except TrainingError as error:
            return count, str(error), True
        return count, "", False


def _places(batch: dict[str, np.ndarray]) -> range:
    return range(len(batch["number"]))
