"""COCO's average precision of people that were found, by any measure of how alike two are (Lin et al., 2014)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Similarities from which two count as one, and shares of the wanted at which precision is read.
THRESHOLDS, RECALLS = np.linspace(0.5, 0.95, 10), np.linspace(0, 1, 101)
#: People of a picture that count, the surest first.
MOST = 20
#: Areas of people of medium size, in square pixels.
MEDIUM = (32.0**2, 96.0**2)


class Matched(NamedTuple):
    """Who of a picture's people was found.

    Attributes:
        right: whether a found person is a wanted one, by threshold, ``[T, F]``.
        counted: whether it counts, ``[T, F]``.
        scores: ``[F]``.
        wanted: how many there are that count.
    """

    right: np.ndarray
    counted: np.ndarray
    scores: np.ndarray
    wanted: int


def match(similarity: np.ndarray, scores: np.ndarray, wanted_in: np.ndarray, found_in: np.ndarray) -> Matched:
    """Give every found person of a picture, the surest first, the most alike of the wanted that are left.

    Args:
        similarity: ``[F, W]``.
        scores: of the found, ``[F]``.
        wanted_in, found_in: who is of the size that is asked for, boolean ``[W]`` and ``[F]``. Of other sizes, the
            wanted need not be found, and the found are not wrong.
    """
    order = np.argsort(-scores, kind="stable")[:MOST]
    similarity = similarity[order]
    right = np.zeros((len(THRESHOLDS), len(order)), bool)
    counted = np.ones_like(right)
    for level, threshold in enumerate(THRESHOLDS):
        left = np.ones(len(wanted_in), bool)
        for row, alike in enumerate(similarity):
            near = left & (alike >= threshold)
            inside = near & wanted_in
            choice = inside if inside.any() else near
            if choice.any():
                best = int(np.where(choice, alike, -np.inf).argmax())
                left[best], right[level, row] = False, True
                counted[level, row] = wanted_in[best]
            else:
                counted[level, row] = found_in[order[row]]
    return Matched(right, counted, scores[order], int(wanted_in.sum()))


def average_precision(pictures: Sequence[Matched]) -> float:
    """AP in 0–1 over the thresholds 0.5, 0.55, …, 0.95; NaN where nobody is wanted."""
    wanted = sum(picture.wanted for picture in pictures)
    if not wanted:
        return float("nan")
    order = np.argsort(-np.concatenate([picture.scores for picture in pictures]), kind="stable")
    right, counted = (
        np.concatenate([getattr(picture, name) for picture in pictures], 1)[:, order] for name in ("right", "counted")
    )
    hits, misses = (right & counted).cumsum(1), (~right & counted).cumsum(1)
    precision = hits / np.maximum(hits + misses, 1)
    # At every recall the best that a longer list still has.
    precision = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    precision = np.concatenate([precision, np.zeros((len(precision), 1))], 1)
    read = [line[np.searchsorted(found, RECALLS)] for line, found in zip(precision, hits / wanted, strict=True)]
    return float(np.mean(read))
