"""Feet, hands and face of a POSE_KEYPOINT, beside the body's 18 points."""

from typing import Any

import torch
from torch import Tensor

from .pose_forms import MIN_CONFIDENCE, in_fractions

#: Of all of a person's points, OpenPose's 18; the parts come behind them.
BODY = slice(0, 18)
#: A person's points besides the body's, in a row: BODY_25's feet (big toe, small toe, heel, the left foot first), hands
#: (the wrist and four of every finger from its root, the thumb first), and OpenPose's face, whose last two are pupils.
FEET, LEFT_HAND, RIGHT_HAND, FACE = slice(0, 6), slice(6, 27), slice(27, 48), slice(48, 118)
POINTS = FACE.stop
#: Where a person's parts are.
ARRAYS = {
    "foot_keypoints_2d": FEET,
    "hand_left_keypoints_2d": LEFT_HAND,
    "hand_right_keypoints_2d": RIGHT_HAND,
    "face_keypoints_2d": FACE,
}
#: Detectors without pupils have two points less in a face.
_SHORTER = {70: 68}
#: Parts in an array of a body, by its number of points: where they begin and end in BODY_25 and in COCO-WholeBody.
_IN_BODY = {
    25: ((FEET, 19, 25),),
    133: ((FEET, 17, 23), (FACE, 23, 91), (LEFT_HAND, 91, 112), (RIGHT_HAND, 112, 133)),
}


def parts_of(person: dict[str, Any], body: Tensor, canvas: Tensor) -> Tensor:
    """A person's parts ``[118, 3]``: x, y in pixels, confidence; 0, 0, 0 is not seen, and so is what is no part.

    A part that has an array of its own is taken from there, else from the body's.

    Args:
        person: of a POSE_KEYPOINT.
        body: its body's array, in pixels, ``[n, 3]``.
        canvas: width and height.
    """
    parts = torch.zeros(POINTS, 3)
    for part, begin, end in _IN_BODY.get(len(body), ()):
        parts[part][: end - begin] = body[begin:end]
    for name, part in ARRAYS.items():
        own = _array(person.get(name), part.stop - part.start, canvas)
        if own[:, 2].any():
            parts[part] = own
    return parts


def arrays_of(parts: Tensor) -> dict[str, list[float]]:
    """A person's parts ``[118, 3]`` as a POSE_KEYPOINT has them.

    Face and hands are there even where they are not seen: the host's SDPose nodes fail on None. Few readers know feet.
    """
    arrays = {name: (parts[part] * (parts[part, 2:] > 0)).flatten().tolist() for name, part in ARRAYS.items()}
    if not parts[FEET, 2].any():
        del arrays["foot_keypoints_2d"]
    return arrays


def _array(values: Any, count: int, canvas: Tensor) -> Tensor:
    """A part of its own ``[count, 3]``."""
    try:
        points = torch.as_tensor(values, dtype=torch.float32).reshape(-1, 3)
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(count, 3)
    if len(points) not in (count, _SHORTER.get(count)):
        return torch.zeros(count, 3)
    points = torch.cat([points, torch.zeros(count - len(points), 3)])
    points = points * ((points[:, 2:] >= MIN_CONFIDENCE) & points.isfinite().all(-1, keepdim=True))
    points = points.nan_to_num(0.0, 0.0, 0.0)
    seen = points[points[:, 2] > 0, :2]
    if len(seen) and in_fractions(seen):
        points[:, :2] *= canvas
    return points
