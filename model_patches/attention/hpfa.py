"""Human-Parsing-guided Fusion Attention (TruePose, section 4.2, Eq. 6–8).

The source's self-attention is reweighted by a parsing mask (Eq. 6, 7) and its result H' becomes the keys and values
of the target's queries: F̃ = SoftMax(QK'_hᵀ/√d)V'_h (Eq. 8), which :mod:`.joint` computes. H', K'_h and V'_h do not
depend on the sampling step: hosts compute them once a run.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from .multihead import KeyValueProjection, merge_heads, split_heads

MaskAxis = Literal["key", "query"]

#: Temporaries of one row block of Eq. 7, in bytes. Three of them live at once (logits, weights, softmax).
BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Reweighting:
    """δ, σ and the axis of M in Eq. 6.

    Attributes:
        delta: weight of the region the target shows (paper: 0.6), > 0.
        sigma: weight of everything else (paper: 0.3), > 0.
        axis: the paper indexes an h×w mask and an hw×hw map with the same (i, j). ``"key"`` (default) reads M at the
            attended token, ``"query"`` at the attending one.
    """

    delta: float = 0.6
    sigma: float = 0.3
    axis: MaskAxis = "key"

    def weights(self, logits: Tensor, mask: Tensor) -> Tensor:
        """M' of Eq. 6, in the shape of ``logits`` ``[B, heads, n, N]``; ``mask`` is bool ``[B, N]`` or ``[B, n]``."""
        mask = mask[:, None, None, :] if self.axis == "key" else mask[:, None, :, None]
        positive = torch.where(mask, 1 + self.delta, self.sigma).to(logits.dtype)
        negative = torch.where(mask, self.delta, 1 + self.sigma).to(logits.dtype)
        return torch.where(logits > 0, positive, negative)


def reweighted_self_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    heads: int,
    mask: Tensor,
    reweighting: Reweighting = Reweighting(),
    block_bytes: int = BLOCK_BYTES,
) -> Tensor:
    """H' = SoftMax((Q'K'ᵀ/√d) ⊙ M')V' (Eq. 7), in row blocks: no fused kernel multiplies logits.

    Logits and softmax are fp32 whatever the inputs are: half precision keeps 8 or 11 bits of a logit, which Eq. 6
    multiplies by up to 1 + δ, and fp16 overflows where a logit exceeds 65,504.

    Args:
        q, k, v: Q', K', V' of the source, ``[B, N, C]``.
        mask: M at token resolution, boolean ``[B, N]``; True where the target shows what the source has there.
        block_bytes: how large one block's logits may be; the result does not depend on it.

    Returns:
        H' ``[B, N, C]``, before any output projection.
    """
    queries, keys, values = (split_heads(t, heads) for t in (q, k, v))
    scale = queries.shape[-1] ** -0.5
    keys = keys.float().mT
    row_bytes = q.shape[0] * heads * k.shape[1] * keys.element_size()
    rows = max(1, block_bytes // row_bytes)
    # One result tensor from the start: small results allocated between the blocks would keep their memory from being
    # used again.
    hidden = torch.empty_like(queries)
    for start in range(0, q.shape[1], rows):
        block = slice(start, start + rows)
        logits = (queries[:, :, block].float() * scale) @ keys
        logits = logits * reweighting.weights(logits, mask if reweighting.axis == "key" else mask[:, block])
        hidden[:, :, block] = logits.softmax(dim=-1).to(values.dtype) @ values
    return merge_heads(hidden)


class HPFA(KeyValueProjection):
    """W^{K'_h} and W^{V'_h} of H' (Eq. 8). Training starts from the site's own to_k and to_v."""

    def __init__(self, dim: int, device=None, dtype=None, operations=nn):
        super().__init__(dim, dim, device=device, dtype=dtype, operations=operations)
