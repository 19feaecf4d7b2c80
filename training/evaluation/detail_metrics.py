"""Figures of what the clothes show, that need no network: their mean colours, their patterns, sharpness.

Colour error pixel by pixel (:mod:`.pixel_metrics`) is mostly the pattern's; these tell colour and pattern apart.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.ndimage import binary_erosion
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocessors.labels import LIP_20

from ..data.records import Record
from .columns import Column
from .garment_colour import GARMENTS
from .pixel_metrics import NAN, NO_PARSING
from .seen import seen_in_source

NO_SURFACE = (
    "the data set has no DensePose of its pictures, or no target's clothes have a pattern that its source shows"
)
#: Standard deviation of lightness (0–100) above which cloth has a pattern, and fewest pixels to tell by.
PATTERN, PIXELS = 4.0, 12


class GarmentMeans:
    """ΔE₀₀ between a garment's mean colour (in Lab) in the truth and in the result, and the mean over garments."""

    columns = (Column("garment_mean", "garment's mean colour, ΔE₀₀", "lower", 2),)
    needs = f"no target shows a garment, or {NO_PARSING}"
    batch = 0

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [
            {"garment_mean": _mean_colour(target, picture)} for (_, target), picture in zip(pairs, made, strict=True)
        ]


def _mean_colour(target: Record, made: np.ndarray) -> float:
    truth, result = rgb2lab(target.image), rgb2lab(made)
    errors = [deltaE_ciede2000(truth[inside].mean(0), result[inside].mean(0)) for inside in _garments(target)]
    return float(np.mean(errors)) if errors else NAN


class GarmentPattern:
    """How much of the pattern came over: the correlation of lightness L, garment by garment, of the result with the
    source warped to the target by true I, U, V:

    r = Σ (L_made − mean)(L_warped − mean) / √(Σ (L_made − mean)² Σ (L_warped − mean)²)

    over the garment's pixels that the source shows. A garment whose warped lightness varies by less than
    :data:`PATTERN` is plain and does not count; a result without any variation has 0. The mean over garments. Shading
    is in it: 1 takes the source's own light.
    """

    columns = (Column("garment_pattern", "garment's pattern, correlation", "higher", 3),)
    needs = NO_SURFACE
    batch = 0

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [
            {"garment_pattern": _pattern(source, target, picture)}
            for (source, target), picture in zip(pairs, made, strict=True)
        ]


def _pattern(source: Record, target: Record, made: np.ndarray) -> float:
    if target.fields.get("iuv") is None or source.fields.get("iuv") is None:
        return NAN
    seen = seen_in_source(source, target)
    result, warped = (rgb2lab(picture)[..., 0] for picture in (made, seen.warped))
    found = []
    for inside in _garments(target):
        inside = inside & seen.mask
        ours, theirs = result[inside], warped[inside]
        if len(theirs) < PIXELS or theirs.std() < PATTERN:
            continue
        ours, theirs = ours - ours.mean(), theirs - theirs.mean()
        size = np.sqrt((ours**2).sum() * (theirs**2).sum())
        found.append((ours * theirs).sum() / size if ours.std() > 1e-3 else 0.0)
    return float(np.mean(found)) if found else NAN


class Sharpness:
    """Energy of the differences between neighbours of the result over the truth's, inside the person: 1 is as sharp.

    The person without their outermost pixel, which is the outline's.
    """

    columns = (Column("sharpness", "sharpness, of the truth's", "higher", 3),)
    needs = NO_PARSING
    batch = 0

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [{"sharpness": _sharpness(target, picture)} for (_, target), picture in zip(pairs, made, strict=True)]


def _sharpness(target: Record, made: np.ndarray) -> float:
    labels = target.fields.get("parsing")
    if labels is None:
        return NAN
    inside = binary_erosion(labels > 0)
    truth = _edges(target.image, inside)
    return _edges(made, inside) / truth if truth > 0 else NAN


def _edges(picture: np.ndarray, inside: np.ndarray) -> float:
    """Root of the mean squared difference of neighbours that both lie inside."""
    values = picture.astype(np.float64).mean(-1)
    across, down = inside[:, 1:] & inside[:, :-1], inside[1:] & inside[:-1]
    squares = np.concatenate([np.diff(values, axis=1)[across] ** 2, np.diff(values, axis=0)[down] ** 2])
    return float(np.sqrt(squares.mean())) if len(squares) else 0.0


def _garments(target: Record) -> Iterator[np.ndarray]:
    """Where each garment that the target shows is, boolean ``[H, W]``."""
    labels = target.fields.get("parsing")
    if labels is not None:
        for name in GARMENTS:
            inside = labels == LIP_20.index(name)
            if inside.any():
                yield inside


#: In the order of tables.
DETAIL_METRICS = (GarmentMeans, GarmentPattern, Sharpness)
