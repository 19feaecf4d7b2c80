"""anny's body: its shape by identity, its pose, and where every point of its surface lies on a canonical body.

Axes: x to the person's left, −y to the front, z up; metres. The canonical body is the mean one at rest, arms lowered
half-way. Clothes are cut, charts are drawn and faces are painted in its coordinates, which every identity shares.
"""

import functools
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from preprocessors.body.normals import vertex_normals

#: Phenotypes, each in 0–1, and the range adults are drawn from; gender 0 is male.
RANGES = {
    "gender": (0.0, 1.0),
    "age": (0.5, 0.78),
    "muscle": (0.35, 0.75),
    "weight": (0.3, 0.68),
    "height": (0.35, 0.75),
    "proportions": (0.4, 0.95),
}
#: Local changes that make faces differ, and their largest strength: all of anny's are half a gigabyte.
FACE_CHANGES = (
    *("chin-height-incr", "chin-prominent-incr", "chin-width-incr", "chin-jaw-drop-incr", "forehead-scale-vert-incr"),
    *("forehead-trans-forward", "head-fat-incr", "head-scale-vert-incr", "head-scale-depth-incr"),
    *("mouth-scale-horiz-incr", "mouth-upperlip-volume-incr", "mouth-lowerlip-volume-incr", "mouth-trans-up"),
    *("nose-scale-vert-incr", "nose-width1-incr", "nose-hump-incr", "nose-point-up", "nose-volume-incr"),
)
FACE_STRENGTH = 0.6

#: Bones of each region of the body, by how their names begin. Left and right follow a dot.

REGIONS = {
    "hand": ("wrist", "finger", "metacarpal"),
    "lower arm": ("lowerarm",),
    "upper arm": ("upperarm",),
    "foot": ("foot", "toe"),
    "lower leg": ("lowerleg",),
    "upper leg": ("upperleg",),
    "torso": ("root", "spine", "pelvis", "clavicle", "shoulder", "breast", "neck01"),
}
REGION_NAMES = (*REGIONS, "head")


@dataclass(frozen=True, eq=False)
class Surface:
    """The canonical body's surface.

    Attributes:
        vertices: ``[V, 3]``.
        normals: unit, ``[V, 3]``.
        faces: ``[F, 3]``.
        region: of every vertex, an index of :data:`REGION_NAMES`, ``[V]``.
        arm, leg: metres along the limb from its root to its end at every vertex, negative before it, ``[V]``.
        arm_length, leg_length: to wrist and ankle, metres.
        bones, weights: of skinning, ``[V, K]``.
        joints: heads of the canonical bones by name.
    """

    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    region: np.ndarray
    arm: np.ndarray
    leg: np.ndarray
    arm_length: float
    leg_length: float
    bones: np.ndarray
    weights: np.ndarray
    joints: dict[str, np.ndarray]

    def height(self, share: float) -> float:
        """z at a height of the torso: 0 at the hips, 1 at the neck."""
        hips, neck = self.joints["upperleg01.L"][2], self.joints["neck01"][2]
        return float(hips + share * (neck - hips))


class Bodies:
    """Identities' bodies at rest, and their bones in a pose."""

    def __init__(self) -> None:
        import anny

        with warnings.catch_warnings():
            # anny's newer constructor has another rig, with other names.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.model = anny.create_fullbody_model(triangulate_faces=True, local_changes=list(FACE_CHANGES))
        self.keypoints = anny.KeypointsRegressor.coco(self.model)
        self.surface = self._surface()

    def rest(self, phenotypes: dict[str, float], changes: dict[str, float]) -> dict[str, Tensor]:
        """A body at rest: anny's output for one identity."""
        with torch.no_grad():
            return self.model.forward(
                phenotype_kwargs={name: torch.tensor([value]) for name, value in phenotypes.items()},
                local_changes_kwargs={name: torch.tensor([value]) for name, value in changes.items()},
            )

    def bone_transforms(self, rest: dict[str, Tensor], rotations: dict[str, np.ndarray]) -> np.ndarray:
        """What moves the surface from rest into a pose, ``[bones, 4, 4]``.

        Args:
            rotations: 3×3 by bone, in the body's axes at rest, carried along by the parents.
        """
        deltas = torch.eye(4, dtype=torch.float64).repeat(1, len(self.model.bone_labels), 1, 1)
        for name, rotation in rotations.items():
            deltas[0, self.model.bone_labels.index(name), :3, :3] = torch.from_numpy(rotation)
        with torch.no_grad():
            transforms, _ = self.model.get_bone_transforms(deltas, rest["rest_bone_poses"], "local-ref")
        return transforms[0].numpy().astype(np.float32)

    def _surface(self) -> Surface:
        model = self.model
        rest = self.rest({name: sum(ends) / 2 for name, ends in RANGES.items()}, {})
        vertices = rest["rest_vertices"][0].numpy().astype(np.float32)
        faces = model.faces.numpy()
        weights, bones = model.vertex_bone_weights.numpy(), model.vertex_bone_indices.numpy()
        labels = model.bone_labels
        heads = rest["rest_bone_poses"][0, :, :3, 3].numpy().astype(np.float32)
        joints = {label: heads[number] for number, label in enumerate(labels)}
        region_of_bone = np.array([_region(label) for label in labels])
        share = np.zeros((len(vertices), len(REGION_NAMES)), np.float32)
        np.add.at(share, (np.arange(len(vertices))[:, None], region_of_bone[bones]), weights)
        left = vertices[:, 0] > 0
        limbs = {}
        for name, chain in {
            "arm": ("upperarm01", "lowerarm01", "wrist", "finger3-3"),
            "leg": ("upperleg01", "lowerleg01", "foot", "toe2-2"),
        }.items():
            along = [_along(vertices, [joints[f"{bone}.{side}"] for bone in chain]) for side in "LR"]
            limbs[name] = np.where(left, *along)
        inner = _inner_parts(model)
        faces = faces[~inner[faces].any(1)]
        return Surface(
            vertices,
            vertex_normals(vertices, faces),
            faces,
            share.argmax(1),
            limbs["arm"],
            limbs["leg"],
            _length([joints[f"{bone}.L"] for bone in ("upperarm01", "lowerarm01", "wrist")]),
            _length([joints[f"{bone}.L"] for bone in ("upperleg01", "lowerleg01", "foot")]),
            bones,
            weights.astype(np.float32),
            joints,
        )


@functools.cache
def bodies() -> Bodies:
    """The one model of a process."""
    return Bodies()


def _region(bone: str) -> int:
    for number, beginnings in enumerate(REGIONS.values()):
        if bone.startswith(beginnings):
            return number
    return len(REGIONS)


def _length(chain: list[np.ndarray]) -> float:
    return float(sum(np.linalg.norm(end - start) for start, end in zip(chain[:-1], chain[1:], strict=True)))


def _along(points: np.ndarray, chain: list[np.ndarray]) -> np.ndarray:
    """Metres along a chain of joints of the nearest place on it; beyond its beginning negative."""
    best = np.full(len(points), np.inf, np.float32)
    along = np.zeros(len(points), np.float32)
    done = 0.0
    for number, (start, end) in enumerate(zip(chain[:-1], chain[1:], strict=True)):
        direction = end - start
        length = float(np.linalg.norm(direction))
        t = (points - start) @ (direction / length)
        inside = np.clip(t, 0 if number else -np.inf, length if number < len(chain) - 2 else np.inf)
        distance = np.linalg.norm(points - start - np.clip(t, 0, length)[:, None] * direction / length, axis=1)
        nearer = distance < best
        best, along = np.where(nearer, distance, best), np.where(nearer, done + inside, along)
        done += length
    return along.astype(np.float32)


def _inner_parts(model) -> np.ndarray:
    """Vertices of tongue and teeth, which are never seen, by the bones that move them."""
    labels = np.array(model.bone_labels)
    main = model.vertex_bone_indices.numpy()[
        np.arange(len(model.template_vertices)), model.vertex_bone_weights.numpy().argmax(1)
    ]
    return np.char.startswith(labels[main], "tongue")


def skin(vertices: np.ndarray, bones: np.ndarray, weights: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """Linear blend skinning: vertices at rest ``[V, 3]`` → in the pose."""
    blended = np.einsum("vk,vkij->vij", weights, transforms[bones][:, :, :3], optimize=True)
    return np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3]
