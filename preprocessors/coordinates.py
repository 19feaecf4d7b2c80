"""A pose as the numbers that a network of coordinates takes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .errors import ConditionError
from .keypoints import OPENPOSE_18, Frame

#: How many numbers a pose is.
NUMBERS = 2 * len(OPENPOSE_18)


def pose_coordinates(frames: Sequence[Frame], what: str, missing: float = 0.0) -> Tensor:
    """x / width and y / height of OpenPose's 18 joints, one after the other.

    Args:
        frames: with one person each.
        what: the poses are called in an error.
        missing: value of both numbers of a joint that is not seen.

    Returns:
        ``[frames, 36]``; a joint inside its canvas is in 0–1.

    Raises:
        ConditionError: there is no frame, nobody is in one, or more than one.
    """
    if not frames:
        raise ConditionError(f"{what} has no frame. Connect Detect Pose of a picture that shows a person.")
    return torch.stack([_coordinates(frame, what, number, missing) for number, frame in enumerate(frames, 1)])


def _coordinates(frame: Frame, what: str, number: int, missing: float) -> Tensor:
    people = [person for person in frame.people if (person[:, 2] > 0).any()]
    if len(people) != 1:
        found = f"shows {len(people)} people" if people else "shows nobody"
        mend = "Put Choose Person before it" if people else "Take a picture in which a person can be seen"
        raise ConditionError(f"{what} {found} in frame {number}; exactly one person is needed. {mend}.")
    points = people[0]
    places = points[:, :2] / torch.tensor([frame.width, frame.height], dtype=points.dtype)
    return torch.where(points[:, 2:] > 0, places, missing).flatten()
