"""What a training picture goes through: flip, padding and cropping (section 2), and random erasing (section 3.2)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .network import DEVIATION, MEAN


@dataclass(frozen=True)
class Augmentation:
    """Attributes:
    flip: probability of a mirror image.
    pad: black pixels on all sides, of which a random crop of the picture's size is taken.
    erase: probability that a rectangle loses its content.
    area: of the rectangle, least and most share of the picture (Zhong et al., 2017: s_l and s_h).
    aspect: its least height over width; the most is one over it (r_1 and r_2 = 1/r_1).
    """

    flip: float = 0.5
    pad: int = 10
    erase: float = 0.5
    area: tuple[float, float] = (0.02, 0.4)
    aspect: float = 0.3


def augmented(picture: np.ndarray, options: Augmentation, draw: np.random.Generator) -> np.ndarray:
    """A picture uint8 ``[H, W, 3]``, moved and erased; an erased place has the mean colour."""
    height, width = picture.shape[:2]
    mirrored, down, across = draw.random() < options.flip, *draw.integers(2 * options.pad + 1, size=2)
    if mirrored:
        picture = picture[:, ::-1]
    padded = np.pad(picture, ((options.pad,) * 2, (options.pad,) * 2, (0, 0)))
    moved = padded[down : down + height, across : across + width].copy()
    if draw.random() < options.erase:
        _erase(moved, options, draw)
    return moved


def _erase(picture: np.ndarray, options: Augmentation, draw: np.random.Generator) -> None:
    """The first of many rectangles that lies within the picture."""
    height, width = picture.shape[:2]
    for _ in range(100):
        area = draw.uniform(*options.area) * height * width
        aspect = draw.uniform(options.aspect, 1 / options.aspect)
        tall, wide = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if 0 < tall < height and 0 < wide < width:
            top, left = draw.integers(height - tall + 1), draw.integers(width - wide + 1)
            picture[top : top + tall, left : left + wide] = np.round(np.array(MEAN) * 255).astype(np.uint8)
            return


def as_input(pictures: np.ndarray) -> Tensor:
    """The network's input ``[B, 3, H, W]`` of pictures uint8 ``[B, H, W, 3]``."""
    values = torch.tensor(pictures).movedim(-1, 1).float() / 255
    mean, deviation = (values.new_tensor(colour).view(3, 1, 1) for colour in (MEAN, DEVIATION))
    return (values - mean) / deviation
