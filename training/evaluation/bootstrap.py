"""How far a mean could be off by the choice of the test pairs."""

import numpy as np

RESAMPLES = 2000


def confidence_interval(
    values: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of ``values`` ``[n]`` (Efron, 1979), the same for the same seed.

    Raises:
        ValueError: no values.
    """
    if len(values) == 0:
        raise ValueError("There is nothing to average: the list of values is empty.")
    generator = np.random.default_rng(seed)
    # In rows, since all draws of a full test set at once are a gigabyte.
    means = [generator.choice(values, len(values)).mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
