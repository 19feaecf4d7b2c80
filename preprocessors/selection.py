"""Target-oriented source parsing selection (TruePose, section 4.2): M = ∪ {M_a | a ∈ 𝒜_τ}.

The categories of the target pose, 𝒜_τ, are the parsing labels that its visible keypoints imply. What the target does
not show is not looked at: a pose without legs drops trousers and shoes.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from .errors import ConditionError
from .keypoints import Frame
from .labels import LIP_20, Parsing

_TORSO = ("Upper-clothes", "Coat", "Dress", "Jumpsuits", "Scarf")
_HEAD = ("Hat", "Hair")
_FACE = ("Face", "Sunglasses")
_HIPS = ("Pants", "Skirt", "Dress", "Coat", "Jumpsuits", "Upper-clothes")
_KNEES = ("Pants", "Skirt", "Dress", "Jumpsuits")

#: Labels that each visible keypoint of the target implies.
IMPLIED: dict[str, tuple[str, ...]] = {
    "nose": (*_FACE, *_HEAD),
    "right eye": (*_FACE, *_HEAD),
    "left eye": (*_FACE, *_HEAD),
    "right ear": _HEAD,
    "left ear": _HEAD,
    "neck": (*_TORSO, "Hair"),
    "right shoulder": _TORSO,
    "left shoulder": _TORSO,
    "right elbow": ("Right-arm",),
    "left elbow": ("Left-arm",),
    "right wrist": ("Right-arm", "Glove"),
    "left wrist": ("Left-arm", "Glove"),
    "right hip": _HIPS,
    "left hip": _HIPS,
    "right knee": (*_KNEES, "Right-leg", "Socks"),
    "left knee": (*_KNEES, "Left-leg", "Socks"),
    "right ankle": ("Right-leg", "Right-shoe", "Socks"),
    "left ankle": ("Left-leg", "Left-shoe", "Socks"),
}


def implied_labels(keypoints: Iterable[str]) -> set[str]:
    """𝒜_τ: the labels that visible keypoints of the target imply."""
    return {label for keypoint in keypoints for label in IMPLIED[keypoint]}


def select(parsing: Parsing, poses: list[Frame]) -> Tensor:
    """M, the parts of the source that the target shows.

    Args:
        parsing: of the source, B pictures or one.
        poses: of the target, B frames or one.

    Returns:
        Boolean ``[B, H, W]``.

    Raises:
        ConditionError: the batches do not match, or source and target share no part.
    """
    rows, frames = parsing.labels.shape[0], len(poses)
    if 1 not in (rows, frames) and rows != frames:
        raise ConditionError(
            f"The parsing has {rows} pictures and the pose {frames} frames. Give one pose for all, or one each."
        )
    masks = []
    for index in range(max(rows, frames)):
        labels = parsing.labels[index % rows]
        implied = implied_labels(poses[index % frames].visible())
        numbers = torch.tensor([LIP_20.index(label) for label in sorted(implied)], dtype=torch.long)
        masks.append(torch.isin(labels.long(), numbers))
        if not masks[-1].any():
            shown = ", ".join(sorted(implied)) or "nothing"
            present = ", ".join(Parsing(labels).present()) or "nothing"
            raise ConditionError(
                f"The source and the target pose share no part: the pose shows {shown}, the parsing has {present}. "
                "Check that a person was found in both."
            )
    return torch.stack(masks)
