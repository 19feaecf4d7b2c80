"""A texture map's latents where the target pose shows them: what the map says, brought to the target's own places.

Ours, beside MCLD's way (section 3.2), in which attention has to find by itself where on the map a place of the body is.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .densepose import PARTS
from .texture_map import TEXTURE, surface_of_texture

#: U and V in so many steps.
STEPS = 64


def texels(iuv: Tensor) -> Tensor:
    """The texel of SMPL's texture that shows what a pixel shows: row · 512 + column, int64 ``[B, H, W]``; −1 for none.

    Args:
        iuv: uint8 ``[B, H, W, 3]``.
    """
    part, u, v = (channel.long() for channel in iuv.unbind(-1))
    known = (part > 0) & (part <= PARTS)
    place = _table().to(iuv.device)[part.clamp(1, PARTS) - 1, u * STEPS // 256, v * STEPS // 256]
    return torch.where(known, place, -1)


def look_up(texture: Tensor, iuv: Tensor, grid: tuple[int, int]) -> Tensor:
    """Latents of a texture map at the target's tokens: the mean over a token's pixels, zeros where nobody is.

    Args:
        texture: the map's latents ``[S, C, h, w]``; each serves B / S of the targets, one after another.
        iuv: uint8 ``[B, H, W, 3]``, the target's.
        grid: height and width of the result.

    Returns:
        ``[B, C, *grid]``.
    """
    height, width = texture.shape[-2:]
    place = texels(iuv)
    row, column = (place // TEXTURE) * height // TEXTURE, (place % TEXTURE) * width // TEXTURE
    cell = (row * width + column).clamp(min=0).flatten(1)
    spread = texture.repeat_interleave(len(iuv) // len(texture), 0).flatten(2)
    found = spread.gather(2, cell[:, None].expand(-1, spread.shape[1], -1)).unflatten(2, place.shape[1:])
    return F.interpolate(found * (place >= 0)[:, None].to(found), size=grid, mode="area")


@functools.cache
def _table() -> Tensor:
    """The nearest texel of every part, U and V, ``[24, STEPS, STEPS]``."""
    from scipy.spatial import cKDTree

    surface = surface_of_texture().numpy().reshape(-1, 3)
    middle = (np.arange(STEPS) + 0.5) * 256 / STEPS
    wanted = np.stack(np.meshgrid(middle, middle, indexing="ij"), -1).reshape(-1, 2)
    table = np.full((PARTS, STEPS * STEPS), -1)
    for part in range(1, PARTS + 1):
        own = np.flatnonzero(surface[:, 0] == part)
        if len(own):
            table[part - 1] = own[cKDTree(surface[own, 1:]).query(wanted)[1]]
    return torch.from_numpy(table.reshape(PARTS, STEPS, STEPS))
