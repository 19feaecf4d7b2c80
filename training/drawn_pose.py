"""A record's pose as a picture, the very one that the node Draw Pose makes of it."""

import numpy as np
import torch

from preprocessors.keypoints import Frame
from preprocessors.skeleton import draw


def drawn_pose(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A skeleton on black, uint8 ``[H, W, 3]``.

    Args:
        keypoints: ``[18, 3]``, as records have them.
        size: height and width of the picture they are pixels of.
    """
    height, width = size
    frame = Frame(torch.tensor(keypoints, dtype=torch.float32)[None], width, height)
    return (draw([frame], width, height)[0] * 255).round().to(torch.uint8).numpy()
