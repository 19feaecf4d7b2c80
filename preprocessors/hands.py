"""Hands of a POSE_KEYPOINT, where the node that it comes from found them."""

from typing import Any

import torch
from torch import Tensor

from .keypoints import MIN_CONFIDENCE
from .pose_forms import in_fractions, pose_list

#: Where a person's hands are, and their points: the wrist and four of every finger.
ARRAYS, POINTS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d"), 21

#: A person's hands ``[21, 3]`` each: x, y in pixels of the canvas, confidence; 0, 0, 0 is not seen.
Hands = tuple[Tensor, Tensor]


def hands_of(poses: Any) -> list[list[Hands]]:
    """The hands of everybody in every frame; what is no hand is not seen.

    Raises:
        ConditionError: it is no POSE_KEYPOINT.
    """
    return [
        [tuple(_hand(person.get(name), pose) for name in ARRAYS) for person in pose["people"]]
        for pose in pose_list(poses)
    ]


def _hand(values: Any, pose: dict[str, Any]) -> Tensor:
    try:
        points = torch.tensor(values, dtype=torch.float64).reshape(POINTS, 3)
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(POINTS, 3)
    points = points * ((points[:, 2:] >= MIN_CONFIDENCE) & points.isfinite().all(-1, keepdim=True))
    points = points.nan_to_num(0.0, 0.0, 0.0)
    seen = points[points[:, 2] > 0, :2]
    if len(seen) and in_fractions(seen):
        points[:, 0] *= pose["canvas_width"]
        points[:, 1] *= pose["canvas_height"]
    return points
