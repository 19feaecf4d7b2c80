"""Clothes as shells of the body's own surface: which points a garment covers, and how far it stands off.

A cover is a number at every vertex, positive where there is cloth. Rays interpolate it and pass where it is negative,
so that edges are lines and not triangles.
"""

import numpy as np

from preprocessors.labels import LIP_20

from .bodies import REGION_NAMES, Surface
from .charts import Charts
from .rings import long_hair, skirt
from .shell import BOTTOM, COAT, FAR, HAIR, SHOE, SKIN, SMOOTH, TOP, Shell, within
from .wardrobe import Identity, Outfit


def shells(surface: Surface, charts: Charts, person: Identity, outfit: Outfit, labels: list[str]) -> list[Shell]:
    """The body and everything on it. ``labels`` are the bones' names."""
    worn = [_body(surface, charts), _hair(surface, charts, person)]
    if person.hair_length is not None:
        worn.append(long_hair(surface, charts, person, labels))
    if outfit.leg is not None:
        cover, offset = trousers(surface, outfit)
        worn.append(_shell(surface, charts, BOTTOM, cover, offset, "Pants"))
    name = "Dress" if outfit.dress else "Upper-clothes"
    cover, offset = top(surface, outfit.hem, outfit.neck, outfit.sleeve, outfit.top_loose)
    worn.append(_shell(surface, charts, TOP, cover, offset, name))
    if outfit.skirt is not None:
        material = TOP if outfit.dress else BOTTOM
        worn.append(skirt(surface, charts, outfit, material, "Dress" if outfit.dress else "Skirt", labels))
    if outfit.coat is not None:
        sleeve, hem, opening = outfit.coat
        cover, offset = top(surface, hem, (0.1, 0.12), sleeve, outfit.top_loose + 0.014)
        offset = offset + 0.006
        front = surface.vertices[:, 1] < surface.joints["spine03"][1]
        cover = np.where(front, np.minimum(cover, np.abs(surface.vertices[:, 0]) - opening), cover)
        worn.append(_shell(surface, charts, COAT, cover, offset, "Coat"))
    worn.append(_shoes(surface, charts, outfit))
    return worn


def top(
    surface: Surface, hem: float, neck: tuple[float, float], sleeve: float, loose: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cover and offset of what is worn above: hem, neckline and sleeves are its edges."""
    x, y, z = surface.vertices.T
    arms = within(surface, "upper arm", "lower arm", "hand")
    base = surface.joints["neck01"]
    radius, depth = neck
    # An ellipsoid around the neck's base, drawn down in front.
    drawn = np.where(y < base[1], depth, 0.01)
    ball = np.sqrt((x / radius) ** 2 + ((y - base[1] + 0.02) / 0.1) ** 2 + ((z - base[2] - 0.02) / (0.05 + drawn)) ** 2)
    edges = [
        np.where(arms, sleeve * surface.arm_length - surface.arm, FAR),
        np.where(arms, FAR, z - surface.height(hem)),
        np.where(arms, FAR, (ball - 1) * 0.06),
        np.where(within(surface, "head", "foot", "lower leg"), -FAR, FAR),
    ]
    cover = np.minimum.reduce(edges).clip(-FAR, FAR)
    hang = np.clip((base[2] - z) / 0.5, 0, 1.3)
    offset = 0.007 + loose * np.where(arms, 0.5 + 1.2 * np.clip(surface.arm, 0, 0.5), hang)
    return cover, offset


def trousers(surface: Surface, outfit: Outfit) -> tuple[np.ndarray, np.ndarray]:
    """Cover and offset of trousers: waist and ends of the legs."""
    z = surface.vertices[:, 2]
    legs = within(surface, "upper leg", "lower leg", "foot")
    arms = within(surface, "upper arm", "lower arm", "hand", "head")
    end, waist = outfit.leg * surface.leg_length, surface.height(outfit.waist)
    cover = np.where(legs, np.minimum(end - surface.leg, waist - z), waist - z)
    cover = np.where(arms, -FAR, cover).clip(-FAR, FAR)
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
    head_only = within(surface, "head")
    # The hairline: a plane from the forehead down to the nape.
    behind = (y - eyes[1]) / 0.2
    line = eyes[2] + 0.07 - person.fringe - 0.19 * np.clip(behind - 0.28, 0, 1) ** 0.8
    sideburn = np.where(np.abs(x) > 0.05, 0.01, 0.0)
    cover = np.where(head_only, z - line + sideburn, -FAR).clip(-FAR, FAR)
    offset = 0.006 + person.volume * np.clip((z - line) / 0.06, 0, 1)
    # Ears stay outside.
    cover = np.where(head_only & (np.abs(x) > 0.078) & (z < head[2] + 0.05) & (y < 0.0), -FAR, cover)
    return _shell(surface, charts, HAIR, cover, offset, "Hair")


def _shoes(surface: Surface, charts: Charts, outfit: Outfit) -> Shell:
    feet = within(surface, "foot", "lower leg")
    cover = np.where(feet, surface.leg - (surface.leg_length - outfit.boots), -FAR).clip(-FAR, FAR)
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
