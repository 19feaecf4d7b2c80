"""Stable Diffusion in small: the host's own UNet, VAE and CLIP vision classes at a chosen width, with seeded weights.

An untrained model makes noise; it exists so that graphs, tests and the demo run on a machine without any checkpoint.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.clip_vision
import comfy.sd
import comfy.supported_models
import torch
from torch import Tensor, nn

from .comfy_blocks import context_width, transformer_blocks
from .comfy_networks import give_weights, host_operations, host_patcher
from .comfy_unet import host_model
from .networks.truepose import TruePose, TruePoseShape
from .source import width_of
from .weight_kinds import take_apart
from .weight_kinds.small_clip import SMALL_CLIP, clip_config


@dataclass(frozen=True)
class SmallSD:
    """Sizes of a Stable Diffusion UNet.

    Attributes:
        width: channels of the first level; GroupNorm needs a multiple of 32 (SD1.5: 320).
        context_dim: width of the cross-attention context (SD1.5: 768).
        heads: attention heads (SD1.5: 8). Ignored by SDXL's layout, whose heads have a fixed width.
        xl: SDXL's layout: three levels, several transformers a block, a vector condition.
    """

    width: int = 64
    context_dim: int = 64
    heads: int = 4
    xl: bool = False

    def unet_config(self) -> dict[str, Any]:
        """Arguments of the host's ``UNetModel``."""
        shared = {
            "image_size": 32,
            "in_channels": 4,
            "out_channels": 4,
            "model_channels": self.width,
            "context_dim": self.context_dim,
            "use_spatial_transformer": True,
            "legacy": False,
            "use_temporal_attention": False,
        }
        if self.xl:
            return shared | {
                "num_res_blocks": [2, 2, 2],
                "channel_mult": [1, 2, 4],
                "transformer_depth": [0, 0, 2, 2, 3, 3],
                "transformer_depth_middle": 3,
                "transformer_depth_output": [0, 0, 0, 2, 2, 2, 3, 3, 3],
                "use_linear_in_transformer": True,
                "num_classes": "sequential",
                "adm_in_channels": 2816,
                "num_heads": -1,
                "num_head_channels": self.width // 2,
            }
        return shared | {
            "num_res_blocks": [2, 2, 2, 2],
            "channel_mult": [1, 2, 4, 4],
            "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
            "transformer_depth_middle": 1,
            "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
            "use_linear_in_transformer": False,
            "adm_in_channels": None,
            "num_heads": self.heads,
            "num_head_channels": -1,
        }


def seed_weights(network: nn.Module, seed: int) -> nn.Module:
    """Fill a network with reproducible weights: matrices by fan-in, norms with 1, biases with 0."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in give_weights(network).parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else parameter.numel()
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator) * fan_in**-0.5)
    for module in network.modules():
        if getattr(module, "bias", None) is not None and isinstance(module.bias, Tensor):
            module.bias.data.zero_()
        if isinstance(module, nn.GroupNorm | nn.LayerNorm) and module.weight is not None:
            module.weight.data.fill_(1)
    return network


def build_model(sizes: SmallSD, seed: int, dtype: torch.dtype = torch.float32, disable_dynamic: bool = False) -> Any:
    """An untrained MODEL: the host's UNet and its ε-prediction, at small width.

    ``disable_dynamic`` is as :func:`host_patcher` has it.
    """
    config_class = comfy.supported_models.SDXL if sizes.xl else comfy.supported_models.SD15
    model = host_model(config_class, sizes.unet_config(), dtype)
    seed_weights(model.diffusion_model.to(dtype), seed)
    patcher = host_patcher(model, disable_dynamic)
    patcher.cached_patcher_init = (build_model, (sizes, seed, dtype))
    return patcher


def build_vae(seed: int, width: int = 32, levels: tuple[int, ...] = (1, 1, 2, 2), layers: int = 1) -> Any:
    """An untrained VAE of Stable Diffusion's architecture (8× downscaling, 4 latent channels).

    Args:
        width: channels of the first level (Stable Diffusion: 128).
        levels: the others' width, of that (1, 2, 4, 4).
        layers: resnets of a level (2).
    """
    sides = {
        "double_z": True,
        "z_channels": 4,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": width,
        "ch_mult": list(levels),
        "num_res_blocks": layers,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    vae = comfy.sd.VAE(sd={}, config={"params": {"ddconfig": sides, "embed_dim": 4}}, dtype=torch.float32)
    seed_weights(vae.first_stage_model, seed)
    return vae


def build_clip_vision(seed: int, embedding: int = 64) -> Any:
    """An untrained CLIP vision encoder that embeds an image into ``embedding`` numbers."""
    config = {
        "model_type": "clip_vision_model",
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "hidden_act": "quick_gelu",
        "num_channels": 3,
        "patch_size": 32,
        "image_size": 224,
        "projection_dim": embedding,
    }
    clip_vision = host_clip_vision(config)
    seed_weights(clip_vision.model, seed)
    return clip_vision


def load_clip_vision(state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None) -> Any:
    """A CLIP vision encoder of any size, whose configuration is in the file's header.

    Args:
        state: in transformers' names.
        name: the file's name, for errors.

    Raises:
        PatchError: another kind of file, or an incomplete one.
    """
    weights = take_apart(SMALL_CLIP, state, name, metadata).modules
    clip_vision = host_clip_vision(clip_config(metadata))
    clip_vision.load_sd(weights)
    return clip_vision


def host_clip_vision(config: Mapping[str, Any]) -> Any:
    """The host's image encoder of a configuration as transformers writes it, with weights yet to be read."""
    # The host's class reads its configuration from a file only.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(config))
        return comfy.clip_vision.ClipVisionModel(str(path))


def build_truepose(model: Any, region_dim: int, seed: int) -> Any:
    """Untrained TruePose weights that fit a MODEL, in the host's care."""
    blocks = transformer_blocks(model)
    unet = model.get_model_object("diffusion_model")
    widths = {site: width_of(block) for site, block in blocks.items()}
    shape = TruePoseShape.full(widths, context_width(model), region_dim, unet.model_channels)
    network = TruePose(shape, dtype=torch.float32, operations=host_operations())
    return host_patcher(seed_weights(network, seed).eval().requires_grad_(False))
