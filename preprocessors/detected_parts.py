"""Feet and hands of people found in a photo, as :mod:`.pose_parts` orders them."""

from collections.abc import Collection, Sequence
from typing import Literal

import torch
from torch import Tensor

from .blazepose import Person
from .hands import hands_of
from .keypoints import seen_or_not
from .pose_parts import FEET, LEFT_HAND, POINTS, RIGHT_HAND

DetectedPart = Literal["feet", "hands"]
#: BlazePose's landmark of every point of BODY_25's feet: big toe, small toe, heel. Of small toes it knows nothing.
FEET_FROM_BLAZEPOSE = (31, None, 29, 32, None, 30)


def detected_parts(
    picture: Tensor, people: Sequence[Person], threshold: float, parts: Collection[DetectedPart]
) -> Tensor:
    """Parts of everyone in a picture ``[H, W, 3]`` in 0–1: ``[people, 118, 3]``, x, y in pixels and 1 for what is seen.

    Args:
        threshold: what is less visible than this, in 0–1, is not seen; of a hand, less surely present.
        parts: which are looked for.
    """
    height, width = picture.shape[:2]
    found = torch.zeros(len(people), POINTS, 3)
    for person, own in zip(people, found, strict=True):
        if "feet" in parts:
            for place, landmark in enumerate(FEET_FROM_BLAZEPOSE):
                if landmark is not None:
                    own[FEET][place] = person.landmarks[landmark]
        if "hands" in parts:
            own[LEFT_HAND], own[RIGHT_HAND] = hands_of(picture, person)
    return seen_or_not(found, width, height, threshold)
