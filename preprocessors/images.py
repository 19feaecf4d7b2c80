"""What every preprocessor asks of an IMAGE, and resampling that 8K pictures survive."""

import torch
import torch.nn.functional as F
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


def letterbox(picture: Tensor, side: int) -> tuple[Tensor, float, tuple[float, float]]:
    """A picture ``[H, W, 3]`` in the middle of a black square.

    Returns:
        The square ``[side, side, 3]``, its scale (square pixels per picture pixel), and where the picture begins in
        it (x, y).
    """
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = F.interpolate(picture.movedim(-1, 0)[None], size=size, mode="bilinear", antialias=True)[0].movedim(0, -1)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    square = picture.new_zeros(side, side, 3)
    square[top : top + size[0], left : left + size[1]] = small
    return square, scale, (left, top)


def crop_square(picture: Tensor, to_picture: Tensor, side: int) -> Tensor:
    """Resample a rotated square of a picture.

    Args:
        picture: ``[H, W, C]``.
        to_picture: affine map ``[2, 3]`` from the unit square (x, y in 0–1) to picture pixels.
        side: of the result.

    Returns:
        ``[side, side, C]``; black outside the picture.
    """
    # Bilinear sampling skips pixels of a picture that is much finer than the square: average those first.
    step = max(1, int(to_picture[:, 0].norm() / side))
    source = picture.movedim(-1, 0)[None]
    if step > 1:
        source = F.avg_pool2d(source, step, ceil_mode=True, count_include_pad=False)
    centres = (torch.arange(side, dtype=torch.float32) + 0.5) / side
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1) @ to_picture.T
    # The last averaged cell may reach beyond the picture: the grid spans all cells.
    extent = torch.tensor([source.shape[-1] * step, source.shape[-2] * step])
    grid = points / extent * 2 - 1
    return F.grid_sample(source, grid[None], align_corners=False)[0].movedim(0, -1)
