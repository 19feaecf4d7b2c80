"""Randomness of a training step that depends on the sample's number alone.

Sample n of a run draws the same noise whichever process it falls to and however often the run was stopped: a run that
goes on from a checkpoint, and one that is spread over processes, see what an uninterrupted single one sees.
"""

import copy
import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

#: Streams that must not repeat one another.
_SAMPLE, _STEP, _ORDER, _CHOICE = range(4)


class Draws:
    """What one step draws for its samples.

    Args:
        seed: of the run.
        samples: the samples' numbers in the run, one a row.
        step: the step's number, for what all rows share.
        device: where drawn tensors go; they are drawn on the CPU.
    """

    def __init__(self, seed: int, samples: Sequence[int], step: int, device: torch.device | str = "cpu") -> None:
        self.device = device
        self._rows = [_generator(seed, _SAMPLE, number) for number in samples]
        self._shared = _generator(seed, _STEP, step)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal ``[rows, *shape]``."""
        return torch.stack([torch.randn(shape, generator=row) for row in self._rows]).to(self.device)

    def uniform(self) -> Tensor:
        """In [0, 1), ``[rows]``."""
        return torch.stack([torch.rand((), generator=row) for row in self._rows]).to(self.device)

    def integers(self, high: int) -> Tensor:
        """In 0…high − 1, int64 ``[rows]``."""
        return torch.stack([torch.randint(high, (), generator=row) for row in self._rows]).to(self.device)

    def permutations(self, count: int) -> Tensor:
        """Of 0…count − 1, int64 ``[rows, count]``."""
        return torch.stack([torch.randperm(count, generator=row) for row in self._rows]).to(self.device)

    def of_every(self, count: int) -> "Draws":
        """What the first of every ``count`` samples draws: a row for each group of so many."""
        draws = copy.copy(self)
        draws._rows = self._rows[::count]
        return draws

    def shared_uniform(self) -> float:
        """One number in [0, 1) for the whole step, in every process."""
        return float(torch.rand((), generator=self._shared))


def _generator(*words: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1))


def number_of(text: str) -> int:
    """The same number for the same text, on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")


def chosen(seed: int, group: int, names: Sequence[str], count: int, beside: str) -> tuple[str, ...]:
    """``count`` of the names and ``beside``, with replacement, at least one of them not ``beside``: the same for a
    group of a run, whoever reads it.
    """
    draw = np.random.default_rng([seed, _CHOICE, group])
    drawn = draw.integers(len(names) + 1, size=count)
    while not drawn.any():
        drawn = draw.integers(len(names) + 1, size=count)
    return tuple((beside, *names)[number] for number in drawn)


def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """The order in which an epoch takes its pairs."""
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(count)
