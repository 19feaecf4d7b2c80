"""Colours of what rays met: skin with a face on it, hair, cloth and shoes, under a light from any side."""

from dataclasses import dataclass

import numpy as np

from .bodies import Surface
from .fabrics import CLOTH_CM
from .shell import BOTTOM, COAT, HAIR, SHOE, SKIN, TOP
from .wardrobe import Cloth, Identity, Outfit

#: Where the print is on the canonical chest: half width, height of its
#: lower edge on the torso, and how tall it is.
PRINT = (0.12, 0.5, 0.13)


@dataclass(frozen=True)
class Light:
    """A sun and the sky.

    Attributes:
        direction: towards the sun, unit, in the camera's axes.
        ambient: share of the light that comes from everywhere.
        warmth: −1 is bluish, 1 is yellowish.
    """

    direction: tuple[float, float, float]
    ambient: float
    warmth: float

    @classmethod
    def draw(cls, draw: np.random.Generator) -> "Light":
        """From above, in front, on any side."""
        side, up = draw.uniform(-75, 75), draw.uniform(15, 60)
        azimuth, height = np.deg2rad(side), np.deg2rad(up)
        direction = (np.sin(azimuth) * np.cos(height), -np.cos(azimuth) * np.cos(height), np.sin(height))
        return cls(tuple(float(v) for v in direction), float(draw.uniform(0.45, 0.7)), float(draw.uniform(-1, 1)))

    def shade(self, normals: np.ndarray) -> np.ndarray:
        """Factor of a surface's colour by channel, ``[rays, 3]``."""
        sun = np.clip(normals @ np.array(self.direction), -0.3, 1)
        # Half-Lambert: the far side is not black.
        strength = self.ambient + (1.06 - self.ambient) * ((sun + 0.3) / 1.3)
        tint = 1 + 0.035 * self.warmth * np.array([1.0, 0.0, -1.0])
        return strength[:, None] * tint


def colours(
    material: np.ndarray,
    places: np.ndarray,
    cloth: np.ndarray,
    surface: Surface,
    person: Identity,
    outfit: Outfit,
    footprint: float,
) -> np.ndarray:
    """Colours in 0–255 before light.

    Args:
        material: of every ray's hit, ``[rays]``.
        places: on the canonical body, ``[rays, 3]``.
        cloth: metres on the cloth, ``[rays, 2]``.
        footprint: metres that a ray stands for: finer patterns are averaged, or they would flicker.
    """
    result = np.zeros((len(material), 3))
    of = lambda kind: material == kind  # noqa: E731
    result[of(SKIN)] = _skin(places[of(SKIN)], surface, person)
    strand = 0.9 + 0.12 * np.sin(places[of(HAIR), 0] * 420) * np.sin(
        places[of(HAIR), 2] * 24 + places[of(HAIR), 0] * 60
    )
    result[of(HAIR)] = person.hair * strand[:, None]
    sole = places[of(SHOE), 2:] < surface.vertices[:, 2].min() + 0.018
    result[of(SHOE)] = np.where(sole, 225.0 - 0.6 * outfit.shoe, outfit.shoe)
    for kind, worn in ((TOP, outfit.top_cloth), (BOTTOM, outfit.bottom_cloth), (COAT, outfit.coat_cloth)):
        if worn is not None and of(kind).any():
            result[of(kind)] = _cloth(worn, cloth[of(kind)], places[of(kind)], surface, footprint)
    return result


def _cloth(worn: Cloth, at: np.ndarray, places: np.ndarray, surface: Surface, footprint: float) -> np.ndarray:
    tile = averaged(worn.tile, footprint * 100 / CLOTH_CM * len(worn.tile))
    size = len(tile)
    column, row = ((at * [1, -1]) * 100 / CLOTH_CM * size).T
    result = tile[row.astype(int) % size, column.astype(int) % size].astype(float)
    if worn.print is not None:
        half, low, height = PRINT[0], surface.height(PRINT[1]), PRINT[2]
        on = (np.abs(places[:, 0]) < half) & (places[:, 2] > low) & (places[:, 2] < low + height)
        on &= places[:, 1] < surface.joints["spine03"][1]
        rows = ((low + height - places[on, 2]) / height * worn.print.shape[0]).astype(int)
        # Left of the person is on the right of the picture: letters must read from the front.
        columns = ((places[on, 0] + half) / (2 * half) * worn.print.shape[1]).astype(int)
        ink = worn.print[rows.clip(0, worn.print.shape[0] - 1), columns.clip(0, worn.print.shape[1] - 1)].astype(float)
        result[on] += (ink[:, :3] - result[on]) * ink[:, 3:] / 255
    return result


def averaged(tile: np.ndarray, texels: float) -> np.ndarray:
    """A tile whose texels are as large as so many of the given one's, rounded down to a power of two."""
    side = 2 ** int(np.clip(np.log2(max(texels, 1)), 0, np.log2(len(tile))))
    cells = len(tile) // side
    return tile[: cells * side, : cells * side].reshape(cells, side, cells, side, 3).mean((1, 3))


def _skin(places: np.ndarray, surface: Surface, person: Identity) -> np.ndarray:
    result = np.tile(person.skin, (len(places), 1))
    eye = surface.joints["eye.L"]
    face = (places[:, 1] < eye[1] + 0.09) & (places[:, 2] > eye[2] - 0.16)
    x, z = np.abs(places[face, 0]), places[face, 2] - eye[2]
    painted = result[face]

    def blob(centre: tuple[float, float], half: tuple[float, float], colour: np.ndarray, strength: float = 1.0) -> None:
        distance = ((x - centre[0]) / half[0]) ** 2 + ((z - centre[1]) / half[1]) ** 2
        share = (strength * np.clip(1.6 - 1.6 * distance, 0, 1))[:, None]
        painted[:] = painted * (1 - share) + colour * share

    blob((0.045, -0.045), (0.022, 0.02), person.skin * [1.0, 0.78, 0.74], 0.35)
    blob((0.0, -0.036), (0.011, 0.007), person.skin * 0.72, 0.6)
    blob((eye[0], 0.0), (0.0165, 0.0085), np.array([238.0, 234, 228]))
    blob((eye[0], 0.0), (0.0075, 0.0085), person.iris)
    blob((eye[0], 0.0), (0.0035, 0.0038), np.array([18.0, 14, 12]))
    blob((eye[0], 0.008), (0.018, 0.0032), person.skin * 0.4)
    blob((eye[0] + 0.002, 0.0225), (0.021, 0.0042 * person.brow), person.hair * 0.8, 0.9)
    blob((0.0, -0.0715), (0.024, 0.0085), person.lips, 0.95)
    blob((0.0, -0.0715), (0.022, 0.0013), person.lips * 0.5, 0.8)
    result[face] = painted
    return result
