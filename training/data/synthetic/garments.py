"""Clothes as shells of the body's own surface: which points a garment covers, and how far it stands off.

A cover is a number at every vertex, positive where there is cloth. Rays interpolate it and pass where it is negative,
so that edges are lines and not triangles. What does not follow the surface (a skirt, long hair) is a mesh of rings.
"""

from dataclasses import dataclass

import numpy as np

from preprocessors.labels import LIP_20

from .bodies import REGION_NAMES, Surface
from .charts import BACK, FRONT, Charts
from .wardrobe import Identity, Outfit

_FAR = 0.05
#: Kinds of material, which say how a shell is coloured.
SKIN, HAIR, TOP, BOTTOM, COAT, SHOE = range(6)
#: How often shells are averaged: toes vanish in shoes, a top spans the small of the back.
SMOOTH = {SKIN: 0, HAIR: 2, TOP: 14, BOTTOM: 8, COAT: 24, SHOE: 30}
#: Rings of a skirt or of long hair, and points of each.
RINGS, POINTS = 14, 48


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


def shells(surface: Surface, charts: Charts, person: Identity, outfit: Outfit, labels: list[str]) -> list[Shell]:
    """The body and everything on it. ``labels`` are the bones' names."""
    worn = [_body(surface, charts), _hair(surface, charts, person)]
    if person.hair_length is not None:
        worn.append(_long_hair(surface, charts, person, labels))
    if outfit.leg is not None:
        cover, offset = trousers(surface, outfit)
        worn.append(_shell(surface, charts, BOTTOM, cover, offset, "Pants"))
    name = "Dress" if outfit.dress else "Upper-clothes"
    cover, offset = top(surface, outfit.hem, outfit.neck, outfit.sleeve, outfit.top_loose)
    worn.append(_shell(surface, charts, TOP, cover, offset, name))
    if outfit.skirt is not None:
        material = TOP if outfit.dress else BOTTOM
        worn.append(_skirt(surface, charts, outfit, material, "Dress" if outfit.dress else "Skirt", labels))
    if outfit.coat is not None:
        sleeve, hem, opening = outfit.coat
        cover, offset = top(surface, hem, (0.1, 0.12), sleeve, outfit.top_loose + 0.014)
        offset = offset + 0.006
        front = surface.vertices[:, 1] < surface.joints["spine03"][1]
        cover = np.where(front, np.minimum(cover, np.abs(surface.vertices[:, 0]) - opening), cover)
        worn.append(_shell(surface, charts, COAT, cover, offset, "Coat"))
    worn.append(_shoes(surface, charts, outfit))
    return worn


def _within(surface: Surface, *names: str) -> np.ndarray:
    return np.isin(surface.region, [REGION_NAMES.index(name) for name in names])


def top(
    surface: Surface, hem: float, neck: tuple[float, float], sleeve: float, loose: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cover and offset of what is worn above: hem, neckline and sleeves are its edges."""
    x, y, z = surface.vertices.T
    arms = _within(surface, "upper arm", "lower arm", "hand")
    base = surface.joints["neck01"]
    radius, depth = neck
    # An ellipsoid around the neck's base, drawn down in front.
    drawn = np.where(y < base[1], depth, 0.01)
    ball = np.sqrt((x / radius) ** 2 + ((y - base[1] + 0.02) / 0.1) ** 2 + ((z - base[2] - 0.02) / (0.05 + drawn)) ** 2)
    edges = [
        np.where(arms, sleeve * surface.arm_length - surface.arm, _FAR),
        np.where(arms, _FAR, z - surface.height(hem)),
        np.where(arms, _FAR, (ball - 1) * 0.06),
        np.where(_within(surface, "head", "foot", "lower leg"), -_FAR, _FAR),
    ]
    cover = np.minimum.reduce(edges).clip(-_FAR, _FAR)
    hang = np.clip((base[2] - z) / 0.5, 0, 1.3)
    offset = 0.007 + loose * np.where(arms, 0.5 + 1.2 * np.clip(surface.arm, 0, 0.5), hang)
    return cover, offset


def trousers(surface: Surface, outfit: Outfit) -> tuple[np.ndarray, np.ndarray]:
    """Cover and offset of trousers: waist and ends of the legs."""
    z = surface.vertices[:, 2]
    legs = _within(surface, "upper leg", "lower leg", "foot")
    arms = _within(surface, "upper arm", "lower arm", "hand", "head")
    end, waist = outfit.leg * surface.leg_length, surface.height(outfit.waist)
    cover = np.where(legs, np.minimum(end - surface.leg, waist - z), waist - z)
    cover = np.where(arms, -_FAR, cover).clip(-_FAR, _FAR)
    return cover, 0.005 + outfit.leg_loose * np.where(legs, np.clip(surface.leg / end, 0, 1.2), 0.0)


def _body(surface: Surface, charts: Charts) -> Shell:
    names = {
        "hand": ("Right-arm", "Left-arm"),
        "lower arm": ("Right-arm", "Left-arm"),
        "upper arm": ("Right-arm", "Left-arm"),
        "foot": ("Right-leg", "Left-leg"),
        "lower leg": ("Right-leg", "Left-leg"),
        "upper leg": ("Right-leg", "Left-leg"),
        # The common label set has no bare torso: it goes with the clothes.
        "torso": ("Upper-clothes", "Upper-clothes"),
        "head": ("Face", "Face"),
    }
    numbers = np.array([[LIP_20.index(name) for name in names[region]] for region in REGION_NAMES])
    first = surface.faces[:, 0]
    label = numbers[surface.region[first], (surface.vertices[first, 0] > 0).astype(int)]
    cover, offset = np.ones(len(surface.vertices)), np.zeros(len(surface.vertices))
    return _shell(surface, charts, SKIN, cover, offset, None, label)


def _hair(surface: Surface, charts: Charts, person: Identity) -> Shell:
    x, y, z = surface.vertices.T
    head, eyes = surface.joints["head"], surface.joints["eye.L"]
    head_only = _within(surface, "head")
    # The hairline: a plane from the forehead down to the nape.
    behind = (y - eyes[1]) / 0.2
    line = eyes[2] + 0.07 - person.fringe - 0.19 * np.clip(behind - 0.28, 0, 1) ** 0.8
    sideburn = np.where(np.abs(x) > 0.05, 0.01, 0.0)
    cover = np.where(head_only, z - line + sideburn, -_FAR).clip(-_FAR, _FAR)
    offset = 0.006 + person.volume * np.clip((z - line) / 0.06, 0, 1)
    # Ears stay outside.
    cover = np.where(head_only & (np.abs(x) > 0.078) & (z < head[2] + 0.05) & (y < 0.0), -_FAR, cover)
    return _shell(surface, charts, HAIR, cover, offset, "Hair")


def _shoes(surface: Surface, charts: Charts, outfit: Outfit) -> Shell:
    feet = _within(surface, "foot", "lower leg")
    cover = np.where(feet, surface.leg - (surface.leg_length - outfit.boots), -_FAR).clip(-_FAR, _FAR)
    first = surface.vertices[surface.faces[:, 0], 0]
    label = np.where(first > 0, LIP_20.index("Left-shoe"), LIP_20.index("Right-shoe"))
    return _shell(surface, charts, SHOE, cover, np.full(len(cover), 0.009), None, label)


def _shell(
    surface: Surface,
    charts: Charts,
    material: int,
    cover: np.ndarray,
    offset: np.ndarray,
    name: str | None,
    label: np.ndarray | None = None,
) -> Shell:
    there = (cover[surface.faces] > 0).any(1)
    faces = surface.faces[there]
    label = np.full(len(surface.faces), LIP_20.index(name)) if name else label
    region = surface.region[faces[:, 0]]
    arms = np.isin(region, [REGION_NAMES.index(part) for part in ("upper arm", "lower arm", "hand")])
    legs = np.isin(region, [REGION_NAMES.index(part) for part in ("upper leg", "lower leg", "foot")])
    # Trousers hang on the legs up to the waist.
    legs = legs | (material == BOTTOM)
    cloth = np.where(arms[:, None, None], charts.arm[there], charts.torso[there])
    cloth = np.where(legs[:, None, None] & (material != TOP), charts.leg[there], cloth)
    return Shell(
        material,
        faces,
        cover.astype(np.float32),
        offset.astype(np.float32),
        None,
        surface.bones,
        surface.weights,
        label[there],
        charts.part[there],
        charts.uv[there],
        cloth,
        SMOOTH[material],
    )


def _skirt(surface: Surface, charts: Charts, outfit: Outfit, material: int, name: str, labels: list[str]) -> Shell:
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
    cloth = np.stack([unwrapped * 0.16, z.min() + (top_ - bottom) * (1 - corners[..., 1])], -1)
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
    body = surface.vertices[near & _within(surface, "torso", "upper leg")]
    low, high = body.min(0), body.max(0)
    return float(high[0]), float((high[1] - low[1]) / 2), float((high[1] + low[1]) / 2)


def _long_hair(surface: Surface, charts: Charts, person: Identity, labels: list[str]) -> Shell:
    """A curtain of rings at the back and the sides of the head."""
    eyes, neck = surface.joints["eye.L"], surface.joints["neck01"]
    down = np.linspace(0, 1, RINGS)[:, None]
    angle = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)[None]
    top_, bottom = eyes[2] + 0.06, neck[2] + 0.06 - person.hair_length
    z = top_ + (bottom - top_) * down * np.ones_like(angle)
    skull = surface.vertices[_within(surface, "head") & (surface.vertices[:, 2] > eyes[2] + 0.02)]
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
    return Shell(**{**vars(shell), "cover": cover.reshape(-1).clip(-_FAR, _FAR).astype(np.float32)})


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
