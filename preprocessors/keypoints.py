"""Keypoints as graphs exchange them: the host's POSE_KEYPOINT, with OpenPose's 18 body points.

A POSE_KEYPOINT is a list with one dictionary a picture: ``people``, each with ``pose_keypoints_2d`` (x, y, confidence,
x, …), and ``canvas_width``, ``canvas_height``. Coordinates are pixels of the canvas; files with coordinates in 0–1 are
read as well, and so are COCO-17, COCO-WholeBody and BODY_25 arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
#: COCO-WholeBody's 133 begin with COCO's 17.
_LAYOUTS = {18: tuple(range(18)), 17: _FROM_COCO_17, 25: _FROM_BODY_25, 133: _FROM_COCO_17}
_TO_COCO_17 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
#: Points of a face and of a hand, which readers of POSE_KEYPOINT expect beside the body: the host's SDPose nodes fail
#: where these are None, and all skip points of confidence 0.
_UNSEEN = {"face_keypoints_2d": 70, "hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 21}
#: A point less certain than this is not seen; the host's SDPose nodes give every point, however unlikely, its score,
#: and draw those from here on.
MIN_CONFIDENCE = 0.3
#: Coordinates up to this are fractions of the canvas: nobody draws people on a canvas of two pixels.
_LARGEST_FRACTION = 2.0
#: Points this many canvases away are mistakes of whoever wrote them.
_FARTHEST = 10

Layout = Literal["OpenPose-18", "COCO-17"]


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


def to_pose_keypoint(frames: Sequence[Frame], layout: Layout = "OpenPose-18") -> list[dict[str, Any]]:
    """Frames as a POSE_KEYPOINT, with the body's points in the order of ``layout``; face and hands are not seen."""
    order = _TO_COCO_17 if layout == "COCO-17" else range(18)
    return [
        {
            "people": [
                {
                    "pose_keypoints_2d": (person * (person[:, 2:] > 0))[list(order)].flatten().tolist(),
                    **{name: [0.0] * (3 * points) for name, points in _UNSEEN.items()},
                }
                for person in frame.people
            ],
            "canvas_width": frame.width,
            "canvas_height": frame.height,
        }
        for frame in frames
    ]


def pose_list(poses: Any) -> list[dict[str, Any]]:
    """A POSE_KEYPOINT as a list of dictionaries; a file may hold a single one.

    Raises:
        ConditionError: it is no POSE_KEYPOINT.
    """
    poses = [poses] if isinstance(poses, dict) else poses
    if not isinstance(poses, list) or not poses or not all(isinstance(pose, dict) for pose in poses):
        raise ConditionError(
            "This is no POSE_KEYPOINT: a list with a dictionary for every picture is expected. Connect Detect Pose, or "
            "the POSE_KEYPOINT of a DWPose or OpenPose node."
        )
    return poses


def from_pose_keypoint(poses: Any) -> list[Frame]:
    """The frames of a POSE_KEYPOINT from any node or file; points less certain than MIN_CONFIDENCE are not seen.

    Raises:
        ConditionError: it is none, has no canvas size, or points that are no numbers or of a layout we do not know.
    """
    return [_frame(pose) for pose in pose_list(poses)]


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
    seen = (coordinates.abs() <= _FARTHEST * canvas).all(-1, keepdim=True) & (confidence >= MIN_CONFIDENCE)
    return Frame(torch.cat([coordinates, confidence], -1) * seen, width, height)


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
    order = _LAYOUTS.get(len(values) // 3)
    if len(values) % 3 or order is None:
        raise ConditionError(
            f"The pose has {len(values) / 3:g} body points; OpenPose's 18 or 25, or COCO's 17 or 133, are expected."
        )
    try:
        points = torch.tensor([float(value) for value in values]).reshape(-1, 3)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConditionError(
            "The pose has points that are not numbers. Each point is x, y and a confidence; a missing one is 0, 0, 0."
        ) from error
    points = points * torch.isfinite(points).all(-1, keepdim=True)
    points = torch.nan_to_num(points, 0.0, 0.0, 0.0)
    points[:, 2].clamp_(0, 1)
    return _reorder(points, order)


def _reorder(points: Tensor, order: Sequence[int | None]) -> Tensor:
    """Points ``[…, n, 3]`` in OpenPose's order; None is the neck, half-way between the shoulders."""
    ordered = points[..., [0 if index is None else index for index in order], :].clone()
    if order[NECK] is None:
        pair = ordered[..., [RIGHT_SHOULDER, LEFT_SHOULDER], :]
        ordered[..., NECK, :2] = pair[..., :2].mean(-2)
        ordered[..., NECK, 2] = pair[..., 2].amin(-1)
    return ordered
