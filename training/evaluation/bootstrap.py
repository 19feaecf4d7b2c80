"""How far a mean could be off by the choice of the test pairs."""

from collections.abc import Hashable, Sequence

import numpy as np

RESAMPLES = 2000


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
