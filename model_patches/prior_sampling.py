"""Sampling of PCDMs' prior (section 3.2): a target's global embedding of a source's, and of the two poses."""

from collections.abc import Callable

import torch
from torch import Tensor

from .networks.prior import Prior
from .unclip import guided, unclip


def sample_embedding(
    network: Prior,
    embedding: Tensor,
    source: Tensor,
    target: Tensor,
    noise: Tensor,
    cfg: float = 1.0,
    after: Callable[[], None] = lambda: None,
) -> Tensor:
    """Target embeddings ``[B, embedding]``.

    Args:
        embedding: of the source, ``[B, embedding]``.
        source, target: coordinates of the poses, ``[B, pose]``.
        noise: ``[steps, B, embedding]``: the start, and what each step but the last adds.
        cfg: scale of classifier-free guidance (Eq. 4); 1 is without, as published.
        after: called after every step.
    """
    condition = network.condition(embedding, source, target)
    doubled = torch.cat([condition, network.null(condition)])

    def predict(x: Tensor, timestep: int) -> Tensor:
        if cfg == 1:
            return network(x, x.new_full((len(x),), timestep), condition)
        both = torch.cat([x, x])
        return guided(*network(both, both.new_full((len(both),), timestep), doubled).chunk(2), cfg)

    start, *added = noise.to(embedding)
    return unclip(predict, start, added, after=after, mean=network.mean, std=network.std)
