"""Regions where another pack has regrouped the queries (token merging, tiling).

Such packs change the tokens before self-attention and put them back behind its output projection. In between nobody
else knows which token lies where, so a region's mix waits until they are back: the attention's alternatives travel
through the other pack's way back side by side, as channels, and are mixed behind it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention.joint import mixed
from .comfy_evaluation import Rows
from .comfy_host import Extra, site_of
from .conditions import Shared
from .errors import PatchError
from .sites import Site


class Alternatives(NamedTuple):
    """What a chunk's attention gives under each combination of conditions, and how much each counts."""

    terms: list[Tensor]
    shares: list[float | Tensor]

    def padded(self, count: int) -> "Alternatives":
        """With more alternatives, which do not count."""
        missing = count - len(self.terms)
        return Alternatives(self.terms + missing * self.terms[:1], self.shares + missing * [0.0])


class Regrouped(Shared):
    """Alternatives on their way through other packs' ``attn1_output_patch``.

    Args:
        blocks: transformer blocks by site, for their output projections.
        device: where those are; the host may sample copies on others.
        way_back: whether others have patches on both sides of attention, between which tokens may be anywhere.
    """

    def __init__(self, blocks: dict[Site, nn.Module], device: torch.device, way_back: bool):
        self._blocks = blocks
        self._device = device
        self.way_back = way_back
        self._waiting: dict[tuple[Site, torch.device], tuple[list[Tensor], list[Tensor]]] = {}

    def keep(self, site: Site, chunks: Sequence[Rows], answers: Sequence[Alternatives]) -> Tensor:
        """The first alternative of every chunk; the others wait.

        Raises:
            PatchError: nobody brings the tokens back.
        """
        if not self.way_back:
            raise PatchError(
                "Another node merges or tiles the tokens of self-attention in a way that hides where they lie, so "
                "region cannot be placed. Leave region unconnected, or take that node out."
            )
        count = max(len(answer.terms) for answer in answers)
        answers = [answer.padded(count) for answer in answers]
        first, *others = (torch.cat(terms) for terms in zip(*(answer.terms for answer in answers), strict=True))
        tokens = max(share.shape[1] for answer in answers for share in answer.shares if isinstance(share, Tensor))
        shares = [
            torch.cat([_each(share, chunk.images, tokens, first) for share, chunk in zip(column, chunks, strict=True)])
            for column in zip(*(answer.shares for answer in answers), strict=True)
        ]
        self._waiting[site, first.device] = (others, shares)
        return first

    def pack(self, n: Tensor, extra: Extra) -> Tensor:
        """First of the output patches: the alternatives join as channels."""
        waiting = self._waiting.get((site_of(extra), n.device))
        if waiting is None:
            return n
        to_out = self._blocks[site_of(extra)].attn1.to_out
        return torch.cat([n, *(to_out(term.to(self._device)).to(n) for term in waiting[0])], dim=-1)

    def mix(self, n: Tensor, extra: Extra) -> Tensor:
        """Last of the output patches: every token is where it belongs again."""
        waiting = self._waiting.pop((site_of(extra), n.device), None)
        return n if waiting is None else mixed(n.chunk(len(waiting[1]), dim=-1), waiting[1])


def _each(share: float | Tensor, images: int, tokens: int, like: Tensor) -> Tensor:
    """A share of every token of every image, ``[images, tokens, 1]``."""
    if not isinstance(share, Tensor):
        return like.new_full((images, tokens, 1), share)
    return share.to(like).expand(images, tokens, 1)
