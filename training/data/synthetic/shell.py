"""A mesh that a person wears, or is: the body, a garment, hair."""

from dataclasses import dataclass

import numpy as np

from .bodies import REGION_NAMES, Surface

#: Covers are cut off at this, metres: further from an edge nothing changes.
FAR = 0.05
#: Kinds of material, which say how a shell is coloured.
SKIN, HAIR, TOP, BOTTOM, COAT, SHOE = range(6)
#: How often shells are averaged: toes vanish in shoes, a top spans the small of the back.
SMOOTH = {SKIN: 0, HAIR: 2, TOP: 14, BOTTOM: 8, COAT: 24, SHOE: 30}


@dataclass(frozen=True, eq=False)
class Shell:
    """A mesh at rest with everything rays need to know of it; V vertices, F faces.

    Attributes:
        offset: metres along the body's normal, ``[V]``; None for a mesh of rings.
        vertices: its own, ``[V, 3]``; None for the body's.
        cover: positive where there is something, ``[V]``.
        label: of the parsing, by face, ``[F]``.
        part, uv: of the charts, ``[F]`` and ``[F, 3, 2]``.
        cloth: metres on the cloth at the corners, ``[F, 3, 2]``.
        smooth: how often its vertices are averaged with their neighbours: cloth spans what skin dips into.
    """

    material: int
    faces: np.ndarray
    cover: np.ndarray
    offset: np.ndarray | None
    vertices: np.ndarray | None
    bones: np.ndarray
    weights: np.ndarray
    label: np.ndarray
    part: np.ndarray
    uv: np.ndarray
    cloth: np.ndarray
    smooth: int = 0


def within(surface: Surface, *names: str) -> np.ndarray:
    """Vertices of these regions, boolean ``[V]``."""
    return np.isin(surface.region, [REGION_NAMES.index(name) for name in names])
