"""UNets for training: Stable Diffusion's from a folder, or one of its layout at any width, with fresh weights."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from model_patches.unet_layout import HEADS, UNetLayout

from .errors import TrainingError


def small_unet(layout: UNetLayout, seed: int) -> UNet2DConditionModel:
    """A UNet of Stable Diffusion 1.x's architecture with diffusers' own initial weights, the same for the same seed."""
    attends = layout.attends
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet2DConditionModel(
            in_channels=layout.in_channels,
            block_out_channels=layout.widths,
            layers_per_block=layout.layers,
            down_block_types=tuple("CrossAttnDownBlock2D" if attending else "DownBlock2D" for attending in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if attending else "UpBlock2D" for attending in attends[::-1]),
            cross_attention_dim=layout.context_dim,
            attention_head_dim=HEADS,
            use_linear_projection=layout.linear,
        )


def trained_unet(folder: Path) -> UNet2DConditionModel:
    """The UNet of a Stable Diffusion 1.x folder as diffusers saves it.

    Raises:
        TrainingError: there is none.
    """
    if not (folder / "unet" / "config.json").is_file():
        raise TrainingError(
            f"'{folder}' has no UNet (unet/config.json). Give a folder of Stable Diffusion 1.5 as diffusers saves it, "
            "or write 'unet: {widths: …}' for a small one of your own."
        )
    return UNet2DConditionModel.from_pretrained(folder, subfolder="unet", local_files_only=True)
