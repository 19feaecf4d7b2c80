"""Watching a patched MODEL while it is evaluated, and where it looks then."""

from collections.abc import Iterable, Sequence
from typing import Any

import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from .attention.folded import FoldedTokens
from .attention.joint import Look
from .attention.key_values import KeyValues
from .attention.looking import looked_at
from .comfy_evaluation import Rows
from .comfy_host import KEY, WATCH, Extra, grid_of
from .comfy_run import Binding
from .conditions import Shared
from .errors import PatchError
from .sites import Site
from .source import SourceSite


class Watch(Shared):
    """What patches tell of themselves; a watch notes what it wants to know."""

    def note_source(self, site: Site, binding: Binding, features: SourceSite) -> None:
        """A condition has read a site of SourceNet's pass."""

    def note_looks(
        self,
        site: Site,
        bindings: Sequence[Binding],
        chunk: Rows,
        queries: Tensor,
        own: KeyValues,
        looks: Sequence[Look],
        heads: int,
        extra: Extra,
    ) -> None:
        """Self-attention looks at what conditions show it: a chunk's queries ``[B, N, C]``, a look a condition."""

    def note_added(
        self,
        site: Site,
        binding: Binding,
        chunk: Rows,
        asked: Tensor,
        tokens: FoldedTokens,
        weight: float | Tensor,
        extra: Extra,
    ) -> None:
        """A condition adds to cross-attention: a chunk's input ``[B, N, C]``, and how much of it counts where."""


class PlaceWatch(Watch):
    """Notes where the token at one place of the picture looks, at every site that has conditions.

    Args:
        x, y: the place, 0–1 of the picture's width and height.

    Attributes:
        seen: what the first image's token gives each condition's tokens, ``[M]``, by site and condition, and the grid
            of the site.
    """

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y
        self.seen: dict[tuple[Site, Binding], tuple[tuple[int, int], Tensor]] = {}

    def note_looks(self, site, bindings, chunk, queries, own, looks, heads, extra) -> None:
        if not shows_whole(chunk, queries, extra):
            return
        height, width = grid_of(extra)
        row, column = (min(int(share * side), side - 1) for share, side in ((self.y, height), (self.x, width)))
        token = row * width + column
        for binding, weights in zip(bindings, looked_at(queries[:, token : token + 1], own, looks, heads), strict=True):
            self.seen[site, binding] = (height, width), weights[0].cpu()


def shows_whole(chunk: Rows, tokens: Tensor, extra: Extra) -> bool:
    """Whether tokens are those of the whole picture: no area, and no tile that another pack has cut."""
    height, width = grid_of(extra)
    return chunk.part.place is not None and chunk.part.place.is_whole and tokens.shape[1] == height * width


def in_graph_order(model: Any, seen: Iterable[Binding]) -> list[Binding]:
    """Those of a MODEL's conditions, in the order they were applied."""
    seen, applied = set(seen), model.model_options["transformer_options"].get("patches", {}).get(KEY, [])
    return [binding for binding in applied if binding in seen]


def watched_evaluation(model: Any, positive: list, latent: Tensor, percent: float, watch: Watch, seed: int) -> None:
    """One evaluation of a MODEL on a picture's latent under noise.

    Args:
        percent: of the schedule, 0 is pure noise and 1 none.
        watch: who is told.
    """
    patcher = model.clone()
    patcher.model_options["transformer_options"] = {**patcher.model_options["transformer_options"], WATCH: watch}
    sampling = patcher.get_model_object("model_sampling")
    sigmas = torch.tensor([float(sampling.percent_to_sigma(percent)), 0.0])
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(seed))
    sampler = comfy.samplers.sampler_object("euler")
    comfy.sample.sample_custom(
        patcher, noise, 1.0, sampler, sigmas, positive, positive, latent, disable_pbar=True, seed=seed
    )


def numbered(conditions: Sequence[Binding], number: int, what: str) -> Binding:
    """The condition with this number, from 1.

    Raises:
        PatchError: there are not so many.
    """
    if number > len(conditions):
        raise PatchError(
            f"This MODEL has {len(conditions)} conditions that {what}, and condition is {number}. Set it to a number "
            f"up to {len(conditions)}."
        )
    return conditions[number - 1]
