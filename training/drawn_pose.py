"""A record's poses as a picture, the very one that the node Draw Pose makes of them."""

import numpy as np
import torch

from preprocessors.keypoints import Frame
from preprocessors.skeleton import draw

from .data.records import Record, everybody
from .errors import TrainingError


def drawn_people(record: Record) -> np.ndarray:
    """Everybody's skeletons on black, at the picture's size, uint8 ``[H, W, 3]``.

    Raises:
        TrainingError: nothing is known of who is in the picture.
    """
    people = everybody(record)
    if people is None:
        raise TrainingError(
            f"The record '{record.name}' has no 'keypoints', of which a pose is drawn. Compute them once for the whole "
            "data set: python dev.py training preprocess SOURCE OUT --steps keypoints"
        )
    height, width = record.image.shape[:2]
    frame = Frame(torch.tensor(people, dtype=torch.float32), width, height)
    return (draw([frame], width, height)[0] * 255).round().to(torch.uint8).numpy()
