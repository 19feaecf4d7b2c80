"""A pose: a turn of every joint, within what the joint can do, and what it makes of a body at rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConditionError
from .model import Body, Shaped
from .rotations import matrices, vectors

#: Bend, side and twist, degrees, of someone who stands at ease; at rest the body holds its arms half-way down.
STANDING = {
    **{f"{side} shoulder": (-2.0, -27.0, 0.0) for side in ("left", "right")},
    **{f"{side} elbow": (-12.0, 0.0, 0.0) for side in ("left", "right")},
    **{
        f"{side} {finger} finger {bone}": (15.0, 0.0, 0.0)
        for side in ("left", "right")
        for finger in ("index", "middle", "ring", "little")
        for bone in (1, 2, 3)
    },
}
#: More than this beyond a joint's limit is worth a word, degrees.
WORTH_SAYING = 0.5


@dataclass(frozen=True, eq=False)
class Posed:
    """A body in a pose.

    Attributes:
        turns: bend, side and twist of every joint, degrees, ``[J, 3]``.
        origin: where the hips' joint is, metres, ``[3]``.
        transforms: from rest into the pose, ``[J, 4, 4]``.
    """

    shaped: Shaped
    turns: np.ndarray
    origin: np.ndarray
    transforms: np.ndarray

    def skinned(self, rest: np.ndarray) -> np.ndarray:
        """Vertices at rest ``[V, 3]``, those of the body or somewhat off them, in the pose: linear blend skinning."""
        body = self.shaped.body
        rows = self.transforms[:, :3].reshape(-1, 12).astype(np.float32)
        blended = sum(body.weights[:, slot, None] * rows[body.bones[:, slot]] for slot in range(body.bones.shape[1]))
        blended = blended.reshape(-1, 3, 4)
        return np.einsum("vij,vj->vi", blended[:, :, :3], rest) + blended[:, :, 3]

    def points(self) -> np.ndarray:
        """All 136 points, ``[K, 3]``."""
        return np.einsum("jab,kjb->ka", self.transforms[:, :3], self.shaped.moments)

    def moved(self, by: np.ndarray) -> "Posed":
        """The same pose elsewhere."""
        shift = np.eye(4)
        shift[:3, 3] = by
        return replace(self, origin=self.origin + by, transforms=shift @ self.transforms)


def pose(shaped: Shaped, turns: np.ndarray, origin: Sequence[float] = (0.0, 0.0, 0.0)) -> Posed:
    """A body with its joints turned.

    Args:
        turns: bend, side and twist of every joint, degrees, ``[J, 3]``; taken as they are, see :func:`clamped`.
        origin: where the hips' joint is, metres.
    """
    origin = np.asarray(origin, np.float64)
    return Posed(shaped, turns, origin, transforms(shaped, rotations(shaped.body, turns), origin))


def rotations(body: Body, turns: np.ndarray) -> np.ndarray:
    """Of every joint in the body's axes at rest, ``[J, 3, 3]``."""
    return matrices(np.einsum("ja,jac->jc", np.deg2rad(turns), body.turning))


def turns_of(body: Body, rotations: np.ndarray) -> np.ndarray:
    """Bend, side and twist ``[J, 3]``, degrees, of rotations ``[J, 3, 3]`` in the body's axes at rest."""
    return np.rad2deg(np.einsum("jc,jac->ja", vectors(rotations), body.turning))


def transforms(shaped: Shaped, rotations: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """What moves every joint's surroundings from rest into a pose, ``[J, 4, 4]``: its turn about its place, carried
    along by its parent."""
    local = np.tile(np.eye(4), (len(rotations), 1, 1))
    local[:, :3, :3] = rotations
    heads = shaped.joints.astype(np.float64)
    local[:, :3, 3] = heads - np.einsum("jab,jb->ja", rotations, heads)
    local[0, :3, 3] += origin - heads[0]
    for joint, parent in enumerate(shaped.body.parents[1:], 1):
        local[joint] = local[parent] @ local[joint]
    return local


def turned(body: Body, named: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """Turns ``[J, 3]`` of the joints by name; the others are at rest.

    Raises:
        ConditionError: no such joint.
    """
    turns = np.zeros((len(body.names), 3))
    for name, turn in named.items():
        if name not in body.names:
            raise ConditionError(f"'{name}' is no joint of the mannequin. The joints are {', '.join(body.names)}.")
        turns[body.names.index(name)] = turn
    return turns


def clamped(body: Body, turns: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Turns within the joints' limits, and a sentence for every joint that went beyond them."""
    kept = np.clip(turns, body.limits[..., 0], body.limits[..., 1])
    said = []
    for joint, axis in np.argwhere(np.abs(kept - turns) > WORTH_SAYING):
        low, high = body.limits[joint, axis]
        said.append(
            f"The {body.names[joint]}'s {('bend', 'side', 'twist')[axis]} of {turns[joint, axis]:.0f}° is beyond what "
            f"it can do, {low:.0f} to {high:.0f}°: {kept[joint, axis]:.0f}° is shown."
        )
    return kept, said
