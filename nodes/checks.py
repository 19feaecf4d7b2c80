"""Checks of what arrives on a wire, shared by nodes."""

import torch
from torch import Tensor

from ..model_patches.errors import PatchError

#: How far two aspect ratios may lie apart: rounding a small picture to whole latent pixels.
ASPECT_TOLERANCE = 0.12


def check_numbers(tensor: Tensor, what: str) -> None:
    """Raise where a tensor holds NaN or infinity."""
    if not torch.isfinite(tensor).all():
        raise PatchError(
            f"{what} holds values that are not numbers (NaN or infinity). Look at the node before it: a VAE in half "
            "precision does this, and --fp32-vae or another VAE mends it."
        )


def check_covers(given: Tensor, latent: Tensor, what: str) -> None:
    """Raise where a map ``[B, H, W]`` cannot belong to the picture behind ``latent`` ``[S, C, h, w]``."""
    rows, height, width = given.shape
    if rows not in (1, latent.shape[0]):
        raise PatchError(
            f"{what} has {rows} images and the source has {latent.shape[0]}. Make it from the same batch of images, "
            "or from one."
        )
    source_height, source_width = (8 * side for side in latent.shape[-2:])
    fits_exactly = abs(height - source_height) < 8 and abs(width - source_width) < 8
    aspect = (height / width) / (source_height / source_width)
    if not fits_exactly and abs(aspect - 1) > ASPECT_TOLERANCE:
        raise PatchError(
            f"{what} is {width}×{height} and the source image {source_width}×{source_height}: they show different "
            "crops. Make it from the very image that goes into VAE Encode."
        )


def check_not_blank(mask: Tensor, what: str, mend: str) -> None:
    """Raise where a mask of the batch has no pixel."""
    if not mask.flatten(1).any(dim=1).all():
        raise PatchError(f"{what} is empty: it selects nothing of the source. {mend}")
