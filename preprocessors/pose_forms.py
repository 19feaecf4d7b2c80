"""The forms in which poses arrive, brought into that of the host's POSE_KEYPOINT.

=================== =========================================================================================
POSE_KEYPOINT       list of ``{people: [{pose_keypoints_2d: x, y, confidence, x, …}], canvas_width, canvas_height}``
OpenPose's own JSON one such dictionary without a canvas
pose editors'       ``{width, height, keypoints: [[x, y], …]}``, people one after the other
=================== =========================================================================================

Arrays may be of numpy or torch, flat or with a row for each point, and of two or three numbers a point.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .errors import ConditionError

#: Points of OpenPose's body, COCO's, BODY_25's and COCO-WholeBody's.
COUNTS = (18, 17, 25, 133)
#: Lengths of flat arrays: three numbers a point, or two.
_LENGTHS = {3 * count: 3 for count in COUNTS} | {2 * count: 2 for count in COUNTS}
#: Where a person's array is, what OpenPose called it before version 1.2, and the editors' and COCO's name for it.
ARRAY, OLD_ARRAY, OTHER_ARRAY = "pose_keypoints_2d", "pose_keypoints", "keypoints"
#: Names of the canvas' sides.
SIDES = (("canvas_width", "width"), ("canvas_height", "height"))
#: Points this many times farther than the middle one are mistakes; no canvas reaches to them.
_FARTHEST = 10
#: Coordinates up to this are fractions of the canvas: nobody draws people on a canvas of two pixels.
LARGEST_FRACTION = 2.0
#: A point less certain than this is not seen; the host's SDPose nodes give every point, however unlikely, its score,
#: and draw those from here on.
MIN_CONFIDENCE = 0.3


def pose_list(poses: Any, canvas: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """A pose in any form as the host's: a list of dictionaries with people and a canvas; what else they hold stays.

    Args:
        poses: one picture's, or a list of them.
        canvas: width and height for those that have none. None works them out: people are in the middle of it.

    Raises:
        ConditionError: it is no pose, or has no canvas and none can be worked out.
    """
    poses = [poses] if isinstance(poses, dict) else poses
    if not isinstance(poses, list | tuple) or not poses or not all(isinstance(pose, dict) for pose in poses):
        raise ConditionError(
            "This is no POSE_KEYPOINT: a list with a dictionary for every picture is expected. Connect Detect Pose, or "
            "the POSE_KEYPOINT of a DWPose or OpenPose node."
        )
    told = all("people" in pose or OTHER_ARRAY in pose for pose in poses)
    poses = [pose | {"people": _people(pose)} for pose in poses]
    sides = [[_side(pose, names) for names in SIDES] for pose in poses]
    if not all(all(pair) for pair in sides) and (canvas is None or not told):
        # One for all: the frames of a video have one.
        canvas = _canvas_around([pose for pose, pair in zip(poses, sides, strict=True) if not all(pair)])
    return [
        pose | {names[0]: side or given for names, side, given in zip(SIDES, pair, canvas or pair, strict=True)}
        for pose, pair in zip(poses, sides, strict=True)
    ]


def points_of(values: Any) -> Tensor:
    """A person's array as ``[n, 3]``, n one of COUNTS, or ``[0, 3]``; points that are NaN or infinite are 0, 0, 0.

    Raises:
        ConditionError: it holds something else than numbers, or another number of points.
    """
    values = _listed(values)
    if values is None:
        return torch.zeros(0, 3)
    if not isinstance(values, list | tuple):
        raise _not_numbers()
    rows = [_listed(value) for value in values]
    flat = all(not isinstance(row, list | tuple) and row is not None for row in rows) or len(rows) in _LENGTHS
    if flat:
        rows = _split(rows)
    try:
        points = torch.tensor([_point(row) for row in rows]).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise _not_numbers() from error
    if len(points) and len(points) not in COUNTS:
        raise ConditionError(_unknown_number(len(points)))
    return torch.nan_to_num(points * torch.isfinite(points).all(-1, keepdim=True), 0.0, 0.0, 0.0)


def _split(values: Sequence[Any]) -> list[Sequence[Any]]:
    """A flat array's points."""
    size = _LENGTHS.get(len(values))
    if values and size is None:
        raise ConditionError(_unknown_number(len(values) / 3))
    return [values[start : start + size] for start in range(0, len(values), size or 1)]


def _point(row: Any) -> list[float]:
    """x, y and confidence; without one, a point is seen unless it is at 0, 0 or outside; None is missing."""
    if row is None or (isinstance(row, list | tuple) and not row):
        return [0.0, 0.0, 0.0]
    numbers = [float(_listed(value)) for value in row]
    if len(numbers) == 2:
        numbers.append(float(min(numbers) >= 0 and max(numbers) > 0))
    if len(numbers) != 3:
        raise ValueError(f"a point of {len(numbers)} numbers")
    return numbers


def _people(pose: dict[str, Any]) -> list[dict[str, Any]]:
    """A dictionary for each person, with their array under the host's name."""
    people = _listed(pose.get("people"))
    if people is None and OTHER_ARRAY in pose:
        return [{ARRAY: person} for person in _one_after_the_other(pose[OTHER_ARRAY])]
    people = [] if people is None else people
    people = [_listed(person) for person in people] if isinstance(people, list | tuple) else None
    if people is None or not all(isinstance(person, dict | list | tuple) for person in people):
        raise ConditionError(
            "The pose's 'people' is no list with a dictionary for each person. Save the pose again, or connect the "
            "POSE_KEYPOINT of Detect Pose, DWPose or OpenPose."
        )
    return [_person(person) for person in people]


def _person(person: Any) -> dict[str, Any]:
    if not isinstance(person, dict):
        return {ARRAY: person}
    name = next((name for name in (ARRAY, OLD_ARRAY, OTHER_ARRAY) if name in person), ARRAY)
    return person if name == ARRAY else person | {ARRAY: person[name]}


def _one_after_the_other(keypoints: Any) -> Iterator[Any]:
    """The people of an editor's list: of points, 18 each, or of people."""
    rows = _listed(keypoints) or []
    if not isinstance(rows, list | tuple):
        raise _not_numbers()
    sizes = {len(row) for row in map(_listed, rows) if isinstance(row, list | tuple)}
    if sizes and max(sizes) > 3:
        yield from rows
    elif sizes and len(rows) % COUNTS[0] == 0:
        yield from (rows[start : start + COUNTS[0]] for start in range(0, len(rows), COUNTS[0]))
    elif rows:
        yield rows


def _side(pose: dict[str, Any], names: Sequence[str]) -> int | None:
    """A side of the canvas in pixels; None where the pose names none.

    Also of a string, of a float, and of an array: JSON written by hand and other nodes have them.
    """
    given = (_listed(pose.get(name)) for name in names)
    value = next((value for value in given if value is not None), None)
    if value is None:
        return None
    try:
        side = int(float(value))
    except (TypeError, ValueError, OverflowError):
        side = -1
    if side == 0:
        return None
    if side < 0:
        raise ConditionError(
            f"The pose has no canvas size ({names[0]} is {str(value)[:40]!r}). Save it again with one, in pixels."
        )
    return side


def _canvas_around(poses: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Width and height of a canvas that has people in its middle, as far from one edge as from the other.

    Raises:
        ConditionError: nobody is there, or they are in fractions, which say nothing of its size.
    """
    arrays = [points_of(person.get(ARRAY)) for pose in poses for person in pose["people"]]
    points = torch.cat([torch.zeros(0, 3), *arrays])
    places = points[points[:, 2] > 0, :2]
    if in_fractions(places):
        raise ConditionError(
            "The pose has no canvas size (canvas_width, canvas_height), and no points in pixels that would tell one. "
            "Give Load Pose the width and height of the canvas, or save the pose again with them."
        )
    return tuple(_side_around(places[:, axis]) for axis in (0, 1))


def in_fractions(places: Tensor) -> bool:
    """Whether most of these points ``[n, 2]`` are fractions of a canvas, not pixels; also of no points."""
    return 2 * int((places.abs().amax(-1) <= LARGEST_FRACTION).sum()) >= len(places)


def _side_around(places: Tensor) -> int:
    """Of one direction's coordinates ``[n]``."""
    places = places[places.abs() <= _FARTHEST * places.abs().median().clamp(min=1)]
    return max(1, math.ceil(float(places.amax()) + max(0.0, float(places.amin()))))


def _listed(value: Any) -> Any:
    """Arrays and tensors as lists and numbers."""
    return value.tolist() if hasattr(value, "tolist") else value


def _not_numbers() -> ConditionError:
    return ConditionError(
        "The pose has points that are not numbers. Each point is x, y and a confidence; a missing one is 0, 0, 0."
    )


def _unknown_number(points: float) -> str:
    return f"The pose has {points:g} body points; OpenPose's 18 or 25, or COCO's 17 or 133, are expected."
