"""What every preprocessor asks of an IMAGE, and resampling that 8K pictures survive."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .errors import ConditionError


def check_image(image: Tensor) -> Tensor:
    """An IMAGE ``[B, H, W, 3 or 4]`` in 0–1 as ``[B, H, W, 3]`` fp32 on the CPU; transparency shows white.

    Raises:
        ConditionError: another shape, no picture at all, or pixels that are no numbers.
    """
    if image.ndim != 4 or image.shape[-1] not in (3, 4) or 0 in image.shape:
        raise ConditionError(
            f"The image has shape {tuple(image.shape)}; a batch of RGB pictures, [batch, height, width, 3], is needed."
        )
    # With --gpu-only the host keeps images on the accelerator; the networks' runtime takes arrays of the CPU.
    image = image.to("cpu", torch.float32)
    if not torch.isfinite(image).all():
        raise ConditionError(
            "The image has pixels that are not numbers (NaN or infinity). Look at the node it comes from: a VAE in "
            "half precision does this, and --fp32-vae mends it."
        )
    if image.shape[-1] == 4:
        alpha = image[..., 3:]
        image = image[..., :3] * alpha + (1 - alpha)
    return image.clamp(0, 1)


def pixel_centres(size: Sequence[int]) -> Tensor:
    """Centres (x, y) of the pixels of a picture of this height and width, ``[H, W, 2]``."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y], -1)


def bounded(picture: Tensor, side: int) -> Tensor:
    """A picture ``[H, W, C]`` with its longer side at most ``side``: averaged where it is larger, else as it is."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.interpolate(picture.movedim(-1, 0)[None], size=size, mode="area")[0].movedim(0, -1)


def squashed(
    image: Tensor, width: int, height: int, resampling: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
) -> Tensor:
    """An IMAGE ``[B, H, W, 3]`` stretched to a size, as PIL does it on 8 bits; as it is where it fits.

    What published pipelines show their networks: tensors resampled in floating point are a grey level off here and
    there, which an autoencoder can make a percent of.
    """
    if tuple(image.shape[1:3]) == (height, width):
        return image
    pictures = (image * 255).round().to(torch.uint8).numpy()
    kernel = Image.Resampling[resampling.upper()]
    resized = [Image.fromarray(picture).resize((width, height), kernel) for picture in pictures]
    return torch.from_numpy(np.stack([np.asarray(picture) for picture in resized])).float() / 255


def square_around(centre: Tensor, extent: float, roll: float = 0.0) -> Tensor:
    """Affine map ``[2, 3]`` from the unit square to pixels: a square around ``centre`` (x, y), turned by ``roll``."""
    cos, sin = math.cos(roll) * extent, math.sin(roll) * extent
    linear = torch.tensor([[cos, -sin], [sin, cos]])
    return torch.cat([linear, (centre - linear.sum(1) / 2)[:, None]], 1)


def upright_square(centre: Tensor, up: Tensor, extent: float) -> Tensor:
    """Affine map from the unit square to pixels: a square around ``centre`` in which ``up`` (x, y) points upwards."""
    return square_around(centre, extent, math.atan2(float(up[1]), float(up[0])) + math.pi / 2)


def in_picture(points: Tensor, to_picture: Tensor) -> Tensor:
    """Points (x, y) of the unit square ``[n, 2]`` in pixels."""
    return points @ to_picture[:, :2].T + to_picture[:, 2]


def crop_for_mediapipe(picture: Tensor, to_picture: Tensor, side: int) -> np.ndarray:
    """A square as MediaPipe's networks of landmarks are shown it, ``[1, side, side, C]`` float32.

    The edge of the picture is repeated: where black is beyond it, they take it for the end of what they look for.
    """
    crop = crop_square(picture, to_picture, side, outside="edge", samples="corners")
    return crop[None].numpy().astype(np.float32)


def crop_square(
    picture: Tensor,
    to_picture: Tensor,
    side: int,
    outside: Literal["black", "edge"] = "black",
    samples: Literal["centres", "corners"] = "centres",
) -> Tensor:
    """Resample a rotated square of a picture.

    Args:
        picture: ``[H, W, C]``.
        to_picture: affine map ``[2, 3]`` from the unit square (x, y in 0–1) to picture pixels.
        side: of the result.
        outside: what lies there: black, or the picture's outermost pixels repeated.
        samples: which point of a cell of the result is looked up: its centre, or its upper left corner where the centre
            of the upper left pixel should be, as OpenCV warps and some networks were trained.

    Returns:
        ``[side, side, C]``.
    """
    # Bilinear sampling skips pixels of a picture that is much finer than the square: average those first. Networks
    # behind OpenCV's warp have seen skipped pixels; averaging begins later for them.
    step = max(1, int(to_picture[:, 0].norm() / side / (1 if samples == "centres" else 2)))
    source = picture.movedim(-1, 0)[None]
    if step > 1:
        source = F.avg_pool2d(source, step, ceil_mode=True, count_include_pad=False)
    cells = torch.arange(side, dtype=torch.float32)
    places = (cells + 0.5 if samples == "centres" else cells) / side
    y, x = torch.meshgrid(places, places, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1) @ to_picture.T
    if samples == "corners":
        points = points + step / 2
    # The last averaged cell may reach beyond the picture: the grid spans all cells.
    extent = torch.tensor([source.shape[-1] * step, source.shape[-2] * step])
    padding = "border" if outside == "edge" else "zeros"
    grid = (points / extent * 2 - 1)[None]
    return F.grid_sample(source, grid, align_corners=False, padding_mode=padding)[0].movedim(0, -1)
