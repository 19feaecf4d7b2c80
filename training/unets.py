"""UNets for training: Stable Diffusion's from a folder, or one of its layout at any width, with fresh weights."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from model_patches.unet_layout import HEADS, UNetLayout

from .errors import TrainingError

#: Of queries and keys at the start: a token's own weight is then well above the mean's.
GAIN = 2.0


def small_unet(layout: UNetLayout, seed: int) -> UNet2DConditionModel:
    """A UNet of Stable Diffusion 1.x's architecture with fresh weights, the same for the same seed.

    They are diffusers' own but for self-attention, see :func:`_look_at_what_is_alike`.
    """
    attends = layout.attends
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            in_channels=layout.in_channels,
            block_out_channels=layout.widths,
            layers_per_block=layout.layers,
            down_block_types=tuple("CrossAttnDownBlock2D" if attending else "DownBlock2D" for attending in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if attending else "UpBlock2D" for attending in attends[::-1]),
            cross_attention_dim=layout.context_dim,
            attention_head_dim=HEADS,
            use_linear_projection=layout.linear,
        )
        _look_at_what_is_alike(unet)
    return unet


@torch.no_grad()
def _look_at_what_is_alike(unet: UNet2DConditionModel) -> None:
    """Self-attention begins with equal queries and keys: a token looks at itself and at what resembles it.

    With the usual small weights every token sees the mean of the picture. A trained UNet does not begin there, and
    HPFA, which shows the target nothing of the source but such means (Eq. 7), would have little to learn from.
    """
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            torch.nn.init.orthogonal_(module.to_q.weight, GAIN)
            module.to_k.weight.copy_(module.to_q.weight)


def trained_unet(folder: Path) -> UNet2DConditionModel:
    """The UNet of a Stable Diffusion 1.x folder as diffusers saves it.

    Raises:
        TrainingError: there is none.
    """
    if not (folder / "unet" / "config.json").is_file():
        raise TrainingError(
            f"'{folder}' has no UNet (unet/config.json). Give a folder of Stable Diffusion 1.5 as diffusers saves it, "
            "or write 'base: {widths: …}' for a small one of your own."
        )
    return UNet2DConditionModel.from_pretrained(folder, subfolder="unet", local_files_only=True)
