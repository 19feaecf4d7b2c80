"""Pixel masks and label maps brought to the token grid of an attention site."""

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """Area-average of a mask ``[B, H, W]`` over a grid ``(h, w)`` → ``[B, 1, h, w]`` in 0–1."""
    return F.interpolate(mask[:, None].float(), size=grid, mode="area")


def mask_tokens(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """M at token resolution: area-resized and thresholded at 0.5 → boolean ``[B, h * w]``.

    A mask that has pixels keeps at least one token, however small its region is: its fullest ones.
    """
    cover = soft_grid(mask, grid).flatten(1)
    fullest = cover.amax(dim=1, keepdim=True)
    return (cover >= fullest.clamp(max=0.5)) & (fullest > 0)


def label_tokens(labels: Tensor, regions: int, grid: tuple[int, int]) -> Tensor:
    """Prevailing label of every token: label map ``[B, H, W]`` → int64 ``[B, h * w]``."""
    # Label by label: all of them at once are a gigabyte for a batch of large pictures.
    cover = torch.cat([soft_grid(labels == number, grid) for number in range(regions)], dim=1)
    return cover.argmax(dim=1).flatten(1)
