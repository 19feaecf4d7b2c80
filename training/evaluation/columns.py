"""What tables know of a figure, and what a metric is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ..data.records import Record


@dataclass(frozen=True)
class Column:
    """A figure.

    Attributes:
        key: in CSV files.
        title: in the Markdown table, with its unit.
        better: which end is the good one.
        digits: after the point.
        shown: in the Markdown table as well, not in CSV files only.
    """

    key: str
    title: str
    better: Literal["higher", "lower"]
    digits: int
    shown: bool = True

    @property
    def heading(self) -> str:
        """The title, and an arrow to the good end."""
        return f"{self.title} {'↑' if self.better == 'higher' else '↓'}"


class PairMetric(Protocol):
    """Measures every pair by itself.

    Attributes:
        columns: what it gives.
        needs: a sentence for where all of it is undefined: what the data lack, and how to get it.
        batch: pairs beyond the last full batch of so many do not count; 0 counts all.
    """

    columns: Sequence[Column]
    needs: str
    batch: int

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        """Figures by key of every pair (source, target) and result uint8 ``[H, W, 3]``; NaN where undefined."""


class SetMetric(Protocol):
    """Looks at every pair by itself, and measures them all together.

    Attributes:
        columns: figures of pairs.
        set_columns: figures of all of them.
        needs: as of a :class:`PairMetric`.
    """

    columns: Sequence[Column]
    set_columns: Sequence[Column]
    needs: str

    def look(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[Any]:
        """What is kept of every pair (source, target) and result uint8 ``[H, W, 3]``."""

    def of_pair(self, kept: Any) -> Mapping[str, float]:
        """Figures of a pair by key; NaN where undefined."""

    def of_set(self, kept: Sequence[Any]) -> Mapping[str, float]:
        """Figures of all pairs by key; NaN where undefined."""


@dataclass(frozen=True)
class LeftOut:
    """A metric that is not measured.

    Attributes:
        title: which.
        how: a sentence on how to have it.
    """

    title: str
    how: str
