"""Pictures as the networks of joint methods see them: latents, DINOv2's tokens, the flag of what is shown."""

from typing import Any

import torch
from torch import Tensor

from ..model_patches.dino import SIDE
from ..model_patches.errors import PatchError
from ..preprocessors.images import squashed
from .checks import HALF_VAE, check_numbers

#: The square at which the host's own loader would show pictures to DINOv2.
HOSTS_SIDE = 518


def encoded(vae: Any, picture: Tensor) -> Tensor:
    """A picture's latent: the posterior's mean, of which the published code of PCDMs draws a sample."""
    # The host takes an IMAGE's last axis for its channels. In that order in memory a CPU convolves with other rounding,
    # which is 6e-4 of the latent.
    latent = vae.encode(picture.movedim(-1, 1).contiguous().movedim(1, -1)).float().cpu()
    check_numbers(latent, "The picture's latent", HALF_VAE)
    return latent


def dino_tokens(dino: Any, photo: Tensor, width: int, method: str, published: str) -> Tensor:
    """DINOv2's tokens of a photo ``[B, tokens, width]``: all of it, squashed to the encoder's square.

    Args:
        width: that a method's weights take.
        method, published: its name, and which DINOv2 its published weights were trained with, for errors.
    """
    side = getattr(dino, "image_size", SIDE)
    if side == HOSTS_SIDE:
        raise PatchError(
            f"This image encoder looks at pictures of {side}×{side}, and the DINOv2 of {method} at "
            f"{SIDE}×{SIDE}, with other statistics. Load the same file with Load DINOv2 in place of Load "
            "CLIP Vision."
        )
    tokens = dino.encode_image(squashed(photo, side, side), crop=False).last_hidden_state.float()
    if tokens.shape[-1] != width:
        raise PatchError(
            f"The image encoder's tokens are {tokens.shape[-1]} wide, and these weights take {width}. Choose the "
            f"DINOv2 they were trained with in Load DINOv2 ({published}, for the published weights)."
        )
    check_numbers(tokens, "The tokens of the image encoder")
    return tokens


def visible(masks: Tensor, latent: Tensor) -> Tensor:
    """The flag beside the latent ``[B, 1, h, w]``: 1 where the picture is shown, 0 where it is generated.

    Args:
        masks: ``[B, H, W]``; white is generated.
    """
    size = tuple(latent.shape[-2:])
    return 1 - torch.nn.functional.interpolate(masks[:, None], size=size, mode="area").round()


def empty_latent(latent: Tensor, rows: int) -> dict[str, Tensor]:
    """A LATENT of the same size, for the noise of so many pictures."""
    return {"samples": latent.new_zeros(rows, *latent.shape[1:])}
