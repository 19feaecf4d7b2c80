"""How near one DensePose of a person is to another: outlines, parts, U and V, and the distance on the body."""

import functools

import numpy as np
from scipy.spatial import cKDTree

from preprocessors.body.model import Body, body
from preprocessors.densepose import PARTS

#: What is measured of a picture; NaN where nothing can be said.
NAMES = ("outline's IoU", "parts' mean IoU", "right part, share", "U and V off, levels", "off on the body, cm")


def surface_agreement(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Of two maps of I, U and V, uint8 ``[H, W, 3]``, by :data:`NAMES`.

    The last three are means over the pixels in which both see somebody; U and V over those with the right part. The
    distance is that of both places on the mannequin's body at rest, straight through it.
    """
    seen, there = found[..., 0] > 0, truth[..., 0] > 0
    both = seen & there
    overlaps = [
        _share((found[..., 0] == part) & (truth[..., 0] == part), (found[..., 0] == part) | (truth[..., 0] == part))
        for part in range(1, PARTS + 1)
        if (truth[..., 0] == part).any()
    ]
    right = both & (found[..., 0] == truth[..., 0])
    off = np.abs(found[right][:, 1:].astype(float) - truth[right][:, 1:])
    places = [place_on_body(map_[both]) for map_ in (found, truth)]
    values = (
        _share(both, seen | there),
        float(np.mean(overlaps)) if overlaps else np.nan,
        _share(right, both),
        float(off.mean()) if len(off) else np.nan,
        float(np.linalg.norm(places[0] - places[1], axis=1).mean() * 100) if both.any() else np.nan,
    )
    return dict(zip(NAMES, values, strict=True))


def place_on_body(iuv: np.ndarray) -> np.ndarray:
    """Where I, U and V ``[N, 3]`` are on the mannequin's body at rest, metres ``[N, 3]``: by the nearest vertex."""
    result = np.full((len(iuv), 3), np.nan)
    for part, (tree, places) in _charts().items():
        own = iuv[:, 0] == part
        if own.any():
            result[own] = places[tree.query(iuv[own, 1:] / 255)[1]]
    return result


@functools.cache
def _charts() -> dict[int, tuple[cKDTree, np.ndarray]]:
    """Of every part, its vertices on its chart, and where they are."""
    there: Body = body()
    bare = there.mesh == 0
    charts = {}
    for part in range(1, PARTS + 1):
        corners = np.unique(there.faces[bare & (there.part == part)])
        charts[part] = cKDTree(there.corner_uv[corners]), there.vertices[there.corner_vertex[corners]]
    return charts


def _share(some: np.ndarray, all_: np.ndarray) -> float:
    return float(some.sum() / all_.sum()) if all_.any() else np.nan
