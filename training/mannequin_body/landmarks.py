"""OpenPose's points on anny's body: 18 of the body, 6 of the feet, 21 of each hand, 70 of the face.

Body and feet are anny's own regressors, those of the synthetic people. A hand's are its joints and fingertips. The
face's are iBUG's 68 points and the pupils, at places on the front of the face that were chosen by us: nobody has
published such points for this mesh.
"""

from dataclasses import dataclass

import numpy as np

from ..data.synthetic.bodies import Bodies, Surface
from ..data.synthetic.truth import COCO_OF_OPENPOSE, SHOULDERS
from .rig import FINGERS, Rig

#: BODY_25's order of the feet, as anny's regressors are called.
FEET = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
#: Half sizes (across, up) of eye and mouth, and of the brow its place above the eye and half width, metres: where the
#: synthetic people's faces are painted.
EYE, MOUTH, MOUTH_BELOW, BROW = (0.0165, 0.0085), (0.024, 0.0085), 0.0715, (0.0225, 0.021)
#: How many vertices a fingertip is the middle of.
TIP = 6


@dataclass(frozen=True, eq=False)
class Landmarks:
    """K points: a joint each, or a mean of vertices.

    Attributes:
        joint: number of the joint that a point is, −1 for a mean of vertices, ``[K]``.
        point, vertex, weight: of the means' terms, ``[terms]`` each.
    """

    joint: np.ndarray
    point: np.ndarray
    vertex: np.ndarray
    weight: np.ndarray


def landmarks(bodies: Bodies, rig: Rig) -> Landmarks:
    """All 136, in the order body, feet, left hand, right hand, face."""
    regressors, labels = bodies.keypoints.regression_weights.numpy(), list(bodies.keypoints.labels)
    neck = regressors[list(SHOULDERS)].mean(0)
    rows: list = [neck if number is None else regressors[number] for number in COCO_OF_OPENPOSE]
    rows += [regressors[labels.index(name)] for name in FEET]
    for side in ("left", "right"):
        rows += _hand_rows(bodies.surface, rig, side)
    rows += _face_rows(bodies.surface)
    terms = [(k, v, row[v]) for k, row in enumerate(rows) if not isinstance(row, int) for v in np.flatnonzero(row)]
    point, vertex, weight = (np.array(column) for column in zip(*terms, strict=True))
    joint = np.array([row if isinstance(row, int) else -1 for row in rows])
    return Landmarks(joint, point, vertex, weight.astype(np.float32))


def _hand_rows(surface: Surface, rig: Rig, side: str) -> list:
    rows: list = [rig.names.index(f"{side} wrist")]
    for number, name in enumerate(FINGERS, 1):
        rows += [rig.names.index(f"{side} {name} {bone}") for bone in (1, 2, 3)]
        last = rig.names.index(f"{side} {name} 3")
        start, before = (surface.joints[f"finger{number}-{bone}.{side[0].upper()}"] for bone in (3, 2))
        own = np.flatnonzero(
            rig.joint_of_bone[surface.bones[np.arange(len(surface.bones)), surface.weights.argmax(1)]] == last
        )
        far = (surface.vertices[own] - start) @ (start - before)
        rows.append(_mean(len(surface.vertices), own[np.argsort(-far)[:TIP]]))
    return rows


def _mean(vertices: int, of: np.ndarray) -> np.ndarray:
    row = np.zeros(vertices, np.float32)
    row[of] = 1 / len(of)
    return row


def _face_rows(surface: Surface) -> list[np.ndarray]:
    """iBUG's order, from the person's right to their left; x, and z above the eyes."""
    eye = surface.joints["eye.L"]
    near = (np.abs(surface.vertices[:, 0]) < 0.004) & (surface.vertices[:, 2] > eye[2] - 0.16)
    front = surface.vertices[near & (surface.vertices[:, 1] < eye[1] + 0.05)]
    nose = front[front[:, 1].argmin(), 2] - eye[2]
    below = front[(front[:, 2] < eye[2] - MOUTH_BELOW) & (front[:, 1] < eye[1] - 0.005), 2]
    chin = below.min() - eye[2] + 0.004
    round_ = np.linspace(0, np.pi, 17)
    face = surface.vertices[(surface.vertices[:, 1] < eye[1] + 0.06) & (surface.vertices[:, 2] > eye[2] + chin)]
    half = np.abs(face[np.abs(face[:, 2] - eye[2] + 0.02) < 0.03, 0]).max()
    places = [(-0.95 * half * np.cos(t), chin * np.sin(t)) for t in round_]
    brow = [(eye[0] + 0.002 + BROW[1] * t, BROW[0] + 0.004 * (1 - t * t)) for t in np.linspace(1, -1, 5)]
    places += [(-x, z) for x, z in brow] + brow[::-1]
    places += [(0.0, nose * t) for t in np.linspace(0, 1, 4)]
    places += [(x, nose - 0.011) for x in np.linspace(-0.012, 0.012, 5)]
    lid = np.deg2rad([180, 120, 60, 0, -60, -120])
    places += [(centre + EYE[0] * np.cos(t), EYE[1] * np.sin(t)) for centre in (-eye[0], eye[0]) for t in lid]
    outer, inner = np.deg2rad(np.arange(180, -180, -30)), np.deg2rad(np.arange(180, -180, -45))
    places += [(MOUTH[0] * np.cos(t), MOUTH[1] * np.sin(t) - MOUTH_BELOW) for t in outer]
    places += [(0.8 * MOUTH[0] * np.cos(t), 0.25 * MOUTH[1] * np.sin(t) - MOUTH_BELOW) for t in inner]
    places += [(-eye[0], 0.0), (eye[0], 0.0)]
    return [_on_the_front(surface, x, z + eye[2]) for x, z in places]


def _on_the_front(surface: Surface, x: float, z: float) -> np.ndarray:
    """Weights of the corners of the foremost triangle that a line from the front meets."""
    corners = surface.vertices[surface.faces]
    flat = corners[..., [0, 2]] - np.array([x, z])
    cross = lambda a, b: a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]  # noqa: E731
    parts = np.stack([cross(flat[:, (i + 1) % 3], flat[:, (i + 2) % 3]) for i in range(3)], 1)
    total = parts.sum(1)
    share = parts / np.where(np.abs(total) < 1e-12, np.inf, total)[:, None]
    met = (share >= 0).all(1) & (np.abs(total) >= 1e-12)
    depth = np.where(met, (share * corners[..., 1]).sum(1), np.inf)
    face = int(depth.argmin())
    row = np.zeros(len(surface.vertices), np.float32)
    row[surface.faces[face]] = share[face]
    return row
