"""Keypoints as graphs exchange them: the host's POSE_KEYPOINT, with OpenPose's 18 body points.

A POSE_KEYPOINT is a list with one dictionary a picture: ``people``, each with ``pose_keypoints_2d`` (x, y, confidence,
x, …), and ``canvas_width``, ``canvas_height``. Coordinates are pixels of the canvas; files with coordinates in 0–1 are
read as well, and so are COCO-17 and BODY_25 arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .blazepose import Person
from .errors import ConditionError

OPENPOSE_18 = (
    "nose",
    "neck",
    "right shoulder",
    "right elbow",
    "right wrist",
    "left shoulder",
    "left elbow",
    "left wrist",
    "right hip",
    "right knee",
    "right ankle",
    "left hip",
    "left knee",
    "left ankle",
    "right eye",
    "left eye",
    "right ear",
    "left ear",
)
NECK, RIGHT_SHOULDER, LEFT_SHOULDER = 1, 2, 5
#: BlazePose landmark of every OpenPose point; the neck is the middle of the shoulders.
_FROM_BLAZEPOSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_FROM_COCO_17 = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
#: Coordinates up to this are fractions of the canvas: nobody draws people on a canvas of two pixels.
_LARGEST_FRACTION = 2.0
#: Points this many canvases away are mistakes of whoever wrote them.
_FARTHEST = 10


@dataclass(frozen=True, eq=False)
class Frame:
    """Everyone in one picture.

    Attributes:
        people: ``[people, 18, 3]``: x, y in pixels, confidence in 0–1 (0 = not seen).
        width, height: of the canvas, in pixels.
    """

    people: Tensor
    width: int
    height: int

    def visible(self) -> set[str]:
        """Names of the points that anyone in the frame shows."""
        seen = (self.people[..., 2] > 0).any(0)
        return {name for name, shown in zip(OPENPOSE_18, seen, strict=True) if shown}


def from_blazepose(people: Sequence[Person], width: int, height: int, threshold: float = 0.5) -> Frame:
    """OpenPose's points of BlazePose's people; what is less visible than ``threshold``, or outside, is not seen.

    What is seen has confidence 1: comfyui_controlnet_aux takes a point with less for one that is missing.
    """
    if not people:
        return Frame(torch.zeros(0, 18, 3), width, height)
    landmarks = torch.stack([person.landmarks for person in people])
    points = _reorder(landmarks, _FROM_BLAZEPOSE)
    inside = (points[..., :2] >= 0).all(-1) & (points[..., 0] < width) & (points[..., 1] < height)
    points[..., 2] = ((points[..., 2] >= threshold) & (points[..., 2] > 0) & inside).float()
    return Frame(points, width, height)


def to_pose_keypoint(frames: Sequence[Frame]) -> list[dict[str, Any]]:
    """Frames as a POSE_KEYPOINT."""
    empty = {"face_keypoints_2d": None, "hand_left_keypoints_2d": None, "hand_right_keypoints_2d": None}
    return [
        {
            "people": [
                {"pose_keypoints_2d": (person * (person[:, 2:] > 0)).flatten().tolist(), **empty}
                for person in frame.people
            ],
            "canvas_width": frame.width,
            "canvas_height": frame.height,
        }
        for frame in frames
    ]


def from_pose_keypoint(poses: Any) -> list[Frame]:
    """The frames of a POSE_KEYPOINT from any node or file.

    Raises:
        ConditionError: it is none, has no canvas size, or points that are no numbers or of a layout we do not know.
    """
    poses = [poses] if isinstance(poses, dict) else poses
    if not isinstance(poses, list) or not poses or not all(isinstance(pose, dict) for pose in poses):
        raise ConditionError(
            "This is no POSE_KEYPOINT: a list with a dictionary for every picture is expected. Connect Detect Pose, or "
            "the POSE_KEYPOINT of a DWPose or OpenPose node."
        )
    return [_frame(pose) for pose in poses]


def _frame(pose: dict[str, Any]) -> Frame:
    width, height = (_canvas_side(pose.get(key)) for key in ("canvas_width", "canvas_height"))
    people = pose.get("people") or []
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise ConditionError(
            "The pose's 'people' is no list with a dictionary for each person. Save the pose again, or connect the "
            "POSE_KEYPOINT of Detect Pose, DWPose or OpenPose."
        )
    people = [_points(person.get("pose_keypoints_2d")) for person in people]
    people = torch.stack(people) if people else torch.zeros(0, 18, 3)
    canvas = torch.tensor([width, height], dtype=torch.float32)
    coordinates, confidence = people[..., :2], people[..., 2:]
    if people.numel() and float(coordinates.abs().max()) <= _LARGEST_FRACTION:
        coordinates = coordinates * canvas
    near = (coordinates.abs() <= _FARTHEST * canvas).all(-1, keepdim=True)
    return Frame(torch.cat([coordinates, confidence], -1) * near, width, height)


def _canvas_side(value: Any) -> int:
    """Also of a string, and of a float: JSON written by hand has both."""
    try:
        side = int(float(value or 0))
    except (TypeError, ValueError, OverflowError):
        side = 0
    if side < 1:
        raise ConditionError("The pose has no canvas size (canvas_width, canvas_height). Save it again with one.")
    return side


def _points(values: Sequence[float] | None) -> Tensor:
    """A person's array as ``[18, 3]``; points that are NaN or infinite are not seen."""
    if not values:
        return torch.zeros(18, 3)
    layouts = {18 * 3: tuple(range(18)), 17 * 3: _FROM_COCO_17, 25 * 3: _FROM_BODY_25}
    if len(values) not in layouts:
        raise ConditionError(
            f"The pose has {len(values) / 3:g} body points; OpenPose's 18 or 25, or COCO's 17, are expected."
        )
    try:
        points = torch.tensor([float(value) for value in values]).reshape(-1, 3)
    except (TypeError, ValueError) as error:
        raise ConditionError(
            "The pose has points that are not numbers. Each point is x, y and a confidence; a missing one is 0, 0, 0."
        ) from error
    points = points * torch.isfinite(points).all(-1, keepdim=True)
    points = torch.nan_to_num(points, 0.0, 0.0, 0.0)
    points[:, 2].clamp_(0, 1)
    return _reorder(points, layouts[len(values)])


def _reorder(points: Tensor, order: Sequence[int | None]) -> Tensor:
    """Points ``[…, n, 3]`` in OpenPose's order; None is the neck, half-way between the shoulders."""
    ordered = points[..., [0 if index is None else index for index in order], :].clone()
    if order[NECK] is None:
        pair = ordered[..., [RIGHT_SHOULDER, LEFT_SHOULDER], :]
        ordered[..., NECK, :2] = pair[..., :2].mean(-2)
        ordered[..., NECK, 2] = pair[..., 2].amin(-1)
    return ordered
