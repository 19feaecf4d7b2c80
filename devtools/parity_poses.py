"""Skeletons of PCDMs and IMAGPose, drawn again from a golden file's keypoints."""

import torch
from torch import Tensor

from preprocessors.keypoints import from_pose_keypoint
from preprocessors.pose_parts import ARRAYS, LEFT_HAND, RIGHT_HAND
from preprocessors.published_skeleton import STYLES, draw_published

from .golden import Golden

HANDS = [name for name, part in ARRAYS.items() if part in (LEFT_HAND, RIGHT_HAND)]
#: Pixels of the canvas that fractions are told on.
CANVAS = 1 << 16


def pose_drawing(golden: Golden) -> dict[str, Tensor]:
    """Every set of keypoints at every size in both styles, in grey levels."""
    return {
        f"{name.lower()}.{keypoints}.{height}x{width}": 255
        * draw_published(from_pose_keypoint([posed(golden, keypoints)]), width, height, style)[0]
        for name, style in STYLES.items()
        for keypoints in golden.config["sets"]
        for height, width in golden.config["sizes_hw"]
    }


def posed(golden: Golden, keypoints: str) -> dict:
    """A set of keypoints as a POSE_KEYPOINT."""
    body, score, hands, hand_score = (
        golden.inputs[f"{keypoints}.{name}"] for name in ("body", "body_score", "hands", "hands_score")
    )
    bodies = _flat(body, score)
    sides = _flat(hands, hand_score).reshape(2, len(body), -1)
    return {
        "people": [
            {"pose_keypoints_2d": bodies[person].tolist()}
            | {name: sides[side, person].tolist() for side, name in enumerate(HANDS)}
            for person in range(len(body))
        ],
        "canvas_width": CANVAS,
        "canvas_height": CANVAS,
    }


def _flat(places: Tensor, scores: Tensor) -> Tensor:
    return torch.cat([places * CANVAS, scores[..., None]], -1).flatten(1)
