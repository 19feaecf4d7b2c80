"""A target pose on the source person: as tall, at the same place and, if asked for, with the same limbs.

All there is are 2-D lengths, and a limb that points at the camera is short. Three things keep that from doing harm: a
bone's length is the longer of left and right; what is compared are ratios, so that a limb which the target foreshortens
stays foreshortened; and a ratio no body has is limited. Hands, feet and faces go with the joints that they hang on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .errors import ConditionError
from .keypoints import NECK, Frame
from .pose_parts import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND

Fit = Literal["height and place", "place only", "none"]
LimbLengths = Literal["target", "source"]


@dataclass(frozen=True)
class Bone:
    """A bone on both sides.

    Attributes:
        sides: OpenPose-18 chains, from the joint nearer to the neck outwards.
        weight: in the comparison of two bodies; about its length as a share of the height (Drillis and Contini 1966).
    """

    sides: tuple[tuple[int, ...], ...]
    weight: float


BONES = (
    Bone(((1, 2), (1, 5)), 0.13),
    Bone(((2, 3), (5, 6)), 0.19),
    Bone(((3, 4), (6, 7)), 0.15),
    Bone(((1, 8), (1, 11)), 0.29),
    Bone(((8, 9), (11, 12)), 0.25),
    Bone(((9, 10), (12, 13)), 0.25),
    Bone(((1, 0),), 0.10),
    # Turning the head shortens one side of the face and shows more of the other.
    Bone(((0, 14, 16), (0, 15, 17)), 0.06),
)
#: The joint on the way to the neck, and the bone between, of every joint; parents come first.
_PARENT = {
    end: (start, bone) for bone in BONES for side in bone.sides for start, end in zip(side, side[1:], strict=False)
}
#: How much longer or shorter than the target's a bone may become, at the same body size: people differ by less.
MOST_RATIO = 1.5
#: A bone shorter than this share of the body's box points at the camera: its ratio says nothing.
_SHORTEST = 0.02
HIPS, ANKLES = (8, 11), (10, 13)
_LEFT_FOOT, _RIGHT_FOOT = slice(FEET.start, 3), slice(3, FEET.stop)
#: The joint that each part hangs on.
_CARRIED = ((_LEFT_FOOT, 13), (_RIGHT_FOOT, 10), (LEFT_HAND, 7), (RIGHT_HAND, 4), (FACE, 0))


def retarget(
    targets: Sequence[Frame],
    sources: Sequence[Frame],
    fit: Fit = "height and place",
    limb_lengths: LimbLengths = "target",
) -> list[Frame]:
    """Target poses on the canvas of the source photo.

    Equally many people on both sides, more than one, belong together from left to right. Otherwise the largest of the
    target takes the place of the largest of the source, the others keep their places around them, and all get the
    limbs of the largest of the source.

    Args:
        targets: N frames or one.
        sources: of the source photo, N frames or one.
        fit: "height and place": body size as the source's (the weighted median of the bones' ratios), feet on the same
            height (hips, if no ankle is seen) and hips in the same column. "place only": the target's own size.
            "none": neither. Without a size to fit to, the target's canvas is put into the source's, as large as it
            goes, in the middle.
        limb_lengths: "target", or "source": the target's directions, the source's proportions.

    Raises:
        ConditionError: the batches do not match, or a source photo shows nobody.
    """
    if not targets or not sources or (1 not in (len(targets), len(sources)) and len(targets) != len(sources)):
        raise ConditionError(
            f"The pose has {len(targets)} frames and the source pose {len(sources)}. Give one source for all frames, "
            "one pose for all sources, or one each."
        )
    number = max(len(targets), len(sources))
    return [
        _retarget_frame(targets[index % len(targets)], sources[index % len(sources)], fit, limb_lengths, index)
        for index in range(number)
    ]


def _retarget_frame(target: Frame, source: Frame, fit: str, limb_lengths: str, number: int) -> Frame:
    people, drivers = (_present(frame.points.double()) for frame in (target, source))
    if not people:
        return replace(source, people=torch.zeros(0, 18, 3), parts=None)
    if not drivers:
        raise ConditionError(
            f"The source pose shows nobody in frame {number + 1}. Detect it on the source photo, or connect the pose "
            "of a photo with a person."
        )
    pairs = [(people, _largest(drivers))]
    if len(people) == len(drivers):
        drivers = sorted(drivers, key=_column)
        pairs = [([person], driver) for person, driver in zip(sorted(people, key=_column), drivers, strict=True)]
    moved = [_move(group, driver, target, source, fit, limb_lengths) for group, driver in pairs]
    points = torch.cat(moved).float()
    return Frame(points[:, BODY], source.width, source.height, points[:, BODY.stop :])


def _move(group: list[Tensor], driver: Tensor, target: Frame, source: Frame, fit: str, limb_lengths: str) -> Tensor:
    """People ``[136, 3]`` who move together, onto the one they take the place of; ``[people, 136, 3]``."""
    leader = max(range(len(group)), key=lambda index: _extent(group[index]))
    if limb_lengths == "source":
        group = [_with_limbs_of(driver, person) for person in group]
    first = group[leader]
    canvas_scale = min(source.width / target.width, source.height / target.height)
    scale = _size_ratio(driver, first) or canvas_scale if fit == "height and place" else canvas_scale
    if fit == "none":
        size, room = (torch.tensor([frame.width, frame.height]).double() for frame in (target, source))
        shift = (room - size * scale) / 2
    else:
        there, here = _anchors(driver, first)
        shift = there - here * scale
    points = torch.stack(group)
    # A point that is not seen is 0, 0, 0 and stays it.
    return torch.cat([points[..., :2] * scale + shift, points[..., 2:]], -1) * (points[..., 2:] > 0)


def _present(people: Tensor) -> list[Tensor]:
    return [person for person in people if (person[BODY, 2] > 0).any()]


def _box(person: Tensor) -> tuple[Tensor, Tensor]:
    """Corners around the body, whichever parts anybody looked for."""
    body = person[BODY]
    seen = body[body[:, 2] > 0, :2]
    return seen.amin(0), seen.amax(0)


def _extent(person: Tensor) -> float:
    low, high = _box(person)
    return float((high - low).norm())


def _largest(people: Sequence[Tensor]) -> Tensor:
    return max(people, key=_extent)


def _column(person: Tensor) -> float:
    return float(sum(_box(person))[0])


def _length(person: Tensor, bone: Bone) -> float:
    """Of the longer side, in pixels; 0 where none is seen or it points at the camera."""
    lengths = [0.0]
    for side in bone.sides:
        joints = person[list(side)]
        if (joints[:, 2] > 0).all():
            lengths.append(float((joints[1:, :2] - joints[:-1, :2]).norm(dim=-1).sum()))
    return max(lengths) if max(lengths) > _SHORTEST * _extent(person) else 0.0


def _ratios(a: Tensor, b: Tensor) -> dict[Bone, float]:
    """How much longer every bone of ``a`` is than that of ``b``, of those that both show."""
    lengths = {bone: (_length(a, bone), _length(b, bone)) for bone in BONES}
    return {bone: first / second for bone, (first, second) in lengths.items() if first and second}


def _size_ratio(a: Tensor, b: Tensor) -> float | None:
    """How much larger the body of ``a`` is than that of ``b``: the weighted median of the bones' ratios.

    Half of the body may be foreshortened in either of them without moving it. Where they share no bone, the ratio of
    the boxes; None where a box is a point.
    """
    ratios = sorted((ratio, bone.weight) for bone, ratio in _ratios(a, b).items())
    half = sum(weight for _, weight in ratios) / 2
    for ratio, weight in ratios:
        half -= weight
        if half <= 0:
            return ratio
    first, second = _extent(a), _extent(b)
    return first / second if first and second else None


def _with_limbs_of(driver: Tensor, person: Tensor) -> Tensor:
    """The person with every bone in its own direction and in the driver's proportion, at the person's body size.

    A bone that one of them does not show keeps its length.
    """
    size = _size_ratio(driver, person)
    if size is None:
        return person
    limit = 1 / MOST_RATIO, MOST_RATIO
    factors = {bone: min(max(ratio / size, limit[0]), limit[1]) for bone, ratio in _ratios(driver, person).items()}
    seen = person[:, 2] > 0
    moved = person.clone()
    for joint, (parent, bone) in _PARENT.items():
        factor = factors.get(bone, 1.0)
        while not seen[parent] and parent != NECK:
            parent, factor = _PARENT[parent][0], 1.0
        if seen[joint] and seen[parent]:
            moved[joint, :2] = moved[parent, :2] + (person[joint, :2] - person[parent, :2]) * factor
    for part, joint in _CARRIED:
        points = slice(BODY.stop + part.start, BODY.stop + part.stop)
        moved[points, :2] += moved[joint, :2] - person[joint, :2]
    return moved


def _anchors(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A point of each (x, y) that is to lie at the same place.

    Column: the middle of the hips, else the neck, else the middle of what both show, else of all they show. Row: the
    lowest ankle, since people stand on something, else as the column.
    """
    shared = (a[BODY, 2] > 0) & (b[BODY, 2] > 0)
    if shared[list(HIPS)].all():
        joints = list(HIPS)
    elif shared[NECK]:
        joints = [NECK]
    else:
        joints = shared.nonzero()[:, 0].tolist()
    if joints:
        points = [person[joints, :2].mean(0) for person in (a, b)]
    else:
        points = [sum(_box(person)) / 2 for person in (a, b)]
    ankles = [person[list(ANKLES)] for person in (a, b)]
    if all((pair[:, 2] > 0).any() for pair in ankles):
        for point, pair in zip(points, ankles, strict=True):
            point[1] = pair[pair[:, 2] > 0, 1].max()
    return points[0], points[1]
