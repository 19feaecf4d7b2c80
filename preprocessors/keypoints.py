"""Keypoints as graphs exchange them: the host's POSE_KEYPOINT, with OpenPose's 18 body points, feet, hands and face.

A POSE_KEYPOINT is a list with one dictionary a picture: ``people``, each with ``pose_keypoints_2d`` (x, y, confidence,
x, …), and ``canvas_width``, ``canvas_height``; :mod:`.pose_forms` reads the other forms, :mod:`.pose_parts` what is not
the body. Coordinates are pixels of the canvas; people with coordinates in 0–1 are read as well, and so are COCO-17,
COCO-WholeBody and BODY_25 arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from .blazepose import Person
from .pose_forms import ARRAY, COUNTS, LARGEST_FRACTION, MIN_CONFIDENCE, in_fractions, points_of, pose_list
from .pose_parts import BODY, POINTS, arrays_of, parts_of

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
FROM_BLAZEPOSE = (0, None, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
_FROM_COCO_17 = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
#: COCO-WholeBody's 133 begin with COCO's 17.
_LAYOUTS = dict(zip(COUNTS, (tuple(range(18)), _FROM_COCO_17, _FROM_BODY_25, _FROM_COCO_17), strict=True))
_TO_COCO_17 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
#: Whoever shows fewer points does not tell their unit alone.
_FEW_POINTS = 3
#: On a canvas of fewer pixels a body in pixels looks as one in fractions does.
_SMALLEST_CANVAS = 8
#: Points this many canvases away are mistakes of whoever wrote them.
_FARTHEST = 10

Layout = Literal["OpenPose-18", "COCO-17"]


@dataclass(frozen=True, eq=False)
class Frame:
    """Everyone in one picture.

    Attributes:
        people: ``[people, 18, 3]``: x, y in pixels, confidence in 0–1 (0 = not seen).
        width, height: of the canvas, in pixels.
        parts: their feet, hands and faces, ``[people, 118, 3]``, see :mod:`.pose_parts`; None where nobody looked.
    """

    people: Tensor
    width: int
    height: int
    parts: Tensor | None = None

    @property
    def points(self) -> Tensor:
        """The body's points and the parts', ``[people, 136, 3]``."""
        parts = self.people.new_zeros(len(self.people), POINTS, 3) if self.parts is None else self.parts
        return torch.cat([self.people, parts], 1)

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
    points = _reorder(landmarks, FROM_BLAZEPOSE)
    return Frame(seen_or_not(points, width, height, threshold), width, height)


def seen_or_not(points: Tensor, width: int, height: int, threshold: float) -> Tensor:
    """Points ``[…, 3]`` in pixels with confidence 1, or 0 where it was below ``threshold`` or they lie outside."""
    inside = (points[..., :2] >= 0).all(-1) & (points[..., 0] < width) & (points[..., 1] < height)
    seen = (points[..., 2] >= threshold) & (points[..., 2] > 0) & inside
    return torch.cat([points[..., :2], seen[..., None].float()], -1)


def from_coco_17(people: Tensor, width: int, height: int) -> Frame:
    """OpenPose's points of COCO's ``[people, 17, 3]``, in pixels; what has a confidence above 0 is seen."""
    points = _reorder(people, _FROM_COCO_17)
    points[..., 2] = (points[..., 2] > 0).float()
    return Frame(points * points[..., 2:], width, height)


def to_coco_17(people: Tensor) -> Tensor:
    """COCO's points of OpenPose's ``[people, 18, 3]``, which have a neck besides."""
    return people[:, list(_TO_COCO_17)]


def to_pose_keypoint(frames: Sequence[Frame], layout: Layout = "OpenPose-18") -> list[dict[str, Any]]:
    """Frames as a POSE_KEYPOINT, with the body's points in the order of ``layout``."""
    order = list(_TO_COCO_17 if layout == "COCO-17" else range(18))
    return [
        {
            "people": [
                {ARRAY: (person[BODY] * (person[BODY, 2:] > 0))[order].flatten().tolist()}
                | arrays_of(person[BODY.stop :])
                for person in frame.points
            ],
            "canvas_width": frame.width,
            "canvas_height": frame.height,
        }
        for frame in frames
    ]


def from_pose_keypoint(poses: Any) -> list[Frame]:
    """The frames of a POSE_KEYPOINT from any node or file; points less certain than MIN_CONFIDENCE are not seen.

    Raises:
        ConditionError: it is none, has no canvas size, or points that are no numbers or of a layout we do not know.
    """
    return [_frame(pose) for pose in pose_list(poses)]


def _frame(pose: dict[str, Any]) -> Frame:
    width, height = pose["canvas_width"], pose["canvas_height"]
    canvas = torch.tensor([width, height], dtype=torch.float32)
    arrays = [_certain(points_of(person.get(ARRAY))) for person in pose["people"]]
    everyone = torch.cat([torch.zeros(0, 3), *arrays])
    arrays = [_in_pixels(points, canvas, everyone) for points in arrays]
    people = [_ordered(points) for points in arrays]
    if not people:
        return Frame(torch.zeros(0, 18, 3), width, height)
    parts = [parts_of(person, points, canvas) for person, points in zip(pose["people"], arrays, strict=True)]
    return Frame(torch.stack(people), width, height, torch.stack(parts))


def _certain(points: Tensor) -> Tensor:
    """Points ``[n, 3]`` with confidences in 0–1; what is less certain than MIN_CONFIDENCE is 0, 0, 0."""
    points[:, 2].clamp_(0, 1)
    return points * (points[:, 2:] >= MIN_CONFIDENCE)


def _in_pixels(points: Tensor, canvas: Tensor, everyone: Tensor) -> Tensor:
    """A person's points ``[n, 3]``, in pixels or in fractions of the canvas, in pixels.

    Most points of the person decide; where these are few, those of ``everyone`` in the frame do. What does not fit the
    unit is not seen: where it belongs, nobody can tell.
    """
    seen = points[:, 2] > 0
    told_by = points[seen] if int(seen.sum()) >= _FEW_POINTS else everyone[everyone[:, 2] > 0]
    farthest = points[:, :2].abs().amax(-1, keepdim=True)
    if canvas.max() < _SMALLEST_CANVAS:
        fits = torch.ones_like(farthest)
    elif in_fractions(told_by[:, :2]):
        points, fits = points * torch.cat([canvas, torch.ones(1)]), farthest <= LARGEST_FRACTION
    else:
        # Within one pixel of the corner lies no point of a body, but a fraction, or one that is missing.
        fits = farthest > 1
    return points * (fits * (points[:, :2].abs() <= _FARTHEST * canvas).all(-1, keepdim=True))


def _ordered(points: Tensor) -> Tensor:
    """Points of any layout ``[n, 3]``, or none, as OpenPose's ``[18, 3]``."""
    if not len(points):
        return torch.zeros(18, 3)
    points = _reorder(points, _LAYOUTS[len(points)])
    return points * (points[:, 2:] > 0)


def _reorder(points: Tensor, order: Sequence[int | None]) -> Tensor:
    """Points ``[…, n, 3]`` in OpenPose's order; None is the neck, half-way between the shoulders."""
    ordered = points[..., [0 if index is None else index for index in order], :].clone()
    if order[NECK] is None:
        pair = ordered[..., [RIGHT_SHOULDER, LEFT_SHOULDER], :]
        ordered[..., NECK, :2] = pair[..., :2].mean(-2)
        ordered[..., NECK, 2] = pair[..., 2].amin(-1)
    return ordered
