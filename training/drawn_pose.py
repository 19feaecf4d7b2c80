"""A record's poses as frames and as pictures, the very ones that the node Draw Pose makes of them."""

import numpy as np
import torch

from preprocessors.keypoints import Frame
from preprocessors.skeleton import draw

from .data.records import Record, everybody
from .errors import TrainingError


def people_frame(record: Record) -> Frame | None:
    """Everybody's keypoints, on the picture's canvas; None where nothing is known of who is in it."""
    people = everybody(record)
    height, width = record.image.shape[:2]
    return None if people is None else Frame(torch.tensor(people, dtype=torch.float32), width, height)


def drawn_pose(frame: Frame) -> np.ndarray:
    """A frame's skeletons on black, uint8 ``[H, W, 3]`` of the canvas's size."""
    return (draw([frame], frame.width, frame.height)[0] * 255).round().to(torch.uint8).numpy()


def drawn_people(record: Record) -> np.ndarray:
    """Everybody's skeletons on black, at the picture's size, uint8 ``[H, W, 3]``.

    Raises:
        TrainingError: nothing is known of who is in the picture.
    """
    frame = people_frame(record)
    if frame is None:
        raise TrainingError(
            f"The record '{record.name}' has no 'keypoints', of which a pose is drawn. Compute them once for the whole "
            "data set: python dev.py training preprocess SOURCE OUT --steps keypoints"
        )
    return drawn_pose(frame)
