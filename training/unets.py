"""UNets for training: Stable Diffusion's from a folder, or one of its family at any width, with fresh weights."""

from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from model_patches.unet_family import SD1, Heads, UNetFamily
from model_patches.unet_layout import UNetLayout

from .errors import TrainingError

#: Of queries and keys at the start: a token's own weight is then well above the mean's.
GAIN = 2.0
#: Of each of the six numbers SDXL is told of a picture's size, embedded.
SIZE_WIDTH = 256


def small_unet(layout: UNetLayout, seed: int, family: UNetFamily = SD1) -> UNet2DConditionModel:
    """A UNet of Stable Diffusion's architecture with fresh weights, the same for the same seed.

    They are diffusers' own but for attention, see :func:`_begin_where_training_ends`.
    """
    attends = layout.attends
    told = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": SIZE_WIDTH,
        "projection_class_embeddings_input_dim": layout.vector_dim,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            in_channels=layout.in_channels,
            out_channels=layout.out_channels,
            block_out_channels=layout.widths,
            layers_per_block=layout.layers,
            transformer_layers_per_block=layout.depths or 1,
            down_block_types=tuple("CrossAttnDownBlock2D" if attending else "DownBlock2D" for attending in attends),
            up_block_types=tuple("CrossAttnUpBlock2D" if attending else "UpBlock2D" for attending in attends[::-1]),
            cross_attention_dim=layout.context_dim,
            # Of every level; diffusers' name for it is a known mistake.
            attention_head_dim=family.heads.counts(layout.widths),
            use_linear_projection=layout.linear,
            class_embed_type="projection" if layout.class_dim else None,
            **(told if layout.vector_dim else {"projection_class_embeddings_input_dim": layout.class_dim or None}),
        )
        _begin_where_training_ends(unet)
    return told_its_size(unet)


@torch.no_grad()
def _begin_where_training_ends(unet: UNet2DConditionModel) -> None:
    """Attention begins as a trained UNet's works, which from the usual small weights takes long to come to be.

    Self-attention's queries and keys are equal: a token looks at itself and at what resembles it, and not at the
    picture's mean, of which HPFA would have little to learn from. What is looked at passes on at its own size: values
    and outputs are orthogonal.
    """
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            torch.nn.init.orthogonal_(module.to_q.weight, GAIN)
            module.to_k.weight.copy_(module.to_q.weight)
        if name.endswith(("attn1", "attn2")):
            torch.nn.init.orthogonal_(module.to_v.weight)
            torch.nn.init.orthogonal_(module.to_out[0].weight)


def told_its_size(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same UNet; SDXL's is told no words and the size of what it is given, uncropped, from now on.

    As ComfyUI tells it without a prompt. Other generations take nothing of the kind.
    """
    if unet.config.addition_embed_type == "text_time":
        unet.register_forward_pre_hook(_tell_size, with_kwargs=True)
    return unet


def _tell_size(unet: UNet2DConditionModel, given: tuple, options: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    latents: Tensor = given[0] if given else options["sample"]
    height, width = (8 * side for side in latents.shape[-2:])
    words = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    sizes = latents.new_tensor([height, width, 0, 0, height, width])
    told = {"text_embeds": latents.new_zeros(len(latents), words), "time_ids": sizes.expand(len(latents), -1)}
    return given, options | {"added_cond_kwargs": told}


def trained_unet(folder: Path) -> UNet2DConditionModel:
    """The UNet of a Stable Diffusion folder as diffusers saves it.

    Raises:
        TrainingError: there is none.
    """
    if not (folder / "unet" / "config.json").is_file():
        raise TrainingError(
            f"'{folder}' has no UNet (unet/config.json). Give a folder of Stable Diffusion 1.5 as diffusers saves it, "
            "or write 'base: {widths: …}' for a small one of your own."
        )
    return UNet2DConditionModel.from_pretrained(folder, subfolder="unet", local_files_only=True)


@torch.no_grad()
def widened(unet: UNet2DConditionModel, family: UNetFamily) -> UNet2DConditionModel:
    """A trained UNet with what its family has besides: channels beside the noise, a class embedding, a variance.

    They add nothing at first. The published code begins its first convolution from nothing instead.
    """
    latent = unet.config.out_channels
    channels = family.beside.channels(latent) if family.beside else latent
    if channels == unet.config.in_channels and not family.class_embedding and not family.learned_variance:
        return unet
    changes = {"in_channels": channels, "out_channels": latent * (1 + family.learned_variance)}
    if family.class_embedding:
        changes |= {
            "class_embed_type": "projection",
            "projection_class_embeddings_input_dim": unet.config.cross_attention_dim,
        }
    # diffusers takes what was left out before for left out again.
    config = {name: value for name, value in unet.config.items() if name != "_use_default_values"}
    wide, state = UNet2DConditionModel.from_config(config | changes), unet.state_dict()
    for key in ("conv_in.weight", "conv_out.weight", "conv_out.bias"):
        narrow = state[key]
        state[key] = narrow.new_zeros(wide.get_parameter(key).shape)
        state[key][tuple(slice(side) for side in narrow.shape)] = narrow
    wide.load_state_dict(state, strict=False)
    if family.class_embedding:
        torch.nn.init.zeros_(wide.class_embedding.linear_2.weight)
        torch.nn.init.zeros_(wide.class_embedding.linear_2.bias)
    return wide


def heads_of(unet: UNet2DConditionModel) -> Heads:
    """How a UNet's levels are cut into heads, which its weights do not tell.

    Raises:
        TrainingError: neither their number nor their width is the same everywhere.
    """
    widths = unet.config.block_out_channels
    counts = unet.config.num_attention_heads or unet.config.attention_head_dim
    counts = (counts,) * len(widths) if isinstance(counts, int) else tuple(counts)
    if len(set(counts)) == 1:
        return Heads(number=counts[0])
    sides = {width / count for width, count in zip(widths, counts, strict=True)}
    if len(sides) == 1 and (side := sides.pop()).is_integer():
        return Heads(width=int(side))
    raise TrainingError(
        f"The base UNet has {', '.join(map(str, counts))} heads on levels {', '.join(map(str, widths))} wide. A weight "
        "file can state one number of heads, or one width of them: take another base."
    )
