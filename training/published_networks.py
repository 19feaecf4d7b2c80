"""Stable Diffusion's networks at their published sizes with fresh weights: costs are seen without the files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from model_patches.unet_family import SD1, UNetFamily

from .errors import TrainingError
from .unets import told_its_size, widened

_SD1 = {
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
#: Arguments of diffusers' class, as the folders' ``unet/config.json`` have them.
SIZES: dict[str, dict[str, Any]] = {
    "SD1.5": _SD1,
    "SD2.1": _SD1 | {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True},
    "SDXL": {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "cross_attention_dim": 2048,
        "attention_head_dim": (5, 10, 20),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}
#: What the folders are commonly called, the most telling first.
_NAMES = {
    "xl": "SDXL",
    "stable-diffusion-2": "SD2.1",
    "v2-1": "SD2.1",
    "stable-diffusion-v1": "SD1.5",
    "v1-5": "SD1.5",
    "sd-image-variations": "SD1.5",
}


@dataclass(frozen=True)
class PublishedUNet:
    """A UNet of one of :data:`SIZES`; in the place of a folder's."""

    architecture: str

    def build(self, seed: int, family: UNetFamily = SD1) -> UNet2DConditionModel:
        """With diffusers' fresh weights, widened as a trained one is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return told_its_size(widened(UNet2DConditionModel(**SIZES[self.architecture]), family))


def architecture_of(folder: Path) -> str:
    """Which of :data:`SIZES` a folder's UNet has, by the folder's name.

    Raises:
        TrainingError: the name does not tell.
    """
    name = folder.name.lower()
    for words, architecture in _NAMES.items():
        if words in name:
            return architecture
    raise TrainingError(f"Which UNet '{folder}' has is not to be seen of its name. Give --base {' or '.join(SIZES)}.")


def published_autoencoder() -> AutoencoderKL:
    """Stable Diffusion's, with diffusers' fresh weights."""
    widths = (128, 256, 512, 512)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        block_out_channels=widths,
        layers_per_block=2,
    )
