"""Seeing which regions of the source TruePose chose: CAA's of Eq. 9, and what M of Eq. 6 lets HPFA see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .attention.folded import folded_weights
from .attention.token_masks import soft_grid
from .comfy_host import grid_of
from .comfy_run import Binding
from .comfy_watch import Watch, shows_whole
from .conditions import CAACondition, HPFACondition
from .place import Grid
from .sites import Site

#: By how much attention a region stands out somewhere: more than rounding.
STANDS_OUT = 1e-3


@dataclass(frozen=True, eq=False)
class Attended:
    """How a site's cross-attention spreads over the regions that CAA chose there, for the first image.

    Attributes:
        grid: height and width of the target's N tokens.
        weights: what each token gives each label, ``[N, labels]``: 0 where it was not chosen.
        acts: where the condition acts at all, boolean ``[N]``.
        chosen: which labels were chosen, boolean ``[labels]``.
    """

    grid: Grid
    weights: Tensor
    acts: Tensor
    chosen: Tensor


class Selected(NamedTuple):
    """M of Eq. 6 at a site for the first image, boolean ``[N]``, and the grid of the source's N tokens."""

    grid: Grid
    mask: Tensor


class RegionWatch(Watch):
    """Notes what CAA and HPFA chose, at every site.

    Attributes:
        attended: of CAA, by condition and site.
        selected: of HPFA, by condition and site.
    """

    def __init__(self) -> None:
        self.attended: dict[Binding, dict[Site, Attended]] = {}
        self.selected: dict[Binding, dict[Site, Selected]] = {}
        self._chosen: dict[tuple[Binding, Site], tuple[Tensor, Tensor]] = {}

    def note_source(self, site, binding, features) -> None:
        condition = binding.condition
        if isinstance(condition, HPFACondition):
            mask = condition.selected(features)[0].cpu()
            self.selected.setdefault(binding, {})[site] = Selected(features.grid, mask)
        elif isinstance(condition, CAACondition):
            labels, exists = condition.chosen(features)
            self._chosen[binding, site] = labels[0].cpu(), exists[0].cpu()

    def note_added(self, site, binding, chunk, asked, tokens, weight, extra) -> None:
        if not isinstance(binding.condition, CAACondition) or not shows_whole(chunk, asked, extra):
            return
        labels, exists = self._chosen[binding, site]
        given = folded_weights(asked, tokens)[0].mean(1).cpu() * exists
        count = binding.condition.regions.shape[1]
        weights = given.new_zeros(len(given), count).index_add(1, labels, given)
        acts = torch.ones(len(given), dtype=torch.bool)
        if isinstance(weight, Tensor):
            acts = weight[0, :, 0].cpu() > 0
        chosen = torch.zeros(count, dtype=torch.bool)
        chosen[labels[exists]] = True
        self.attended.setdefault(binding, {})[site] = Attended(grid_of(extra), weights, acts, chosen)


def region_shares(sites: Sequence[Attended]) -> Tensor:
    """How much attention every label gets where CAA acts, ``[labels]``: the mean over tokens and sites."""
    shares = [(site.weights * site.acts[:, None]).sum(0) / site.acts.sum().clamp(min=1) for site in sites]
    return torch.stack(shares).mean(0)


def times_chosen(sites: Sequence[Attended]) -> Tensor:
    """At how many of the sites every label was chosen, ``[labels]``."""
    return torch.stack([site.chosen for site in sites]).sum(0)


def attention_maps(sites: Sequence[Attended], size: Grid) -> Tensor:
    """The share of attention that every label gets at every place of a picture, mean over sites, ``[labels, H, W]``."""
    by_grid: dict[Grid, list[Tensor]] = {}
    for site in sites:
        by_grid.setdefault(site.grid, []).append((site.weights * site.acts[:, None]).T.unflatten(1, site.grid))
    # Many sites share a grid, and a picture has many more places.
    resized = (
        len(own) * F.interpolate(torch.stack(own).mean(0)[None], size=size, mode="bilinear")[0]
        for own in by_grid.values()
    )
    return sum(resized) / len(sites)


def outstanding_regions(maps: Tensor, shares: Tensor) -> Tensor:
    """The label whose attention at a place is most above what it has on the whole, uint8 ``[H, W]``.

    Not the one with most attention: that is often the same everywhere, and places differ by little.

    Args:
        maps: of :func:`attention_maps`.
        shares: of :func:`region_shares`. Where no label stands out anywhere, the one with most attention counts.

    Returns:
        0 where CAA does not act.
    """
    acts = maps.sum(0)
    above = maps - acts / shares.sum() * shares[:, None, None]
    above[shares == 0] = -torch.inf
    best = above if float(above.max()) > STANDS_OUT else maps
    return torch.where(acts > 0, best.argmax(0), 0).to(torch.uint8)


def selected_share(sites: Sequence[Selected], labels: Tensor) -> Tensor:
    """How much of every label's area in the source HPFA sees, mean over sites, ``[largest label + 1]``.

    Args:
        labels: the source's parsing, integer ``[H, W]``. NaN for numbers that are not in it.
    """
    share_at: dict[Grid, Tensor] = {}
    for grid, mask in dict(sites).items():
        covers = torch.cat([soft_grid((labels == number)[None], grid) for number in range(int(labels.max()) + 1)])
        covers = covers.flatten(1)
        share_at[grid] = (covers * mask).sum(1) / covers.sum(1)
    return torch.stack([share_at[site.grid] for site in sites]).mean(0)


def selected_map(sites: Sequence[Selected], size: Grid) -> Tensor:
    """At how many of the sites HPFA sees a place of the source, as a share of them, ``[H, W]``."""
    maps = [F.interpolate(site.mask.float().view(1, 1, *site.grid), size=size, mode="nearest-exact") for site in sites]
    return torch.stack(maps).mean(0)[0, 0]
