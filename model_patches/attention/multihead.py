"""Splitting tokens into heads, and the fused attention every module falls back on."""

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor, nn


class Attention(Protocol):
    """``(q, k, v, heads) -> tokens``: how a host computes plain multi-head attention."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor: ...


class KeyValueProjection(nn.Module):
    """W^K and W^V of what queries look at, at one attention site."""

    def __init__(self, context_dim: int, dim: int, device=None, dtype=None, operations=nn):
        super().__init__()
        self.to_k = operations.Linear(context_dim, dim, bias=False, device=device, dtype=dtype)
        self.to_v = operations.Linear(context_dim, dim, bias=False, device=device, dtype=dtype)

    def keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """``[B, M, context_dim]`` → keys and values, each ``[B, M, C]``."""
        return self.to_k(tokens), self.to_v(tokens)


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """``[B, N, heads * d]`` → ``[B, heads, N, d]``, without a copy."""
    return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(tokens: Tensor) -> Tensor:
    """``[B, heads, N, d]`` → ``[B, N, heads * d]``."""
    return tokens.transpose(1, 2).flatten(2)


def fused_attention(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """SoftMax(QKᵀ/√d)V by torch's fused kernel.

    Args:
        q: ``[B, N, C]``; k, v: ``[B, M, C]``.
        mask: boolean, broadcastable to ``[B, heads, N, M]``; False hides a key.

    Returns:
        ``[B, N, C]``.
    """
    q, k, v = (split_heads(t, heads) for t in (q, k, v))
    return merge_heads(F.scaled_dot_product_attention(q, k, v, attn_mask=mask))
