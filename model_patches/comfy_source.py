"""SourceNet: the second UNet, which looks at the source once a sampling run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from .comfy_blocks import context_width, transformer_blocks
from .comfy_host import Extra, grid_of, host_attention, site_of
from .conditions import Shared
from .sites import Site
from .source import SourceSite


@dataclass(frozen=True, eq=False)
class SourceNet(Shared):
    """The second UNet and what it looks at.

    Attributes:
        patcher: a MODEL. The very checkpoint that is being patched may serve (training-free mode).
        latent: z_s = φ(I_s), ``[S, C, h, w]``, as VAE Encode gives it.
        context: cross-attention context ``[1 or S, tokens, context_dim]``; None is one zero token.
        pooled: pooled text embedding for SDXL, ``[1 or S, D]``; None is zeros.
    """

    patcher: Any
    latent: Tensor
    context: Tensor | None = None
    pooled: Tensor | None = None

    def net_beside(self, sampled: Any, same_network: bool) -> Any:
        """The MODEL whose pass it is: the sampled one where both are one network with the same weights.

        The host may sample a copy of the MODEL that was patched (compiled, or on another device), and has that one in
        memory. A LoRA or a merge on one of the two makes them different weights of one network.
        """
        shared = same_network and self.patcher.patches_uuid == sampled.patches_uuid
        return sampled if shared else self.patcher


def run_source(
    source: SourceNet, patcher: Any, sites: set[Site], visit: Callable[[Site, SourceSite], None], override: Any = None
) -> None:
    """One pass of SourceNet at t = 0 (Eq. 3), itself unchanged; ``visit`` is called at every wanted site.

    Args:
        patcher: of :meth:`SourceNet.net_beside`.
        override: the user's choice of attention, ``optimized_attention_override`` of the run.
    """
    comfy.model_management.load_models_gpu(
        [patcher], memory_required=patcher.memory_required(list(source.latent.shape))
    )
    # What others inject into the network it is shared with (a layer between views) is not for a single picture.
    with patcher.use_ejected(), torch.inference_mode(False), torch.no_grad():
        _evaluate(source, patcher, sites, visit, override)


def _evaluate(
    source: SourceNet, patcher: Any, sites: set[Site], visit: Callable[[Site, SourceSite], None], override: Any
) -> None:
    net, blocks, device = patcher.model, transformer_blocks(patcher), patcher.load_device
    dtype = net.manual_cast_dtype or net.get_dtype()
    rows = source.latent.shape[0]
    latent = net.process_latent_in(source.latent.float()).to(device, dtype)
    context = source.context
    context = latent.new_zeros(1, 1, context_width(patcher)) if context is None else context.to(latent)
    seen: dict[str, Tensor] = {}
    shared: dict = {}

    def capture(q: Tensor, k: Tensor, v: Tensor, extra: Extra) -> Tensor:
        comfy.model_management.throw_exception_if_processing_interrupted()
        seen.update(q=q, k=k, v=v)
        return host_attention(extra)(q, k, v, extra["n_heads"])

    def after_attention(n: Tensor, extra: Extra) -> Tensor:
        seen["attention"] = n
        return n

    def after_residual(x: Tensor, extra: Extra) -> Tensor:
        site = site_of(extra)
        if site in sites:
            stream = x - seen.pop("attention")
            q, k, v = seen["q"], seen["k"], seen["v"]
            visit(site, SourceSite(q, k, v, stream, extra["n_heads"], grid_of(extra), blocks[site], shared))
        return x

    options = {
        "patches_replace": {"attn1": {tuple(site): capture for site in sites & blocks.keys()}},
        "patches": {"attn1_output_patch": [after_attention], "middle_patch": [after_residual]},
        "cond_or_uncond": [0],
        "sigmas": latent.new_zeros(1),
    }
    if override is not None:
        options["optimized_attention_override"] = override
    patcher.get_model_object("diffusion_model")(
        latent,
        timesteps=torch.zeros(rows, device=device),
        context=context.expand(rows, -1, -1),
        y=_vector_condition(source, net, latent),
        transformer_options=options,
    )


def _vector_condition(source: SourceNet, net: Any, latent: Tensor) -> Tensor | None:
    """SDXL's pooled text and size embedding; None for models without one."""
    if not net.adm_channels:
        return None
    pooled = latent.new_zeros(1, 1280) if source.pooled is None else source.pooled.to(latent)
    height, width = (8 * side for side in latent.shape[-2:])
    vector = net.encode_adm(pooled_output=pooled, width=width, height=height, device=latent.device)
    return vector.to(latent).expand(latent.shape[0], -1)
