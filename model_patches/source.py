"""What SourceNet leaves for the target: Eq. 3 of TruePose, F' = {F'_l} = ε_θ'(z_s), with the projections of each site.

Both hosts' transformer blocks share these names: ``norm1``, ``attn1.to_q/to_k/to_v``, ``attn1.to_out`` (iterable).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor, nn

#: How H' reaches keys and values: ``"paper"`` projects H' itself (Eq. 8). ``"block"`` first completes the block's
#: self-attention with H' (output projection, residual, norm1), which is the input attn1's own projections know.
HiddenSpace = Literal["paper", "block"]


def width_of(block: nn.Module) -> int:
    """Feature width of a transformer block. Asked of the layer: packed weights have other shapes."""
    return block.attn1.to_k.out_features


def context_width_of(block: nn.Module) -> int:
    """Width of the cross-attention context that a transformer block takes."""
    return block.attn2.to_k.in_features


@dataclass(frozen=True, eq=False)
class SourceSite:
    """One site of SourceNet's pass.

    Attributes:
        q, k, v: Q', K', V', ``[S, N, C]``.
        stream: the block's input, before ``norm1``, ``[S, N, C]``.
        heads: number of heads.
        grid: height and width of the N tokens.
        block: SourceNet's transformer block.
        shared: what conditions keep for all sites of one pass.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    stream: Tensor
    heads: int
    grid: tuple[int, int]
    block: nn.Module
    shared: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """For how many source images."""
        return self.q.shape[0]

    def for_rows(self, rows: int) -> "SourceSite":
        """Features for several rows: each image serves equal runs of them; of as many images as rows, itself."""
        if rows == self.rows:
            return self
        q, k, v, stream = (t.repeat_interleave(rows // t.shape[0], 0) for t in (self.q, self.k, self.v, self.stream))
        return replace(self, q=q, k=k, v=v, stream=stream)

    def once(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """``compute()``, the first time this pass asks for ``key``."""
        if key not in self.shared:
            self.shared[key] = compute()
        return self.shared[key]

    def features(self) -> Tensor:
        """F' as self-attention sees it: norm1 of the block's input."""
        return self.block.norm1(self.stream)

    def complete(self, hidden: Tensor) -> Tensor:
        """norm1(stream + to_out(H')): the block's input to attention, had its residual already taken H' in."""
        for layer in self.block.attn1.to_out:
            hidden = layer(hidden)
        return self.block.norm1(self.stream + hidden)
