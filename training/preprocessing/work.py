"""What one worker does: units of a store, one after another."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessors.errors import ConditionError

from ..data.records import Record
from ..data.sources import open_people
from ..data.store import Format, Unit, files_of
from ..errors import TrainingError
from .pipeline import Pipeline
from .step import Setup, SetupError

#: Records that a network sees at once.
BATCH = 8


@dataclass(frozen=True)
class Job:
    """A run: everything a worker on any machine has to know.

    Attributes:
        source: as :func:`~training.data.sources.parse_source` gives it.
        out: the store's folder, on a disk that all workers share.
        steps: names of the steps.
        unit: how many names a unit has.
    """

    source: Mapping[str, Any]
    out: Path
    format: Format
    unit: int
    steps: tuple[str, ...]
    setup: Setup

    def settings(self) -> dict[str, Any]:
        """What decides the records, for the store's own description; networks by their files' names and sizes."""
        setup = {
            name: _told(value) if isinstance(value, Path) else value
            for name, value in vars(self.setup).items()
            if value is not None and name != "device"
        }
        source = {name: str(value) for name, value in self.source.items()}
        return {"source": source, "steps": list(self.steps), "setup": setup}


def _told(path: Path) -> dict[str, Any]:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"name": path.name, "bytes": sum(file.stat().st_size for file in files)}


class BrokenRecords(TrainingError):
    """Some records of a unit cannot be computed.

    Attributes:
        sentences: one for each.
    """

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = list(sentences)


class Worker:
    """Opens the data set and the networks once, and writes any units of a job."""

    def __init__(self, job: Job) -> None:
        self._people = open_people(job.source)
        self._pipeline = Pipeline(job.steps, job.setup, complete_fields(self._people))
        self._files = files_of(job.out, job.format)

    def write(self, unit: Unit, done: Callable[[], None] = lambda: None) -> None:
        """Compute and write a unit.

        Args:
            done: called after every record.

        Raises:
            BrokenRecords: some cannot be computed. The others are in a folder; a shard has all of a unit, or is not.
            SetupError: none can.
        """
        self._files.write(unit.number, self._records(unit.names, done))

    def _records(self, names: Sequence[str], done: Callable[[], None]) -> Iterator[Record]:
        broken: list[str] = []
        for start in range(0, len(names), BATCH):
            for record in self._computed(names[start : start + BATCH], broken):
                yield record
                done()
        if broken:
            raise BrokenRecords(broken)

    def _computed(self, names: Sequence[str], broken: list[str]) -> list[Record]:
        try:
            return self._pipeline(self._read(names))
        except SetupError:
            raise
        except (TrainingError, ConditionError) as error:
            if len(names) == 1:
                broken.append(f"{names[0]}: {error}")
                return []
        # One of them spoils the batch.
        return [record for name in names for record in self._computed([name], broken)]

    def _read(self, names: Sequence[str]) -> list[Record]:
        """Records of the data set; a renderer draws several at once."""
        render = getattr(self._people, "render", None)
        return render(names) if render else [self._people.record(name) for name in names]


def complete_fields(people: Any) -> frozenset[str]:
    """Fields that a data set decides for every picture, so that an absent one is absent; most decide none."""
    return frozenset(getattr(people, "complete_fields", ()))
