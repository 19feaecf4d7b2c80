"""What SourceNet leaves for the target: Eq. 3 of TruePose, F' = {F'_l} = ε_θ'(z_s), with the projections of each site.

Both hosts' transformer blocks share these names: ``norm1``, ``attn1.to_q/to_k/to_v``, ``attn1.to_out`` (iterable).
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

#: How H' reaches keys and values: ``"paper"`` projects H' itself (Eq. 8). ``"block"`` first completes the block's
#: self-attention with H' (output projection, residual, norm1), which is the input attn1's own projections know.
HiddenSpace = Literal["paper", "block"]


def width_of(block: nn.Module) -> int:
    """Feature width of a transformer block."""
    return block.attn1.to_k.weight.shape[0]


def context_width_of(block: nn.Module) -> int:
    """Width of the cross-attention context that a transformer block takes."""
    return block.attn2.to_k.weight.shape[1]


@dataclass(frozen=True, eq=False)
class SourceSite:
    """One site of SourceNet's pass.

    Attributes:
        q, k, v: Q', K', V', ``[S, N, C]``.
        stream: the block's input, before ``norm1``, ``[S, N, C]``.
        heads: number of heads.
        grid: height and width of the N tokens.
        block: SourceNet's transformer block.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    stream: Tensor
    heads: int
    grid: tuple[int, int]
    block: nn.Module

    def features(self) -> Tensor:
        """F' as self-attention sees it: norm1 of the block's input."""
        return self.block.norm1(self.stream)

    def complete(self, hidden: Tensor) -> Tensor:
        """norm1(stream + to_out(H')): the block's input to attention, had its residual already taken H' in."""
        for layer in self.block.attn1.to_out:
            hidden = layer(hidden)
        return self.block.norm1(self.stream + hidden)
