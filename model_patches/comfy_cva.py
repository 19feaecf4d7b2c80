"""Cross-view attention on a MODEL, between the layers of its UNet.

The host's patches reach sixteen of the twenty-one places. So a junction without weights stands at each, put there by
the host's injections; what it does is said by the patches of the model that is sampled, and a model without any passes
through it unchanged.
"""

from dataclasses import dataclass
from typing import Any

import torch
from comfy.ldm.modules.attention import SpatialTransformer
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from comfy.patcher_extension import PatcherInjection
from torch import Tensor, nn

from .attention.cva import AFTER_ATTENTION, CVA, Placement, Tiles, join_tiles, split_tiles
from .comfy_blocks import blocks_of, unet_of
from .comfy_evaluation import Rows
from .comfy_host import KEY, RUN, Extra, host_attention
from .comfy_run import Run, check_region
from .comfy_sampling import open_runs
from .conditions import Shared
from .conditions.base import check_width
from .errors import PatchError, said_by
from .scope import Scope
from .sites import Site, select_sites

#: Of our patches, of the injection, and of the junctions among a block's layers.
CVA_KEY, JUNCTION = f"{KEY}_cva", "mannequin_views"


class Junction(nn.Module):
    """A place between layers, where the host asks whether anybody has something to do."""

    def forward(self, x: Tensor) -> Tensor:
        return x


@dataclass(frozen=True, eq=False)
class CVAPatch(Shared):
    """Cross-view attention at some of the places.

    Attributes:
        network: patcher of the weights.
        tiles: of the joint picture; None where the images of the batch are the views.
        sites: after which blocks.
        node: display name of the node, for errors while sampling.
    """

    network: Any
    tiles: Tiles | None
    sites: frozenset[Site]
    scope: Scope
    node: str = ""

    def to(self, device_or_dtype) -> "CVAPatch":
        """The host moves patches; the weights are its network's."""
        return self

    def models(self) -> list:
        """What the host has to load beside the MODEL."""
        return [self.network]

    def __call__(self, x: Tensor, site: Site, run: Run, extra: Extra) -> Tensor:
        """A feature map ``[B, C, h, w]`` of all chunks; a part of the picture has no views and passes unchanged."""
        chunks = run.rows(extra, len(x))
        if self.scope.mask is None and all(_whole(chunk) for chunk in chunks):
            return x + self.scope.strength * self._added(x, chunks[0].images, site, extra)
        return torch.cat([self._of_chunk(x[chunk.rows], chunk, site, run, extra) for chunk in chunks])

    def _of_chunk(self, x: Tensor, chunk: Rows, site: Site, run: Run, extra: Extra) -> Tensor:
        if not _whole(chunk):
            return x
        check_region(self.scope, chunk.images)
        place, grid = chunk.part.place, (int(x.shape[-2]), int(x.shape[-1]))
        weight = run.once((self, place, grid, x.device), lambda: self.scope.over(place, grid, x.device))
        weight = weight.to(x) if isinstance(weight, Tensor) else weight
        return x + weight * self._added(x, chunk.images, site, extra)

    def _added(self, x: Tensor, images: int, site: Site, extra: Extra) -> Tensor:
        module: CVA = self.network.model.cva[site.key]
        attention = host_attention(extra)
        if self.tiles is not None:
            self._check_tiles(x, extra)
            return join_tiles(module.added(split_tiles(x, self.tiles), attention), self.tiles)
        self._check_number(images, module)
        return module.added(x.unflatten(0, (-1, images)), attention).flatten(0, 1)

    def _check_tiles(self, x: Tensor, extra: Extra) -> None:
        rows, columns = self.tiles
        if x.shape[-2] % rows or x.shape[-1] % columns:
            height, width = (8 * int(side) for side in extra["original_shape"][-2:])
            raise PatchError(
                f"The picture is {width}×{height}, which has no {rows}×{columns} equal tiles at every level of the "
                "UNet: the sides of a tile must be multiples of 64. Take the latent of IMAGPose Conditioning (Joint "
                "Views pads tiles), or of another size; or let the images of the batch be the views."
            )

    def _check_number(self, images: int, module: CVA) -> None:
        if images > module.shape.views:
            raise PatchError(
                f"The batch has {images} images, and these modules know the positions of {module.shape.views} views. "
                "Sample fewer at a time."
            )


def _whole(chunk: Rows) -> bool:
    return chunk.part.place is not None and chunk.part.place.is_whole


def apply_cva(
    model: Any,
    network: Any,
    placement: Placement,
    words: str,
    tiles: Tiles | None,
    scope: Scope,
    node: str = "",
) -> Any:
    """A clone of ``model`` with cross-view attention between its layers.

    Args:
        network: patcher of :class:`.networks.imagpose.IMAGPose`.
        placement: after each layer, or after those with cross-attention.
        words: which of these, in the words of :func:`.sites.select_sites`.
        tiles: of the joint picture that is sampled; None where the images of the batch are the views.
        node: display name of the node, for errors while sampling.

    Raises:
        PatchError: the MODEL is no Stable Diffusion, or the weights do not fit it.
    """
    patched, widths = model.clone(), _widths(model, placement)
    if scope.empty:
        return patched
    sites = select_sites(words, widths)
    for site in sites:
        sizes = network.model.shape.cva.get(site)
        check_width("IMAGPose", "CVA", site, None if sizes is None else sizes.dim, widths[site])
    patched.set_model_patch(CVAPatch(network, tiles, frozenset(sites), scope, node), CVA_KEY)
    entry, patches = (Junction, _between), patched.model_options["transformer_options"]["patches"]
    if entry not in patches.get("forward_timestep_embed_patch", ()):
        patched.set_model_forward_timestep_embed_patch(entry)
    patched.set_injections(CVA_KEY, [PatcherInjection(_inject, _eject)])
    open_runs(patched)
    return patched


def _between(layer, x: Tensor, emb, context, extra: Extra, *rest) -> Tensor:
    """The host's ``forward_timestep_embed_patch`` of junctions."""
    run, site = extra.get(RUN), Site(*extra["block"], 0)
    if run is None:
        return x
    for patch in extra["patches"].get(CVA_KEY, ()):
        if site in patch.sites and run.acts(patch.scope, extra):
            with said_by(patch.node):
                x = patch(x, site, run, extra)
    return x


def _layer_before(block: nn.Sequential) -> str | None:
    """Name of the layer after which views meet: the block's transformer, else its resnet; None where it has neither."""
    kinds = (SpatialTransformer, ResBlock)
    found = ([name for name, layer in block._modules.items() if isinstance(layer, kind)] for kind in kinds)
    return next((names[0] for names in found if names), None)


def _widths(model: Any, placement: Placement) -> dict[Site, int]:
    """Where views can meet in a MODEL, and how wide its feature map is there."""
    widths = {}
    for site, block in blocks_of(unet_of(model)).items():
        layer = block._modules.get(_layer_before(block))
        if isinstance(layer, SpatialTransformer):
            widths[site] = layer.in_channels
        elif layer is not None and placement != AFTER_ATTENTION:
            widths[site] = layer.out_channels
    return widths


def _inject(patcher: Any) -> None:
    """Junctions at every place, whichever are used: clones that use others share the UNet."""
    for block in blocks_of(unet_of(patcher)).values():
        after = _layer_before(block)
        if after is not None and JUNCTION not in block._modules:
            layers = dict(block._modules)
            block._modules.clear()
            for name, layer in layers.items():
                # The others keep their names, which are keys of LoRAs.
                block._modules[name] = layer
                if name == after:
                    block._modules[JUNCTION] = Junction()


def _eject(patcher: Any) -> None:
    """Clones made after a run are ejected twice."""
    for block in blocks_of(unet_of(patcher)).values():
        block._modules.pop(JUNCTION, None)
