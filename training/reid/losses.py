"""What BoT learns from (Luo et al., "Bag of Tricks and A Strong Baseline for Deep Person Re-identification", 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def identity_loss(logits: Tensor, people: Tensor, smoothing: float = 0.1) -> Tensor:
    """Cross-entropy with smoothed labels (section 3.3): 1 − ε(N−1)/N for the right one of N people, ε/N for others.

    Args:
        logits: ``[B, N]``.
        people: numbers of the right ones, ``[B]``.
        smoothing: ε; 0 is plain cross-entropy.
    """
    return F.cross_entropy(logits, people, label_smoothing=smoothing)


def triplet_loss(features: Tensor, people: Tensor, margin: float = 0.3) -> Tensor:
    """Each picture against its farthest of the same person and its nearest of another (Hermans et al., 2017).

    The mean of ``max(0, d_p − d_n + margin)`` over pictures with both, d Euclidean; 0 where there is none.

    Args:
        features: ``[B, D]``, before BNNeck.
    """
    distances = _distances(features)
    same = people[:, None] == people[None]
    others = same & ~torch.eye(len(people), dtype=torch.bool, device=people.device)
    farthest = distances.masked_fill(~others, -torch.inf).amax(1)
    nearest = distances.masked_fill(same, torch.inf).amin(1)
    whole = others.any(1) & ~same.all(1)
    if not whole.any():
        return features.sum() * 0
    return F.relu(farthest[whole] - nearest[whole] + margin).mean()


def _distances(features: Tensor) -> Tensor:
    """Euclidean, ``[B, B]``; the root's slope is kept finite where two are the same."""
    squares = (features * features).sum(1)
    return (squares[:, None] + squares[None] - 2 * features @ features.mT).clamp(min=1e-12).sqrt()


class CentreLoss(nn.Module):
    """Squared distance of features from the learned centre of their person (section 3.6).

    The paper sums half of it over the batch. Ours is the mean over the batch: with a sum, an SGD step of rate
    0.5 over four pictures of a person takes the centre past their mean and as far to its other side.

    Args:
        people: how many.
        width: of a feature.
    """

    def __init__(self, people: int, width: int) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, width))

    def forward(self, features: Tensor, people: Tensor) -> Tensor:
        """Of features ``[B, D]`` before BNNeck."""
        return (features - self.centres[people]).square().sum(1).mean()
