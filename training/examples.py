"""From records to batches: group n of a run is always the same pictures, whichever process reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from .data.records import Pair, People, Record
from .draws import chosen, order
from .errors import TrainingError
from .methods.base import Method


class Group(NamedTuple):
    """A source and some of its targets: the source is read, and passes through its network, once for all of them.

    Attributes:
        source: name of the picture that is given.
        targets: names of those that are wanted, the same number in every group; or of all, some of which are drawn.
    """

    source: str
    targets: tuple[str, ...]


def grouped(pairs: Sequence[Pair], targets: int) -> list[Group]:
    """Pairs by source, ``targets`` at a time; a source with too few for its last group begins with its first again."""
    return [
        Group(source, tuple(theirs[(start + number) % len(theirs)] for number in range(targets)))
        for source, theirs in _targets_of(pairs).items()
        for start in range(0, len(theirs), targets)
    ]


def grouped_whole(pairs: Sequence[Pair]) -> list[Group]:
    """Every source with all its targets, whose number may differ."""
    return [Group(source, tuple(theirs)) for source, theirs in _targets_of(pairs).items()]


def _targets_of(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    of: dict[str, list[str]] = {}
    for source, target in pairs:
        of.setdefault(source, []).append(target)
    return of


class Examples(Dataset):
    """Groups of a run by number: epochs follow one another, each in its own order.

    Args:
        method: what is read of a record.
        people: where records come from.
        seed: of the order.
        cache: whether what was read stays in memory.
        targets: of a source, at once.
        drawn: whether a source's targets are drawn, see :class:`.recipe.Data`.
    """

    def __init__(
        self,
        method: Method,
        people: People,
        seed: int,
        cache: bool = False,
        targets: int = 1,
        drawn: bool = False,
    ) -> None:
        if not people.pairs:
            raise TrainingError("The data set has no pairs: every person needs two pictures in the same clothes.")
        self.people, self.seed, self._method = people, seed, method
        self.groups = grouped_whole(people.pairs) if drawn else grouped(people.pairs, targets)
        self._drawn = targets if drawn else 0
        self._kept: dict[tuple[str, str], dict[str, Tensor]] | None = {} if cache else None
        self._epoch, self._order = -1, None

    def __getitem__(self, number: int) -> "Example":
        epoch, place = divmod(number, len(self.groups))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, order(self.seed, epoch, len(self.groups))
        return self.group(int(self._order[place]), number)

    def group(self, place: int, number: int = 0) -> "Example":
        """What the method reads of the data set's group at a place."""
        source, targets = self.groups[place]
        if self._drawn:
            targets = chosen(self.seed, number, targets, self._drawn, beside=source)
        return Example(self._read("source", source), [self._read("target", target) for target in targets], number)

    def _read(self, role: str, name: str) -> dict[str, Tensor]:
        if self._kept is not None and (role, name) in self._kept:
            return self._kept[role, name]
        record: Record = self.people.record(name)
        read = self._method.read_source(record) if role == "source" else self._method.read_target(record)
        if self._kept is not None:
            self._kept[role, name] = read
        return read


class Example(NamedTuple):
    """What a method reads of a group; ``number`` is the group's in the run."""

    source: dict[str, Tensor]
    targets: list[dict[str, Tensor]]
    number: int


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    """A batch: S rows of what was read of sources, B of what was read of targets, each source's after one another.

    ``number`` is every target's own in the run, ``[B]``.
    """
    together = torch.utils.data.default_collate
    numbers = [
        example.number * len(example.targets) + place for example in examples for place in range(len(example.targets))
    ]
    targets = together([target for example in examples for target in example.targets])
    return together([example.source for example in examples]) | targets | {"number": torch.tensor(numbers)}


class Shares(Sampler):
    """Numbers of the groups that one process of several reads, a micro-batch at a time.

    Args:
        first, last: steps of the run, ``last`` excluded.
        batch: groups of a step, over all processes and micro-batches.
        rank, processes: this one and how many.
        accumulate: micro-batches of a step.
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, processes: int = 1, accumulate: int = 1):
        if batch % (processes * accumulate):
            raise TrainingError(
                f"{batch} sources of a batch cannot be shared by {processes} processes in {accumulate} parts. Choose a "
                f"multiple of {processes * accumulate}."
            )
        self._steps, self._batch = range(first, last), batch
        self._rank, self._processes, self._accumulate = rank, processes, accumulate

    def __len__(self) -> int:
        return len(self._steps) * self._accumulate

    def __iter__(self) -> Iterator[list[int]]:
        share = self._batch // (self._processes * self._accumulate)
        for step in self._steps:
            for part in range(self._accumulate):
                start = step * self._batch + (part * self._processes + self._rank) * share
                yield list(range(start, start + share))


def loader(examples: Examples, shares: Shares, workers: int) -> DataLoader:
    """Batches of tensors."""
    return DataLoader(examples, batch_sampler=shares, num_workers=workers, persistent_workers=False, collate_fn=collate)


def on_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A batch where the network is."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
