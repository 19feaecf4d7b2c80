"""Which face of a mesh every pixel shows: a z-buffer in numpy, exact at the pixels' centres.

All faces are drawn at once: as rows of pixels, whose ends follow from the edges, then as pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: What is nearer to the pinhole than this is not drawn, metres.
NEAREST = 0.05
#: How many pixels of faces' boxes are looked at together, at most; those inside of a face take 100 bytes each.
TOGETHER = 1 << 22


@dataclass(frozen=True, eq=False)
class Hits:
    """What pixels show.

    Attributes:
        face: −1 for nothing, ``[H, W]``.
        corners: weights of the face's corners in space, ``[H, W, 3]``.
        away: in front of the pinhole, metres; infinite for nothing, ``[H, W]``.
    """

    face: np.ndarray
    corners: np.ndarray
    away: np.ndarray


def rasterize(
    pixels: np.ndarray,
    away: np.ndarray,
    faces: np.ndarray,
    size: tuple[int, int],
    cover: np.ndarray | None = None,
    culled: np.ndarray | None = None,
) -> Hits:
    """The nearest face at every pixel's centre.

    Args:
        pixels: x, y of the vertices, ``[V, 2]``.
        away: of the vertices in front of the pinhole, ``[V]``.
        faces: ``[F, 3]``.
        size: height and width.
        cover: a face counts where this, between its corners, is not negative, ``[V]``.
        culled: faces that are not seen from behind, boolean ``[F]``.
    """
    height, width = size
    x, y, near = (np.asarray(values, np.float64) for values in (*pixels.T, away))
    a, b, c = faces.T
    area = (x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a])
    there = np.abs(area) > 1e-9
    if culled is not None:
        # Seen from outside, a face's corners go counter-clockwise, and rows count downwards.
        there &= ~culled | (area < 0)
    near = near > NEAREST
    there &= near[a] & near[b] & near[c]
    chosen = np.flatnonzero(there)
    a, b, c = faces[chosen].T
    tops, counts = _spans(y[a], y[b], y[c], height)
    lefts, widths = _spans(x[a], x[b], x[c], width)
    seen = np.flatnonzero((counts > 0) & (widths > 0))
    chosen, tops, counts = chosen[seen], tops[seen], counts[seen]
    buffer = _Buffer(
        np.zeros(height * width, np.float32),
        np.full(height * width, -1, np.int32),
        np.zeros((height * width, 3), np.float32),
    )
    block = np.cumsum(counts * widths[seen]) // TOGETHER
    for start, end in _runs(block):
        own = chosen[start:end]
        weights = _weights(x, y, faces[own], area[own])
        which, row, column, flat = _inside(weights, tops[start:end], counts[start:end], width)
        _draw(buffer, own, which, row * width + column, flat, 1 / away[faces[own]], faces, cover)
    far = np.full(height * width, np.inf, np.float32)
    np.divide(1, buffer.nearest, out=far, where=buffer.nearest > 0)
    return Hits(buffer.face.reshape(size), buffer.corners.reshape(*size, 3), far.reshape(size))


@dataclass(frozen=True, eq=False)
class _Buffer:
    """What pixels show so far; ``nearest`` is 1 / distance, which is linear in the picture."""

    nearest: np.ndarray
    face: np.ndarray
    corners: np.ndarray


def _spans(first: np.ndarray, second: np.ndarray, third: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of the rows, or columns, whose middles lie between three corners, and their number."""
    low = np.minimum(np.minimum(first, second), third)
    high = np.maximum(np.maximum(first, second), third)
    start = np.ceil(np.clip(low - 0.5, 0, side)).astype(np.int64)
    return start, np.floor(np.clip(high - 0.5, -1, side - 1)).astype(np.int64) - start + 1


def _runs(block: np.ndarray) -> Iterator[tuple[int, int]]:
    """Starts and ends of what has the same number, one after the other."""
    if len(block):
        edges = np.flatnonzero(np.diff(block)) + 1
        yield from zip([0, *edges], [*edges, len(block)], strict=True)


def _weights(x: np.ndarray, y: np.ndarray, faces: np.ndarray, area: np.ndarray) -> np.ndarray:
    """The corners' weights as functions of the picture's x and y: slopes and the value at 0, ``[3, 3, faces]``."""
    rows = []
    for i, j in ((1, 2), (2, 0), (0, 1)):
        start, end = faces[:, i], faces[:, j]
        across, down = (y[start] - y[end]) / area, (x[end] - x[start]) / area
        rows.append((across, down, -across * x[start] - down * y[start]))
    return np.array(rows)


def _inside(
    weights: np.ndarray, tops: np.ndarray, counts: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Pixels inside of faces: which face, row, column, and the corners' weights in the picture."""
    which, step = _repeated(counts)
    row = tops[which] + step
    low, high = np.zeros(len(which)), np.full(len(which), width - 1.0)
    slopes, values = [], []
    for across, down, start in weights:
        slope, value = across[which], (start + 0.5 * down)[which] + down[which] * row
        # The weight is not negative where value + slope · x ≥ 0; x is the middle of a column.
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = -value / slope - 0.5
        np.maximum(low, np.where(slope > 0, np.ceil(edge), low), out=low)
        np.minimum(high, np.where(slope < 0, np.floor(edge), high), out=high)
        high[(slope == 0) & (value < 0)] = -1
        slopes.append(slope)
        values.append(value + 0.5 * slope)
    span, step = _repeated(np.maximum(high - low + 1, 0).astype(np.int64))
    column = low.astype(np.int64)[span] + step
    flat = [(value[span] + slope[span] * column).clip(0) for slope, value in zip(slopes, values, strict=True)]
    return which[span], row[span], column, flat


def _repeated(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every index so many times, and how many times it has been there."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)


def _draw(
    buffer: _Buffer,
    own: np.ndarray,
    which: np.ndarray,
    pixel: np.ndarray,
    flat: list[np.ndarray],
    near: np.ndarray,
    faces: np.ndarray,
    cover: np.ndarray | None,
) -> None:
    """Draw faces ``own`` over what is there.

    Args:
        which, pixel, flat: of the pixels inside of them, see :func:`_inside`.
        near: 1 / distance of their corners, ``[own, 3]``.
    """
    parts = [share * near[:, corner][which] for corner, share in enumerate(flat)]
    inverse = parts[0] + parts[1] + parts[2]
    keep = inverse > buffer.nearest[pixel]
    if cover is not None:
        corner = faces[own][which]
        keep &= sum(part * cover[corner[:, number]] for number, part in enumerate(parts)) >= 0
    kept = np.flatnonzero(keep)
    # The nearest last: of several values for one pixel the last is kept.
    kept = kept[np.argsort(inverse[kept], kind="stable")]
    place = pixel[kept]
    buffer.nearest[place] = inverse[kept]
    buffer.face[place] = own[which[kept]]
    buffer.corners[place] = np.stack([part[kept] / inverse[kept] for part in parts], 1)
