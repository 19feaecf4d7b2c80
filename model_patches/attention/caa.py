"""CLIP-guided Attention Alignment (TruePose, section 4.3, Eq. 9).

The K source regions that the source's attention neglects most are given to the target again, as CLIP embeddings of
their crops, through a cross-attention of their own: F̂ = SoftMax(Q̃K^clipᵀ/√d)V^clip (Eq. 9), which is
:func:`.tokens.token_attention`.
"""

import torch
from torch import Tensor

from .multihead import KeyValueProjection


def region_scores(q: Tensor, k: Tensor, heads: int, labels: Tensor, regions: int) -> Tensor:
    """Mean attention logit of every parsing region.

    The score of a token is its column of A' = Q'K'ᵀ/√d averaged over heads and queries; that mean is linear in Q', so
    no N×N map is ever built. A region's score is the mean over its tokens.

    Args:
        q, k: Q', K' of the source, ``[B, N, C]``.
        labels: region of every token, integer ``[B, N]``; 0 is background.
        regions: how many labels there are, background included.

    Returns:
        ``[B, regions]`` fp32; ``+inf`` for the background and for labels without a token, which are never chosen.
    """
    head_dim = q.shape[-1] // heads
    mean_query = q.float().mean(dim=1, keepdim=True)
    columns = (mean_query * k.float()).sum(-1) / (heads * head_dim**0.5)
    counts = columns.new_zeros(columns.shape[0], regions).scatter_add(1, labels, torch.ones_like(columns))
    sums = torch.zeros_like(counts).scatter_add(1, labels, columns)
    scores = torch.where(counts > 0, sums / counts.clamp(min=1), torch.inf)
    scores[:, 0] = torch.inf
    return scores


def neglected_regions(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` lowest-scoring regions of every row.

    Returns:
        Their labels ``[B, min(count, regions)]``, lowest score first, and which of them exist (boolean, same shape).
    """
    lowest = scores.topk(min(count, scores.shape[1]), dim=1, largest=False)
    return lowest.indices, lowest.values.isfinite()


def take_regions(embeddings: Tensor, chosen: Tensor) -> Tensor:
    """F^clip of Eq. 9: rows ``chosen`` ``[B, K]`` of ``embeddings`` ``[B, regions, D]`` → ``[B, K, D]``."""
    return embeddings.gather(1, chosen[..., None].expand(-1, -1, embeddings.shape[-1]))


class CAA(KeyValueProjection):
    """W^{K^clip} and W^{V^clip} of F^clip (Eq. 9)."""
