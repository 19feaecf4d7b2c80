"""What does not follow the body's surface: skirts and long hair, as meshes of rings around it."""

import numpy as np

from preprocessors.labels import LIP_20

from .bodies import Surface
from .charts import BACK, FRONT, Charts
from .fabrics import CLOTH_CM
from .shell import FAR, HAIR, Shell, within
from .wardrobe import Identity, Outfit

#: Rings of a skirt or of long hair, and points of each.
RINGS, POINTS = 14, 48
#: As :data:`.charts.RADII`; three tiles go around a skirt.
SKIRT_RADIUS = 3 * CLOTH_CM / 200 / np.pi


def skirt(surface: Surface, charts: Charts, outfit: Outfit, material: int, name: str, labels: list[str]) -> Shell:
    """Rings around waist and legs, which the pelvis moves above and the thighs below."""
    hip = surface.joints["upperleg01.L"][2]
    top_, bottom = surface.height(outfit.waist), hip - outfit.skirt * surface.leg_length
    down = np.linspace(0, 1, RINGS)[:, None]
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)[None]
    z = top_ + (bottom - top_) * down
    wide, deep = _waistline(surface, top_), _waistline(surface, hip - 0.03)
    # From the waist's ellipse to the hips', then as the flare says.
    hips = np.clip((top_ - z) / (top_ - hip + 0.03), 0, 1) ** 0.7
    half = [wide[axis] * (1 - hips) + deep[axis] * hips + 0.014 + 0.016 * hips for axis in range(2)]
    spread = 1 + (outfit.flare - 1) * np.clip(down, 0, 1) ** 1.3
    ripple = 1 + 0.03 * (outfit.flare - 1) * 3 * down * np.cos(9 * angle)
    centre = wide[2] * (1 - hips) + deep[2] * hips
    x = half[0] * spread * ripple * np.sin(angle)
    y = centre - half[1] * spread * ripple * np.cos(angle)
    vertices = np.stack(np.broadcast_arrays(x, y, z), -1).reshape(-1, 3).astype(np.float32)
    thigh = np.clip((hip + 0.04 - vertices[:, 2]) / 0.22, 0, 1) * 0.92
    left = 1 / (1 + np.exp(-vertices[:, 0] / 0.035))
    bones = np.tile([labels.index(bone) for bone in ("spine05", "upperleg01.L", "upperleg01.R")], (len(vertices), 1))
    weights = np.stack([1 - thigh, thigh * left, thigh * (1 - left)], 1)
    faces, corners = _rings()
    unwrapped = corners[..., 0] * 2 * np.pi
    # A quad's two triangles are on one side of a chart's edge, or the edge would be a saw.
    ends = vertices[faces][..., 2]
    part, uv = _draped_charts(charts, surface, unwrapped, ends, (ends.min(1) + ends.max(1)) / 2)
    cloth = np.stack([unwrapped * SKIRT_RADIUS, z.min() + (top_ - bottom) * (1 - corners[..., 1])], -1)
    return _ringed(material, vertices, faces, bones, weights, LIP_20.index(name), part, uv, cloth)


def _draped_charts(
    charts: Charts, surface: Surface, turn: np.ndarray, heights: np.ndarray, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Parts and U, V of a skirt's faces: those of the torso and of the legs that the body has at the same height.

    A leg's chart spans a quarter of a turn on a skirt, so that left and right leg, front and back share it out.

    Args:
        turn: of the corners about the vertical, 0 in front, unwrapped within a face, ``[F, 3]``.
        heights: of the corners, ``[F, 3]``.
        middle: heights of the faces, ``[F]``.
    """
    centre = turn.mean(1)
    wrapped = np.angle(np.exp(1j * centre))
    own = wrapped[:, None] + turn - centre[:, None]
    in_front, on_left = np.abs(wrapped) < np.pi / 2, wrapped > 0
    half = np.where(in_front[:, None], own, np.where(on_left, 1, -1)[:, None] * np.pi - own)
    torso = middle > surface.joints["upperleg01.L"][2]
    shin = middle < surface.joints["lowerleg01.L"][2]
    leg = np.where(shin, 11, 7) + 2 * in_front + on_left
    part = np.where(torso, np.where(in_front, FRONT, BACK), leg)
    u = np.where(torso[:, None], half / np.pi + 0.5, np.where(on_left[:, None], half, half + np.pi / 2) / (np.pi / 2))
    v = np.zeros_like(heights)
    for where, parts in ((torso, (BACK, FRONT)), (~torso & ~shin, (7, 8, 9, 10)), (shin, (11, 12, 13, 14))):
        v[where] = _rise(charts, surface, parts, heights[where])
    return part, np.stack([u, v], -1)


def _rise(charts: Charts, surface: Surface, parts: tuple[int, ...], heights: np.ndarray) -> np.ndarray:
    """V of these parts' charts at a height, on the whole: it grows evenly with it."""
    of = np.isin(charts.part, parts)
    slope, start = np.polyfit(surface.vertices[surface.faces[of]][..., 2].ravel(), charts.uv[of][..., 1].ravel(), 1)
    return np.clip(slope * heights + start, 0, 1)


def _waistline(surface: Surface, height: float) -> tuple[float, float, float]:
    """Half width, half depth and middle of torso and thighs at a height."""
    near = np.abs(surface.vertices[:, 2] - height) < 0.03
    body = surface.vertices[near & within(surface, "torso", "upper leg")]
    low, high = body.min(0), body.max(0)
    return float(high[0]), float((high[1] - low[1]) / 2), float((high[1] + low[1]) / 2)


def long_hair(surface: Surface, charts: Charts, person: Identity, labels: list[str]) -> Shell:
    """A curtain of rings at the back and the sides of the head."""
    eyes, neck = surface.joints["eye.L"], surface.joints["neck01"]
    down = np.linspace(0, 1, RINGS)[:, None]
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)[None]
    top_, bottom = eyes[2] + 0.06, neck[2] + 0.06 - person.hair_length
    z = top_ + (bottom - top_) * down * np.ones_like(angle)
    skull = surface.vertices[within(surface, "head") & (surface.vertices[:, 2] > eyes[2] + 0.02)]
    half_wide = skull[:, 0].max() + 0.4 * person.volume + 0.012 * np.sin(np.pi * down)
    middle, half_deep = (skull[:, 1].max() + skull[:, 1].min()) / 2, (skull[:, 1].max() - skull[:, 1].min()) / 2
    back = skull[:, 1].max() + 0.6 * person.volume
    x = half_wide * np.sin(angle)
    y = middle + np.where(np.cos(angle) > 0, -half_deep * np.cos(angle), -(back - middle) * np.cos(angle)) + 0.0 * down
    # Over the shoulders it lies behind them.
    y = y + np.clip((neck[2] + 0.03 - z) / 0.15, 0, 1) * 0.035
    vertices = np.stack(np.broadcast_arrays(x, y, z), -1).reshape(-1, 3).astype(np.float32)
    # Open in front: the curtain begins at the temples.
    cover = np.broadcast_to(np.deg2rad(118) - np.abs(np.angle(np.exp(1j * (angle - np.pi)))), z.shape)
    bound = np.clip((neck[2] + 0.02 - vertices[:, 2]) / 0.12, 0, 0.6)
    bones = np.tile([labels.index(bone) for bone in ("head", "spine01")], (len(vertices), 1))
    faces, corners = _rings()
    on_left = np.sin(corners[..., 0] * 2 * np.pi).mean(1) > 0
    # As on the head below it: U from the face to the back of the head.
    turned = 1 - np.abs(corners[..., 0] * 2 - 1)
    uv = np.stack([turned, _rise(charts, surface, (23, 24), vertices[faces][..., 2])], -1)
    cloth = np.stack([corners[..., 0], corners[..., 1]], -1)
    weights = np.stack([1 - bound, bound], 1)
    shell = _ringed(HAIR, vertices, faces, bones, weights, LIP_20.index("Hair"), np.where(on_left, 24, 23), uv, cloth)
    return Shell(**{**vars(shell), "cover": cover.reshape(-1).clip(-FAR, FAR).astype(np.float32)})


def _rings() -> tuple[np.ndarray, np.ndarray]:
    """Faces of a tube of rings, and of their corners the turn and the way down, both in 0–1, unwrapped."""
    ring, point = np.meshgrid(np.arange(RINGS - 1), np.arange(POINTS), indexing="ij")
    ring, point = ring.reshape(-1), point.reshape(-1)
    after = (point + 1) % POINTS
    quads = [ring * POINTS + point, (ring + 1) * POINTS + point, (ring + 1) * POINTS + after, ring * POINTS + after]
    faces = np.concatenate([np.stack([quads[0], quads[1], quads[2]], 1), np.stack([quads[0], quads[2], quads[3]], 1)])
    places = [
        np.stack([p / POINTS, r / (RINGS - 1)], 1)
        for p, r in ((point, ring), (point, ring + 1), (point + 1, ring + 1), (point + 1, ring))
    ]
    corners = np.concatenate(
        [np.stack([places[0], places[1], places[2]], 1), np.stack([places[0], places[2], places[3]], 1)]
    )
    return faces, corners


def _ringed(material, vertices, faces, bones, weights, label, part, uv, cloth) -> Shell:
    return Shell(
        material,
        faces,
        np.ones(len(vertices), np.float32),
        None,
        vertices,
        bones,
        weights.astype(np.float32),
        np.full(len(faces), label),
        part.astype(np.int32),
        np.clip(uv, 0, 1).astype(np.float32),
        cloth.astype(np.float32),
    )
