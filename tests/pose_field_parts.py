"""What tests of the pose interaction field share."""

import torch
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET
from mannequin.preprocessors.keypoints import Frame, to_pose_keypoint

from devtools import untrained

WIDGETS = {"scale": 5.0, "rule": "relative", "start_percent": 0.0, "end_percent": 1.0, "every": 1}


def estimator(dtype: torch.dtype = torch.float32, bias: float = 0.006):
    """Untrained, with heat over about half of a picture."""
    state, header = untrained.estimator_state()
    state["final_layers.1.bias"] = torch.full((17,), bias)
    state = {key: tensor.to(dtype) if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    return load_weights(HIGHERHRNET, state, "x", header)[0]


def pose(people: int = 2, width: int = 96, height: int = 64, frames: int = 1) -> list:
    places = torch.rand(people, 18, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([width, height])
    points = torch.cat([places, torch.ones(people, 18, 1)], -1)
    return to_pose_keypoint([Frame(points, width, height)] * frames)
