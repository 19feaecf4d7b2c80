"""What the previews' evaluation has inside, seen by other means: inputs of attentions, and SourceNet's pass."""

import torch
from mannequin.model_patches.comfy_host import site_of
from mannequin.model_patches.comfy_source import run_source
from mannequin.model_patches.comfy_watch import Watch, watched_evaluation
from mannequin.model_patches.sites import Site
from mannequin.model_patches.source import SourceSite
from small import conditioning


def attention_inputs(patcher, latent: torch.Tensor, percent: float = 0.5, positive=None) -> dict[str, dict]:
    """What attn1 and attn2 of every block get, ``[B, N, C]`` by site, in the evaluation that a preview watches."""
    seen = {"attn1": {}, "attn2": {}}

    def keep(name):
        def patch(n, context, value, extra):
            seen[name][site_of(extra)] = n.clone()
            return n, context, value

        return patch

    patcher = patcher.clone()
    patcher.set_model_attn1_patch(keep("attn1"))
    patcher.set_model_attn2_patch(keep("attn2"))
    watched_evaluation(patcher, positive or conditioning(), latent, percent, Watch(), 0)
    return seen


def source_sites(net, sites) -> dict[Site, SourceSite]:
    """What SourceNet leaves at sites."""
    seen = {}
    run_source(net, net.patcher, set(sites), seen.__setitem__)
    return seen


def by_heads(tokens: torch.Tensor, heads: int) -> list[torch.Tensor]:
    """``[N, C]`` cut into a head each."""
    return list(tokens.chunk(heads, -1))
