"""Seeing where a patched MODEL looks while it is evaluated."""

from collections.abc import Sequence
from typing import Any

import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from .attention.joint import Look
from .attention.key_values import KeyValues
from .attention.looking import looked_at
from .comfy_host import WATCH, Extra, grid_of
from .comfy_run import Binding
from .conditions import Shared
from .errors import PatchError
from .sites import Site


class Watch(Shared):
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

    def note(
        self,
        site: Site,
        bindings: Sequence[Binding],
        queries: Tensor,
        own: KeyValues,
        looks: Sequence[Look],
        heads: int,
        extra: Extra,
    ) -> None:
        """What a patch tells of a chunk of the condition, ``[B, N, C]``."""
        height, width = grid_of(extra)
        if queries.shape[1] != height * width:
            return  # Another pack has cut the picture into tiles.
        row, column = (min(int(share * side), side - 1) for share, side in ((self.y, height), (self.x, width)))
        token = row * width + column
        for binding, weights in zip(bindings, looked_at(queries[:, token : token + 1], own, looks, heads), strict=True):
            self.seen[site, binding] = (height, width), weights[0].cpu()


def watched_evaluation(
    model: Any, positive: list, latent: Tensor, percent: float, x: float, y: float, seed: int
) -> Watch:
    """One evaluation of a MODEL on a picture's latent under noise.

    Args:
        percent: of the schedule, 0 is pure noise and 1 none.

    Raises:
        PatchError: nothing of the MODEL looks at a source.
    """
    patcher, watch = model.clone(), Watch(x, y)
    patcher.model_options["transformer_options"] = {**patcher.model_options["transformer_options"], WATCH: watch}
    sampling = patcher.get_model_object("model_sampling")
    sigmas = torch.tensor([float(sampling.percent_to_sigma(percent)), 0.0])
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(seed))
    sampler = comfy.samplers.sampler_object("euler")
    comfy.sample.sample_custom(
        patcher, noise, 1.0, sampler, sigmas, positive, positive, latent, disable_pbar=True, seed=seed
    )
    if not watch.seen:
        raise PatchError(
            "Nothing of this MODEL looks at a source at that moment. Connect the MODEL behind Apply HPFA or Apply "
            "Reference Attention, with a strength above 0, and a moment within their span."
        )
    return watch
