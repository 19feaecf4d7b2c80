"""Where a token looks: the weights of :mod:`.joint`'s attention, for pictures of it. No result depends on it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .joint import Look
from .key_values import KeyValues
from .multihead import split_heads


def looked_at(query: Tensor, own: KeyValues, looks: Sequence[Look], heads: int) -> list[Tensor]:
    """How a token's attention spreads over what every condition shows it, each condition in full.

    Args:
        query: of one token, ``[B, 1, C]``.
        own: the block's own keys and values, ``[B, N, C]``, which conditions that replace them take away.

    Returns:
        for every look ``[B, M]``, the mean over heads. They add up to 1 with those of the other looks and what is left
        of the block's own; of looks that add, each by itself.
    """
    shared = [part for look in looks if look.acts != "add" for part in look.parts]
    if not any(look.acts == "replace" for look in looks):
        shared = [own, *shared]
    weights = iter(_spread(query, shared, heads))
    given = {id(part): share for part, share in zip(shared, weights, strict=True)}
    result = []
    for look in looks:
        parts = _spread(query, look.parts, heads) if look.acts == "add" else [given[id(part)] for part in look.parts]
        result.append(torch.cat(parts, 1))
    return result


def _spread(query: Tensor, sets: Sequence[KeyValues], heads: int) -> list[Tensor]:
    """Softmax over all tokens of the sets, set by set ``[B, M]``."""
    if not sets:
        return []
    keys = [each.spread(query.shape[0]).key.to(query) for each in sets]
    q, k = (split_heads(tokens.float(), heads) for tokens in (query, torch.cat(keys, 1)))
    weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)[:, :, 0].mean(1)
    return list(weights.split([key.shape[1] for key in keys], 1))
