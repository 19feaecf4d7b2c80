"""Reference attention by concatenation (AnimateAnyone, MagicAnimate; MCLD's ReferenceNet; TruePose's baseline B2).

The target's self-attention sees its own tokens and the source's: keys and values are concatenated along the tokens.
The source's half is constant over the sampling steps, so that a step pays for its queries only.
"""

import torch
from torch import Tensor

from .multihead import Attention, fused_attention


def reference_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    reference_key: Tensor,
    reference_value: Tensor,
    heads: int,
    attention: Attention = fused_attention,
) -> Tensor:
    """SoftMax(Q[K; K_ref]ᵀ/√d)[V; V_ref].

    Args:
        q, k, v: of the target, ``[B, N, C]``.
        reference_key, reference_value: of the source, ``[B or 1, M, C]``.

    Returns:
        ``[B, N, C]``.
    """
    rows = q.shape[0]
    keys = torch.cat([k, reference_key.expand(rows, -1, -1)], dim=1)
    values = torch.cat([v, reference_value.expand(rows, -1, -1)], dim=1)
    return attention(q, keys, values, heads)
