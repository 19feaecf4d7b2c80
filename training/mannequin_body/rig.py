"""The mannequin's joints: those of anny's bones that anyone turns, the axes each turns about, and how far it goes.

Axes are of the body at rest: x to the person's left, −y to the front, z up. A joint's turn is a rotation vector, whose
components along its three axes are called bend, side and twist; the right side's axes are the left's in a mirror, so
that the same numbers are the same gesture.
"""

from dataclasses import dataclass

import numpy as np

from ..data.synthetic.bodies import Surface

#: Of the trunk: joint, anny's bone, and how far it bends, leans and twists, degrees.
TRUNK = (
    ("hips", "root", (-180, 180), (-180, 180), (-180, 180)),
    ("abdomen", "spine04", (-25, 45), (-25, 25), (-25, 25)),
    ("waist", "spine03", (-25, 45), (-25, 25), (-30, 30)),
    ("chest", "spine02", (-20, 35), (-20, 20), (-30, 30)),
    ("upper chest", "spine01", (-20, 35), (-20, 20), (-30, 30)),
    ("neck", "neck01", (-45, 45), (-35, 35), (-45, 45)),
    ("head", "head", (-45, 45), (-40, 40), (-75, 75)),
)
#: Of the left side: joint, anny's bone, the bone it points to, and the ranges of bend, side and twist.
LIMBS = (
    ("collar", "clavicle", "upperarm01", (-25, 30), (-15, 40), (-15, 15)),
    ("shoulder", "upperarm01", "lowerarm01", (-80, 165), (-55, 140), (-110, 110)),
    ("elbow", "lowerarm01", "wrist", (-50, 140), (-10, 10), (-10, 10)),
    ("forearm", "lowerarm02", "wrist", (0, 0), (0, 0), (-90, 90)),
    ("wrist", "wrist", "finger3-1", (-85, 85), (-40, 40), (-15, 15)),
    ("hip", "upperleg01", "lowerleg01", (-50, 140), (-45, 90), (-70, 70)),
    ("knee", "lowerleg01", "foot", (-5, 155), (-10, 10), (-15, 15)),
    ("ankle", "foot", "toe3-1", (-60, 45), (-40, 40), (-40, 40)),
    ("toes", "toe3-1", "toe3-3", (-60, 60), (-5, 5), (-5, 5)),
)
FINGERS = ("thumb", "index finger", "middle finger", "ring finger", "little finger")
#: Of the three joints of a finger, then of the thumb's.
_FINGER = (
    ((-35, 100), (-40, 40), (-20, 20)),
    ((-15, 115), (-15, 15), (-20, 20)),
    ((-15, 95), (-15, 15), (-20, 20)),
)
_THUMB = (
    ((-40, 60), (-50, 50), (-50, 50)),
    ((-30, 75), (-20, 20), (-10, 10)),
    ((-30, 95), (-5, 5), (-5, 5)),
)


@dataclass(frozen=True, eq=False)
class Rig:
    """J joints, parents before their children.

    Attributes:
        names: as people write them.
        bones: number of anny's bone that each is, ``[J]``.
        parents: ``[J]``, −1 for the hips.
        axes: unit, of bend, side and twist, ``[J, 3, 3]``.
        limits: of bend, side and twist, degrees, ``[J, 3, 2]``.
        joint_of_bone: the joint that moves each of anny's bones, ``[bones]``: the bone's own, or its next ancestor's.
    """

    names: list[str]
    bones: np.ndarray
    parents: np.ndarray
    axes: np.ndarray
    limits: np.ndarray
    joint_of_bone: np.ndarray


def rig(surface: Surface, labels: list[str], bone_parents: list[int]) -> Rig:
    """The rig of anny's skeleton.

    Args:
        labels, bone_parents: of anny's bones.
    """
    rows = [(name, bone, _trunk_axes(), ranges) for name, bone, *ranges in TRUNK]
    for side in ("left", "right"):
        rows += [_sided(side, *row) for row in (*_limb_rows(surface), *_finger_rows(surface))]
    numbers = {bone: labels.index(bone) for _, bone, _, _ in rows}
    rows.sort(key=lambda row: numbers[row[1]])
    bones = np.array([numbers[bone] for _, bone, _, _ in rows])
    own = {int(bone): joint for joint, bone in enumerate(bones)}
    joint_of_bone = np.zeros(len(labels), np.int64)
    for number, (label, parent) in enumerate(zip(labels, bone_parents, strict=True)):
        # All toes are one joint: they share the middle one's.
        shared = own[labels.index(f"toe3-1.{label[-1]}")] if label.startswith("toe") else None
        joint_of_bone[number] = own.get(number, joint_of_bone[max(parent, 0)] if shared is None else shared)
    parents = np.array([-1 if bone == 0 else joint_of_bone[bone_parents[bone]] for bone in bones])
    return Rig(
        [name for name, _, _, _ in rows],
        bones,
        parents,
        np.stack([axes for _, _, axes, _ in rows]),
        np.array([ranges for _, _, _, ranges in rows], np.float32),
        joint_of_bone,
    )


def _trunk_axes() -> np.ndarray:
    """Positive bends forward, leans to the left, turns to the left."""
    return np.eye(3, dtype=np.float32)


def _sided(side: str, name: str, bone: str, axes: np.ndarray, ranges: tuple) -> tuple:
    """A joint of the left side, or the same of the right: rotations are mirrored about the plane x = 0."""
    if side == "right":
        axes = axes * np.array([1, -1, -1], np.float32)
    return f"{side} {name}", f"{bone}.{side[0].upper()}", axes, ranges


def _limb_rows(surface: Surface):
    joint = lambda bone: surface.joints[f"{bone}.L"]  # noqa: E731
    forward, up = np.array([-1.0, 0, 0]), np.array([0.0, 0, 1])
    hinge = np.cross(joint("lowerarm01") - joint("upperarm01"), joint("wrist") - joint("lowerarm01"))
    _, palm, bent = _hand(surface)
    # Positive: raised or bent forward, moved outward, turned inward.
    bends = {"elbow": hinge, "forearm": hinge, "wrist": bent, "knee": -forward, "toes": forward}
    for name, bone, end, *ranges in LIMBS:
        along = joint(end) - joint(bone)
        if name == "ankle":
            yield name, bone, np.float32([forward, up, [0, 1, 0]]), ranges
            continue
        if name == "collar":
            yield name, bone, np.float32([up * -1, [0, -1, 0], [-1, 0, 0]]), ranges
            continue
        axes = _frame(bends.get(name, forward), along)
        # The side's axis must move the limb away from the body's middle.
        outward = np.cross(axes[1], axes[2]) @ (palm if name == "wrist" else np.array([1.0, 0, 0.0]))
        axes[1] *= -1 if outward < 0 else 1
        yield name, bone, axes, ranges


def _finger_rows(surface: Surface):
    _, palm, bent = _hand(surface)
    joint = lambda finger, bone: surface.joints[f"finger{finger}-{bone}.L"]  # noqa: E731
    for finger, name in enumerate(FINGERS, 1):
        for bone in (1, 2, 3):
            along = joint(finger, min(bone + 1, 3)) - joint(finger, min(bone, 2))
            # A thumb bends across the palm.
            axis = np.cross(along, np.cross(bent, palm)) * -1 if finger == 1 else bent
            axes = _frame(axis, along)
            yield f"{name} {bone}", f"finger{finger}-{bone}", axes, (_THUMB if finger == 1 else _FINGER)[bone - 1]


def _hand(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the left hand, unit: from little finger to index, out of the palm, and the axis that fingers bend by."""
    joint = lambda finger, bone: surface.joints[f"finger{finger}-{bone}.L"]  # noqa: E731
    across = joint(2, 1) - joint(5, 1)
    along = joint(3, 2) - joint(3, 1)
    palm = np.cross(across, along)
    palm *= np.sign(palm @ (joint(1, 3) - joint(3, 1))) / np.linalg.norm(palm)
    bent = np.cross(along, palm)
    return across / np.linalg.norm(across), palm, bent / np.linalg.norm(bent)


def _frame(bend: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Three axes at right angles: the bend's as near as can be, one at right angles to both, and along the limb."""
    along = along / np.linalg.norm(along)
    bend = bend - (bend @ along) * along
    bend /= np.linalg.norm(bend)
    return np.stack([bend, np.cross(along, bend), along]).astype(np.float32)
