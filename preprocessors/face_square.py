"""Turned squares in a picture: what is in one, and where it lies."""

import math

import torch
from torch import Tensor

from .images import crop_square


def cut(picture: Tensor, square: Tensor, side: int) -> Tensor:
    """:func:`~.images.crop_square` of a square that is small in its picture: reads the part around it alone.

    Args:
        picture: ``[H, W, C]``.
        square: affine map ``[2, 3]`` from the unit square (x, y in 0–1) to pixels.
        side: of the result.

    Returns:
        ``[side, side, C]``; black outside the picture.
    """
    # Room for the cells that are averaged where the picture is finer than the result.
    left, top, right, bottom = _extremes(square, 2 + math.ceil(float(square[:, 0].norm()) / side))
    part = picture[top:bottom, left:right]
    if 0 in part.shape:
        return picture.new_zeros(side, side, picture.shape[-1])
    return crop_square(part, square - torch.tensor([[0, 0, left], [0, 0, top]]), side)


def enlarged(square: Tensor, factor: float) -> Tensor:
    """The same square ``[2, 3]``, larger by ``factor`` around its centre."""
    linear = square[:, :2] * factor
    centre = square @ torch.tensor([0.5, 0.5, 1.0])
    return torch.cat([linear, (centre - linear.sum(1) / 2)[:, None]], 1)


def covered(square: Tensor, size: tuple[int, int]) -> Tensor:
    """Where a square ``[2, 3]`` lies in a picture of some height and width: boolean ``[H, W]``."""
    height, width = size
    mask = torch.zeros(height, width, dtype=torch.bool)
    left, top, right, bottom = _extremes(square, 1)
    part = mask[top:bottom, left:right]
    y = torch.arange(top, top + part.shape[0]) + 0.5
    x = torch.arange(left, left + part.shape[1]) + 0.5
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    unit = (points - square[:, 2]) @ torch.linalg.inv(square[:, :2]).T
    part[:] = ((unit >= 0) & (unit <= 1)).all(-1)
    return mask


def _extremes(square: Tensor, room: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom pixels of a square ``[2, 3]`` with some room; none before the picture's edge."""
    corners = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0]]) @ square.T
    left, top = (max(0, math.floor(low) - room) for low in corners.amin(0).tolist())
    right, bottom = (max(0, math.ceil(high) + room) for high in corners.amax(0).tolist())
    return left, top, right, bottom
