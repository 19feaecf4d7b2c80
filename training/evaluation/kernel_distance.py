"""How far two sets of features lie apart by a kernel: the distance behind KID."""

import numpy as np

from .bootstrap import RESAMPLES

#: Resamples of the kernel distance that are worked on at once.
ROWS = 200


def kernel_distance(truth: np.ndarray, made: np.ndarray, paired: bool = False) -> float:
    """Unbiased squared maximum mean discrepancy of two sets ``[n, D]``, ``[m, D]`` (Bińkowski et al., 2018).

    The kernel is (xᵀy / D + 1)³; the estimate may be negative. All features are one block: published figures are means
    over blocks of 1,000, which is the same in expectation.

    Args:
        paired: features of one number belong together, as a result and its own target do, and are not compared: they
            are more alike than the sets are.
    """
    ours, theirs = (np.ones((1, len(features))) for features in (truth, made))
    return float(_weighted(_kernels(truth, made), ours, theirs, paired)[0])


def kernel_interval(
    truth: np.ndarray, made: np.ndarray, paired: bool, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of :func:`kernel_distance`.

    Args:
        paired: features of one number in both sets are drawn together, and not compared.

    A feature that is drawn twice is not compared with itself: the estimate stays unbiased. A draw of one and the same
    feature, which has no estimate, is left out.
    """
    generator = np.random.default_rng(seed)
    kernels = _kernels(truth, made)
    found = []
    for start in range(0, resamples, ROWS):
        count = min(ROWS, resamples - start)
        ours = _draws(generator, count, len(truth))
        theirs = ours if paired else _draws(generator, count, len(made))
        with np.errstate(invalid="ignore"):
            found.append(_weighted(kernels, ours, theirs, paired))
    low, high = np.nanquantile(np.concatenate(found), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draws(generator: np.random.Generator, resamples: int, count: int) -> np.ndarray:
    """How often each of ``count`` is drawn, ``[resamples, count]``."""
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)


def _kernels(truth: np.ndarray, made: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kernel among the truth, among what was made, and between both."""
    truth, made = np.asarray(truth, np.float64), np.asarray(made, np.float64)
    width = truth.shape[1]
    return tuple((a @ b.T / width + 1) ** 3 for a, b in ((truth, truth), (made, made), (truth, made)))


def _weighted(
    kernels: tuple[np.ndarray, np.ndarray, np.ndarray], ours: np.ndarray, theirs: np.ndarray, paired: bool
) -> np.ndarray:
    """The estimate for every row of weights ``[rows, n]``, ``[rows, m]``."""
    among = [
        (((weights @ kernel) * weights).sum(1) - weights**2 @ np.diag(kernel))
        / (weights.sum(1) ** 2 - (weights**2).sum(1))
        for kernel, weights in zip(kernels, (ours, theirs), strict=False)
    ]
    between, count = ((ours @ kernels[2]) * theirs).sum(1), ours.sum(1) * theirs.sum(1)
    if paired:
        between, count = between - (ours * theirs) @ np.diag(kernels[2]), count - (ours * theirs).sum(1)
    return among[0] + among[1] - 2 * between / count
