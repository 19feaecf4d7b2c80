"""What of a target its source shows, by true DensePose: the same place of the body, in the same garment."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from ..data.records import Record
from ..errors import TrainingError

#: Of a chart's side, in U and V of 0–255: what lies so near counts as the same place.
RADIUS = 12.0


class Seen(NamedTuple):
    """Attributes:
    mask: pixels of the target that the source shows, boolean ``[H, W]``.
    warped: the source's colours at those, black elsewhere, uint8 ``[H, W, 3]``.
    """

    mask: np.ndarray
    warped: np.ndarray


def seen_in_source(source: Record, target: Record, radius: float = RADIUS) -> Seen:
    """The source's pixels at the target's places: for each the nearest U, V of its part and label.

    Raises:
        TrainingError: the data set knows no DensePose or parsing.
    """
    ours, theirs = (_surface(record) for record in (target, source))
    mask = np.zeros(target.image.shape[:2], bool)
    warped = np.zeros_like(target.image)
    for kind in np.intersect1d(ours.kind, theirs.kind):
        if kind == 0:
            continue
        wanted, given = ours.kind == kind, theirs.kind == kind
        distance, nearest = cKDTree(theirs.uv[given]).query(ours.uv[wanted], distance_upper_bound=radius)
        near = np.isfinite(distance)
        rows, columns = (places[near] for places in np.nonzero(wanted))
        mask[rows, columns] = True
        warped[rows, columns] = source.image[given][nearest[near]]
    return Seen(mask, warped)


class _Surface(NamedTuple):
    """A part and a label as one number ``[H, W]``, 0 beside the body; U and V ``[H, W, 2]``."""

    kind: np.ndarray
    uv: np.ndarray


def _surface(record: Record) -> _Surface:
    iuv, labels = record.fields.get("iuv"), record.fields.get("parsing")
    if iuv is None or labels is None:
        raise TrainingError(
            f"The record '{record.name}' has no '{'iuv' if iuv is None else 'parsing'}', by which it is found what the "
            "source shows. Compute it once for the whole data set: python dev.py training preprocess SOURCE OUT "
            "--steps parsing,iuv --densepose FILE"
        )
    part = iuv[..., 0].astype(np.int64)
    return _Surface(np.where((part > 0) & (labels > 0), part * 256 + labels, 0), iuv[..., 1:].astype(np.float64))
