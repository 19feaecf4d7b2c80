"""Attention of a joint picture that is taught: a generated view looks at the same places of the body in those given.

Ours, see :mod:`..correspondence`; the context is taught with it, whose tokens are of the reference.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from model_patches.sites import Site

from ..correspondence import Correspondence, Looking, Surface, grid_of
from .base import Batch
from .joint_pictures import Arrangement, views_of

#: Of a label nobody has.
NOTHING = -1


class JointLooking:
    """Sees where S pictures' tokens look, and says how far off that is.

    Args:
        views, reference: what pictures show.
        latent: height and width of the UNet's.
        grids: of the context's tokens, which are one behind the other; the first begins with one that stands for all.
        among: what the pictures' own tokens are taught to look at; None teaches the context alone.
    """

    def __init__(
        self,
        views: Surface,
        reference: Surface,
        latent: tuple[int, int],
        grids: list[tuple[int, int]],
        among: Surface | None = None,
    ) -> None:
        self._latent, self._grids = latent, grids
        self._tokens = Looking(Correspondence(views, reference), latent, latent)
        self._among = Looking(Correspondence(views, among), latent, latent) if among else None

    def watch(self) -> dict[str, Callable[[Site, Tensor], None]]:
        """What :func:`..diffusers_binding.watched` is given."""
        return {"attn2": self._see_tokens} | ({"attn1": self._see_pictures} if self._among else {})

    def _see_pictures(self, site: Site, attention: Tensor) -> None:
        grid = grid_of(attention.shape[1], self._latent)
        self._among.see(attention, grid, grid)

    def _see_tokens(self, site: Site, attention: Tensor) -> None:
        grid, start = grid_of(attention.shape[1], self._latent), 1
        for height, width in self._grids:
            self._tokens.see(attention[..., start : start + height * width], grid, (height, width))
            start += height * width

    def error(self) -> Tensor:
        """The mean over all sites of both attentions."""
        return torch.stack([each.error() for each in (self._tokens, self._among) if each]).mean()


def joint_surfaces(batch: Batch, joint: Arrangement) -> tuple[Surface, Surface]:
    """What the generated tiles of joint pictures show, and what the given ones do; the others show nothing."""
    iuv, labels = (views_of(batch, name) for name in ("iuv", "parsing"))
    iuv, labels = iuv.movedim(-1, 2), labels[:, :, None].short()

    def of(shown: Tensor) -> Surface:
        blanked = partial(joint.joint, shown=shown)
        nothing = labels.new_tensor(NOTHING)
        return Surface(blanked(iuv, blank=iuv.new_tensor(0)).movedim(1, -1), blanked(labels, blank=nothing)[:, 0])

    return of(~joint.visible), of(joint.visible)
