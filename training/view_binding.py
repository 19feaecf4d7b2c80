"""The second host of cross-view attention: the modules that ComfyUI has between its UNet's layers, inside diffusers'.

IMAGPose, section 3.4. Sites carry ComfyUI's names, so that weights trained here load there.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from model_patches.attention.cva import AFTER_ATTENTION, CVA, Placement
from model_patches.sites import Site, site_in_diffusers

#: Feature maps as the UNet has them ``[B, C, h, w]`` → views ``[S, V, C, h', w']``, and back.
Rearrange = Callable[[Tensor], Tensor]


def view_layers(unet: UNet2DConditionModel, placement: Placement) -> dict[Site, nn.Module]:
    """The layers after which views meet, in the order of the forward pass: transformers, and resnets without one.

    Every layer says its width as ``out_channels``.
    """
    places = [
        *(("down", i, j, layer) for i, j, layer in _layers(unet.down_blocks, placement)),
        ("mid", 0, 0, unet.mid_block.attentions[0]),
        *(("up", i, j, layer) for i, j, layer in _layers(unet.up_blocks, placement)),
    ]
    layers = unet.config.layers_per_block
    return {site_in_diffusers(part, level, number, 0, layers): layer for part, level, number, layer in places}


def _layers(blocks: nn.ModuleList, placement: Placement) -> Iterator[tuple[int, int, nn.Module]]:
    for i, block in enumerate(blocks):
        attentions = getattr(block, "attentions", None)
        if attentions is None and placement == AFTER_ATTENTION:
            continue
        for j, layer in enumerate(block.resnets if attentions is None else attentions):
            yield i, j, layer


def meet(layers: Mapping[Site, nn.Module], modules: Mapping[str, CVA], apart: Rearrange, together: Rearrange) -> None:
    """Let views look at one another after the layers, from now on: gradient checkpointing runs layers once more, later.

    Args:
        layers: of :func:`view_layers`.
        modules: by the sites' keys; a layer without one is left as it is.
        apart, together: what makes views of feature maps, and feature maps of views.
    """
    for site, layer in layers.items():
        if site.key in modules:
            layer.register_forward_hook(_Meeting(modules[site.key], apart, together))


@dataclass(frozen=True, eq=False)
class _Meeting:
    """A hook that a copy of the network copies, modules and all."""

    module: CVA
    apart: Rearrange
    together: Rearrange

    def __call__(self, layer: nn.Module, given: tuple, result: Tensor | tuple) -> Tensor | tuple:
        # Transformers give a tuple.
        return (self._met(result[0]), *result[1:]) if isinstance(result, tuple) else self._met(result)

    def _met(self, features: Tensor) -> Tensor:
        return features + self.together(self.module.added(self.apart(features)))
