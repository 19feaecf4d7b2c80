"""Small data sets in memory, for the evaluation's tests."""

import numpy as np

from training.data.records import Pair, Record


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def record(name: str, seed: int = 0, size: tuple[int, int] = (64, 56), **fields: np.ndarray) -> Record:
    return Record(name, "someone", "something", noise(*size, 3, seed=seed), fields)


class Few:
    """A data set in memory."""

    def __init__(self, *records: Record, pairs: list[Pair] | None = None) -> None:
        self._records = {record.name: record for record in records}
        self.names = list(self._records)
        self.pairs = pairs or [Pair(a, b) for a in self.names for b in self.names if a != b]

    def record(self, name: str) -> Record:
        return self._records[name]
