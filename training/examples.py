"""From records to batches: sample n of a run is always the same pair, whichever process reads it."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from .data.records import People, Record
from .draws import order
from .errors import TrainingError
from .methods.base import Method


class Examples(Dataset):
    """Samples of a run by number: epochs follow one another, each in its own order.

    Args:
        method: what is read of a record.
        people: where records come from.
        seed: of the order.
        cache: whether what was read stays in memory.
    """

    def __init__(self, method: Method, people: People, seed: int, cache: bool = False) -> None:
        if not people.pairs:
            raise TrainingError("The data set has no pairs: every person needs two pictures in the same clothes.")
        self.people, self.seed, self._method = people, seed, method
        self._kept: dict[tuple[str, str], dict[str, Tensor]] | None = {} if cache else None
        self._epoch, self._order = -1, None

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        epoch, place = divmod(number, len(self.people.pairs))
        if epoch != self._epoch:
            self._epoch, self._order = epoch, order(self.seed, epoch, len(self.people.pairs))
        return self.pair(int(self._order[place])) | {"number": torch.tensor(number)}

    def pair(self, place: int) -> dict[str, Tensor]:
        """What the method reads of the data set's pair at a place."""
        source, target = self.people.pairs[place]
        return self._read("source", source) | self._read("target", target)

    def _read(self, role: str, name: str) -> dict[str, Tensor]:
        if self._kept is not None and (role, name) in self._kept:
            return self._kept[role, name]
        record: Record = self.people.record(name)
        read = self._method.read_source(record) if role == "source" else self._method.read_target(record)
        if self._kept is not None:
            self._kept[role, name] = read
        return read


class Shares(Sampler):
    """Numbers of the samples that one process of several reads, a micro-batch at a time.

    Args:
        first, last: steps of the run, ``last`` excluded.
        batch: samples of a step, over all processes and micro-batches.
        rank, processes: this one and how many.
        accumulate: micro-batches of a step.
    """

    def __init__(self, first: int, last: int, batch: int, rank: int = 0, processes: int = 1, accumulate: int = 1):
        if batch % (processes * accumulate):
            raise TrainingError(
                f"A batch of {batch} cannot be shared by {processes} processes in {accumulate} parts. Choose a "
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
    return DataLoader(examples, batch_sampler=shares, num_workers=workers, persistent_workers=False)


def on_device(batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    """A batch where the network is."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
