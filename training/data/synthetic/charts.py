"""Charts of the synthetic body: DensePose's 24 parts with coordinates of our own, and where cloth lies on it.

Parts have DensePose's numbers. Limbs and torso are split into a front and a back half: of the two numbers a limb has,
the smaller is its back. V runs along the part, 1 at its upper end; U runs around it, over half a turn (over a whole
one on hands and feet), from the person's right to left as seen from that side. The head is split into right (23) and
left (24): U runs from front to back there.

Coordinates belong to corners of faces, not to vertices: charts have seams.
"""

from dataclasses import dataclass

import numpy as np

from .bodies import REGION_NAMES, Surface
from .fabrics import CLOTH_CM

#: Part numbers (back right, back left, front right, front left) of limbs.
LIMBS = {
    "upper leg": (7, 8, 9, 10),
    "lower leg": (11, 12, 13, 14),
    "upper arm": (16, 15, 18, 17),
    "lower arm": (20, 19, 22, 21),
}
BACK, FRONT, HANDS, FEET, HEAD = 1, 2, (3, 4), (6, 5), (23, 24)
#: Radius of a cylinder that cloth is wrapped around, metres: a whole number of tiles go around, or a pattern would have
#: a seam where it closes.
RADII = {"torso": 2 * CLOTH_CM / 200 / np.pi, "arm": CLOTH_CM / 200 / np.pi, "leg": CLOTH_CM / 200 / np.pi}


@dataclass(frozen=True, eq=False)
class Charts:
    """Of every face of the canonical body.

    Attributes:
        part: DensePose's number, ``[F]``.
        uv: U, V of the corners in 0–1, ``[F, 3, 2]``.
        torso, arm, leg: metres around and along at the corners, for cloth on that region, ``[F, 3, 2]``.
    """

    part: np.ndarray
    uv: np.ndarray
    torso: np.ndarray
    arm: np.ndarray
    leg: np.ndarray


def charts(surface: Surface) -> Charts:
    """Draw the charts of a body."""
    corners = surface.vertices[surface.faces]
    centre = corners.mean(1)
    region = _majority(surface.region[surface.faces])
    left = centre[:, 0] > 0
    part = np.zeros(len(centre), np.int32)
    uv = np.zeros((*corners.shape[:2], 2), np.float32)
    upright = np.array([0.0, 0.0, 1.0])
    middle = np.array([0.0, surface.joints["spine03"][1] + 0.01, 0.0])
    around, _ = _cylinder(corners, middle, upright)
    torso = np.stack([around * RADII["torso"], corners[..., 2]], -1).astype(np.float32)
    arm, leg = np.zeros_like(uv), np.zeros_like(uv)
    for number, name in enumerate(REGION_NAMES):
        for side, own in ((0, ~left), (1, left)):
            mask = (region == number) & own
            if not mask.any():
                continue
            turn, along, part[mask] = _part(surface, name, side, corners[mask], middle)
            uv[mask, :, 1] = _unit(along)
            if name in ("hand", "foot"):
                uv[mask, :, 0] = _unit(turn)
            elif name == "head":
                uv[mask, :, 0] = np.clip(np.abs(turn) / np.pi, 0, 1)
            else:
                front = np.abs(turn.mean(1)) < np.pi / 2
                half = np.where(front[:, None], turn, np.sign(turn.mean(1))[:, None] * np.pi - turn)
                uv[mask, :, 0] = np.clip(half / np.pi + 0.5, 0, 1)
                numbers = part[mask]
                part[mask] = np.where(front, _front_of(name, side), numbers)
    for own, side in ((~left, "R"), (left, "L")):
        for limb, into, chain in (
            ("arm", arm, ("upperarm01", "lowerarm01")),
            ("leg", leg, ("upperleg01", "lowerleg01")),
        ):
            start, end = (surface.joints[f"{bone}.{side}"] for bone in chain)
            turn, _ = _cylinder(corners[own], start, end - start)
            along = getattr(surface, limb)[surface.faces[own]]
            into[own] = np.stack([turn * RADII[limb], along], -1)
    return Charts(part, np.clip(uv, 0, 1), torso, arm, leg)


def _part(surface: Surface, name: str, side: int, corners: np.ndarray, middle: np.ndarray):
    """Turn and place along the part at every corner, and its number (of the back half)."""
    joint = lambda bone: surface.joints[f"{bone}.{'RL'[side]}"]  # noqa: E731
    ends = {
        "upper leg": ("upperleg01", "lowerleg01"),
        "lower leg": ("lowerleg01", "foot"),
        "upper arm": ("upperarm01", "lowerarm01"),
        "lower arm": ("lowerarm01", "wrist"),
        "hand": ("wrist", "finger3-3"),
        "foot": ("foot", "toe2-2"),
    }
    if name in ends:
        start, end = (joint(bone) for bone in ends[name])
        turn, along = _cylinder(corners, start, end - start)
        number = {"hand": HANDS, "foot": FEET}.get(name, LIMBS.get(name))[side]
        return turn, -along, np.int32(number)
    origin = middle if name == "torso" else surface.joints["head"]
    turn, along = _cylinder(corners, origin, np.array([0.0, 0.0, 1.0]))
    return turn, along, np.int32(BACK if name == "torso" else HEAD[side])


def _front_of(name: str, side: int) -> int:
    return FRONT if name == "torso" else LIMBS[name][2 + side]


def _cylinder(corners: np.ndarray, origin: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angle around an axis, 0 at the front and positive to the person's left, unwrapped within a face; and along it."""
    axis = axis / np.linalg.norm(axis)
    front = np.array([0.0, -1.0, 0.0])
    front = front - (front @ axis) * axis
    front /= np.linalg.norm(front)
    left = np.cross(front, axis)
    left = left if left[0] > 0 else -left
    offset = corners - origin
    angle = np.arctan2(offset @ left, offset @ front)
    centre = corners.mean(1) - origin
    middle = np.arctan2(centre @ left, centre @ front)[:, None]
    return middle + np.angle(np.exp(1j * (angle - middle))), offset @ axis


def _unit(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.002, 0.998])
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1)


def _majority(regions: np.ndarray) -> np.ndarray:
    """Of three, the one two agree on, or the first."""
    return np.where(regions[:, 1] == regions[:, 2], regions[:, 1], regions[:, 0])
