"""Token attention with the query and output projections multiplied into keys and values, once a run.

A cross-attention adds W_out SoftMax((W_q x)Kᵀ/√d) V for M constant tokens. W_qᵀK and W_out V are as constant as K and V
are, and narrow: heads · M rows. With them a step costs two thin products in place of W_q, attention and W_out, and what
is added needs nothing but the block's input x: it stands beside whatever else happens in the attention itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .key_values import KeyValues
from .multihead import split_heads

Projection = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FoldedTokens:
    """Tokens of one condition at one site, ready to be asked by the block's input.

    Attributes:
        key: W_qᵀK/√d, fp32 ``[S, heads, M, C]``; None for a single token, whose softmax is 1.
        value: scale · W_out V, ``[S, heads, M, C]``; for a single token ``[S, 1, C]``.
        exists: which of the M tokens are real, boolean ``[S, M]``; None when all are.
    """

    key: Tensor | None
    value: Tensor
    exists: Tensor | None

    @property
    def rows(self) -> int:
        """For how many images; 1 serves any number."""
        return self.value.shape[0]

    def to(self, like: Tensor) -> "FoldedTokens":
        """On the device of the queries, values in their dtype."""
        key = None if self.key is None else self.key.to(like.device)
        exists = None if self.exists is None else self.exists.to(like.device)
        return FoldedTokens(key, self.value.to(like), exists)


def fold(tokens: KeyValues, heads: int, to_q: Projection, to_out: Projection, query_dim: int) -> FoldedTokens:
    """Multiply a cross-attention's projections into tokens.

    Args:
        tokens: K and V, ``[S, M, C]``.
        to_q: x ``[…, query_dim]`` → W_q x, without a bias. Asked as a function, so that whatever a host does to its
            weights (casting, LoRA, quantisation) is in it.
        to_out: ``[…, C]`` → W_out x + b; b belongs to the attention's own result and is left out here.
        query_dim: width of x.
    """
    key, value = (split_heads(t, heads) for t in (tokens.key, tokens.value))
    rows, _, count, width = value.shape
    # A head's value alone, zeros for the other heads: what it adds to the output.
    alone = value.new_zeros(rows, heads, count, heads, width)
    for head in range(heads):
        alone[:, head, :, head] = value[:, head]
    bias = to_out(value.new_zeros(1, heads * width))
    folded = tokens.scale * (to_out(alone.flatten(3)) - bias)
    if count == 1 and tokens.exists is None:
        return FoldedTokens(None, folded.sum(dim=1), None)
    query = split_heads(to_q(torch.eye(query_dim, dtype=key.dtype, device=key.device))[None], heads)
    return FoldedTokens(key.float() @ query.float().mT * width**-0.5, folded, tokens.exists)


def folded_attention(x: Tensor, tokens: FoldedTokens) -> Tensor:
    """W_out SoftMax((W_q x)Kᵀ/√d) V, logits and softmax in fp32; a row without any token gives zeros.

    Args:
        x: the block's input to cross-attention, ``[B, N, query_dim]``; tokens have one row or B.

    Returns:
        ``[B, N, C]``, or ``[B or 1, 1, C]`` with a single token.
    """
    if tokens.key is None:
        return tokens.value
    return folded_weights(x, tokens).flatten(2).to(x.dtype) @ tokens.value.flatten(1, 2)


def folded_weights(x: Tensor, tokens: FoldedTokens) -> Tensor:
    """SoftMax((W_q x)Kᵀ/√d), fp32 ``[B, N, heads, M]``; zeros in a row without any token. A single token has 1."""
    if tokens.key is None:
        return x.new_ones(*x.shape[:2], 1, 1, dtype=torch.float32)
    heads, count = tokens.key.shape[1:3]
    logits = (x.float() @ tokens.key.flatten(1, 2).mT).unflatten(-1, (heads, count))
    if tokens.exists is not None:
        logits = logits.masked_fill(~tokens.exists[:, None, None], -torch.inf)
    # Minus infinity everywhere is a row without a token; its softmax is NaN and its share 0.
    return logits.softmax(dim=-1).nan_to_num(0.0) if tokens.exists is not None else logits.softmax(dim=-1)
