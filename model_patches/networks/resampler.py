"""The face projector: a Perceiver that turns one face embedding into a few tokens (MCLD; IP-Adapter's resampler).

Parameter names are the published checkpoint's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..attention.multihead import fused_attention


@dataclass(frozen=True)
class ResamplerShape:
    """All sizes of a resampler; the published one is 512 → 16 tokens of 768, inside 1280 wide with 20 heads of 64."""

    input_dim: int
    dim: int
    inner: int
    heads: int
    depth: int
    queries: int
    hidden: int
    output_dim: int

    @classmethod
    def of(cls, state: Mapping[str, Tensor], heads: int) -> "ResamplerShape":
        """The shape of the weights in ``state``; how many heads share the width cannot be read off them."""
        return cls(
            input_dim=state["proj_in.weight"].shape[1],
            dim=state["proj_in.weight"].shape[0],
            inner=state["layers.0.0.to_q.weight"].shape[0],
            heads=heads,
            depth=len({key.split(".")[1] for key in state if key.startswith("layers.")}),
            queries=state["latents"].shape[1],
            hidden=state["layers.0.1.1.weight"].shape[0],
            output_dim=state["proj_out.weight"].shape[0],
        )


class PerceiverAttention(nn.Module):
    """The queries look at the input and at themselves."""

    def __init__(self, shape: ResamplerShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.heads = shape.heads
        self.norm1 = operations.LayerNorm(shape.dim, **options)
        self.norm2 = operations.LayerNorm(shape.dim, **options)
        self.to_q = operations.Linear(shape.dim, shape.inner, bias=False, **options)
        self.to_kv = operations.Linear(shape.dim, 2 * shape.inner, bias=False, **options)
        self.to_out = operations.Linear(shape.inner, shape.dim, bias=False, **options)

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm2(latents)
        key, value = self.to_kv(torch.cat([self.norm1(x), latents], dim=1)).chunk(2, dim=-1)
        return self.to_out(fused_attention(self.to_q(latents), key, value, self.heads))


class Resampler(nn.Module):
    """A face embedding → tokens for cross-attention. Zeros in are tokens too: the published "no face"."""

    def __init__(self, shape: ResamplerShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.latents = nn.Parameter(torch.empty(1, shape.queries, shape.dim, **options))
        self.proj_in = operations.Linear(shape.input_dim, shape.dim, **options)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    PerceiverAttention(shape, operations=operations, **options),
                    nn.Sequential(
                        operations.LayerNorm(shape.dim, **options),
                        operations.Linear(shape.dim, shape.hidden, bias=False, **options),
                        nn.GELU(),
                        operations.Linear(shape.hidden, shape.dim, bias=False, **options),
                    ),
                ]
            )
            for _ in range(shape.depth)
        )
        self.proj_out = operations.Linear(shape.dim, shape.output_dim, **options)
        self.norm_out = operations.LayerNorm(shape.output_dim, **options)

    def random_queries(self) -> "Resampler":
        """Draw the queries, of about unit length: the state training starts from."""
        nn.init.normal_(self.latents, std=self.latents.shape[-1] ** -0.5)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """``[B, M, input_dim]`` → ``[B, queries, output_dim]``."""
        x = self.proj_in(x)
        latents = self.latents.to(x).expand(x.shape[0], -1, -1)
        for attention, feed_forward in self.layers:
            latents = latents + attention(x, latents)
            latents = latents + feed_forward(latents)
        return self.norm_out(self.proj_out(latents))
