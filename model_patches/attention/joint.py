"""Self-attention that looks at more than its own tokens: several conditions at once, each as strong as it is told.

A condition *replaces* the block's own keys and values (HPFA, Eq. 8: the target looks at the source instead of itself),
*extends* them (reference attention: beside itself), or *adds* what its own keys and values give. Everything that is
looked at shares one softmax. A strength between 0 and 1 mixes with the attention that lacks the condition; of several
conditions, every combination counts as often as independent draws would make it, so that each strength alone, at any
value of the others, reaches from "not there" to "fully there", and their order does not matter.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .key_values import KeyValues
from .multihead import Attention
from .tokens import token_attention

Acts = Literal["replace", "extend", "add"]
#: Which conditions take part, by their number, and how much of the result that combination makes: a number, or
#: ``[1 or B, N, 1]``.
Share = tuple[tuple[int, ...], "float | Tensor"]


class Look(NamedTuple):
    """What one condition lets a site look at, and how it acts."""

    acts: Acts
    parts: Sequence[KeyValues]


def shares(weights: Sequence[float | Tensor]) -> list[Share]:
    """The combinations of conditions with these strengths, and what each makes of the result.

    The shares add up to 1 everywhere. Combinations that count nowhere are left out.
    """
    combinations: list[Share] = [((), 1.0)]
    for number, weight in enumerate(weights):
        without = [(members, share * (1.0 - weight)) for members, share in combinations]
        combinations = without + [((*members, number), share * weight) for members, share in combinations]
        combinations = [(members, share) for members, share in combinations if _counts(share)]
    return combinations


def _counts(share: float | Tensor) -> bool:
    return bool(share.any()) if isinstance(share, Tensor) else share != 0.0


def joint_attention(q: Tensor, sets: Sequence[KeyValues], heads: int, attention: Attention) -> Tensor:
    """SoftMax(Q[K₁; K₂; …]ᵀ/√d)[V₁; V₂; …]: one softmax over everything that is looked at.

    Args:
        q: ``[B, N, C]``.
        sets: each ``[1 or B, M, C]``.

    Returns:
        ``[B, N, C]``.
    """
    spread = [each.spread(q.shape[0]) for each in sets]
    if len(spread) == 1:
        return attention(q, spread[0].key, spread[0].value, heads)
    keys, values = (torch.cat([getattr(each, name) for each in spread], dim=1) for name in ("key", "value"))
    return attention(q, keys, values, heads)


def combination(
    q: Tensor,
    own: KeyValues,
    heads: int,
    looks: Sequence[Look],
    plain: Callable[[], Tensor],
    attention: Attention,
    foreign: bool = False,
) -> Tensor:
    """The site's attention with all of ``looks``, each in full.

    Args:
        q, own: the block's own projections, ``[B, N, C]``.
        plain: the attention without any of them.
        foreign: whether ``plain`` is another definition of attention than ours. Then what extends it is given as the
            difference it makes to ours.
    """
    beside = [part for look in looks if look.acts == "extend" for part in look.parts]
    instead = [part for look in looks if look.acts == "replace" for part in look.parts]
    if instead:
        result = joint_attention(q, [*instead, *beside], heads, attention)
    elif beside:
        result = joint_attention(q, [own, *beside], heads, attention)
        if foreign:
            result = plain() + result - attention(q, own.key, own.value, heads)
    else:
        result = plain()
    for part in (part for look in looks if look.acts == "add" for part in look.parts):
        result = torch.add(result, token_attention(q, part, heads, attention), alpha=part.scale)
    return result


def mixed(terms: Sequence[Tensor], share_of: Sequence[float | Tensor]) -> Tensor:
    """Σ share · term; a single combination is the whole result, bit for bit."""
    if len(terms) == 1:
        return terms[0]
    result = torch.zeros_like(terms[0])
    for term, share in zip(terms, share_of, strict=True):
        result = torch.addcmul(result, share.to(term), term) if isinstance(share, Tensor) else result + share * term
    return result
