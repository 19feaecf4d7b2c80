"""How far a mean could be off by the choice of the test pairs."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
#: Of figures that have to be computed anew of every one.
SET_RESAMPLES = 500


def confidence_interval(
    values: np.ndarray,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of ``values`` ``[n]`` (Efron, 1979), the same for the same seed.

    Args:
        groups: whose each value is; groups are drawn whole, since values of one are alike. None: each is its own.

    Raises:
        ValueError: no values.
    """
    if len(values) == 0:
        raise ValueError("There is nothing to average: the list of values is empty.")
    generator = np.random.default_rng(seed)
    numbers: dict[Hashable, int] = {}
    members = [numbers.setdefault(group, len(numbers)) for group in (range(len(values)) if groups is None else groups)]
    sums, counts = np.bincount(members, values), np.bincount(members)
    # In rows, since all draws of a full test set at once are a gigabyte.
    draws = (generator.integers(0, len(sums), len(sums)) for _ in range(resamples))
    means = [sums[drawn].sum() / counts[drawn].sum() for drawn in draws]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def set_intervals(
    kept: Sequence[Any],
    figures: Callable[[Sequence[Any]], Mapping[str, float]],
    groups: Sequence[Hashable],
    level: float = 0.95,
    resamples: int = SET_RESAMPLES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of figures that only a set has, such as an average precision.

    Args:
        kept: what figures are computed of.
        figures: by name, NaN where undefined; a draw in which one is undefined does not count for it.
        groups: whose each of ``kept`` is; groups are drawn whole.
    """
    generator = np.random.default_rng(seed)
    members: dict[Hashable, list[Any]] = {}
    for each, group in zip(kept, groups, strict=True):
        members.setdefault(group, []).append(each)
    whole = list(members.values())
    drawn = [
        figures([each for place in generator.integers(0, len(whole), len(whole)) for each in whole[place]])
        for _ in range(resamples)
    ]
    edges = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name in drawn[0]:
        values = np.array([figure[name] for figure in drawn])
        values = values[~np.isnan(values)]
        low, high = np.quantile(values, edges) if len(values) else (np.nan, np.nan)
        found[name] = float(low), float(high)
    return found
