"""Rescaled guidance on a MODEL."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .conditions import Shared
from .guidance.rescale import rescaled


@dataclass(frozen=True, eq=False)
class Rescale(Shared):
    """A function behind the host's guidance, which speaks x₀; what is rescaled is ε, as in the published pipelines."""

    amount: float

    def __call__(self, arguments: dict[str, Any]) -> Tensor:
        x, guided = arguments["input"], arguments["denoised"]
        sigma = arguments["sigma"].reshape(-1, *[1] * (x.ndim - 1))
        noise, conditional = ((x - clean) / sigma for clean in (guided, arguments["cond_denoised"]))
        return x - sigma * rescaled(noise, conditional, self.amount)


def rescale_guidance(model: Any, amount: float) -> Any:
    """A clone of ``model`` under rescaled guidance; amount 0 gives a plain clone."""
    patched = model.clone()
    if amount:
        patched.set_model_sampler_post_cfg_function(Rescale(amount))
    return patched
