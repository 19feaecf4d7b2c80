"""The transformer blocks of a MODEL's UNet, by site."""

from typing import Any

from comfy.ldm.modules.attention import BasicTransformerBlock, SpatialTransformer
from torch import nn

from .errors import PatchError
from .sites import Site
from .source import context_width_of


def unet_of(model: Any) -> nn.Module:
    """A MODEL's UNet.

    Raises:
        PatchError: the MODEL is no Stable Diffusion UNet.
    """
    unet = model.get_model_object("diffusion_model")
    if not hasattr(unet, "input_blocks"):
        raise PatchError(
            f"This MODEL is a {type(unet).__name__}; Mannequin patches the UNet of Stable Diffusion 1.x, 2.x and XL. "
            "Load one of those."
        )
    return unet


def blocks_of(unet: nn.Module) -> dict[Site, nn.Sequential]:
    """A UNet's blocks of layers, in the order of the forward pass."""
    parts = {
        "input": unet.input_blocks,
        "middle": [unet.middle_block] if unet.middle_block is not None else [],
        "output": unet.output_blocks,
    }
    return {Site(part, number, 0): block for part, blocks in parts.items() for number, block in enumerate(blocks)}


def transformer_blocks(model: Any) -> dict[Site, nn.Module]:
    """Every site of a MODEL's UNet with its transformer block, in the order of the forward pass.

    Raises:
        PatchError: the MODEL is no Stable Diffusion UNet.
    """
    return {
        site._replace(index=index): block
        for site, layers in blocks_of(unet_of(model)).items()
        for layer in layers
        if isinstance(layer, SpatialTransformer)
        for index, block in enumerate(layer.transformer_blocks)
        if isinstance(block, BasicTransformerBlock)
    }


def context_width(model: Any) -> int:
    """Width of the cross-attention context that a MODEL takes.

    Raises:
        PatchError: the MODEL is no Stable Diffusion UNet.
    """
    return context_width_of(next(iter(transformer_blocks(model).values())))


def first_width(model: Any) -> int:
    """Channels of a MODEL's first feature map."""
    return unet_of(model).input_blocks[0][0].out_channels
