"""A record's pose as a frame of one person, and as a picture, the very one that the node Draw Pose makes of it."""

import numpy as np
import torch

from preprocessors.keypoints import Frame
from preprocessors.skeleton import draw


def person_frame(keypoints: np.ndarray | None, size: tuple[int, int]) -> Frame:
    """The person on the picture's canvas.

    Args:
        keypoints: ``[18, 3]``, as records have them; None is nobody.
        size: height and width of the picture they are pixels of.
    """
    height, width = size
    people = torch.zeros(0, 18, 3) if keypoints is None else torch.tensor(keypoints, dtype=torch.float32)[None]
    return Frame(people, width, height)


def drawn_pose(frame: Frame) -> np.ndarray:
    """A frame's skeletons on black, uint8 ``[H, W, 3]`` of the canvas's size."""
    return (draw([frame], frame.width, frame.height)[0] * 255).round().to(torch.uint8).numpy()
