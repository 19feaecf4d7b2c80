"""Recurrent pose alignment that is taught where the source shows what the target shows.

Ours, and no paper's: the diffusion loss alone hardly moves a flow, as a picture tells only of pixels beside it where
it should be. Where DensePose of both pictures is known, so is the flow, up to a sixteenth of a part's chart.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def wanted_flow(alike: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """From where in the source a place of the target comes: the middle of the places that show the same surface.

    Args:
        alike: how much of the same surface places of the target and of the source show, ``[B, h · w, h · w]``.
        size: h and w.

    Returns:
        The flow ``[B, 2, h, w]``, x and y in pixels; and where it is known, boolean ``[B, 1, h, w]``.
    """
    height, width = size
    y, x = torch.meshgrid(*(torch.arange(side, device=alike.device).float() for side in size), indexing="ij")
    places = torch.stack([x, y], -1).flatten(0, 1)
    total = alike.sum(-1, keepdim=True)
    flow = alike @ places / total.clamp(min=1e-6) - places
    return flow.mT.unflatten(2, size), (total > 0).mT.unflatten(2, size)


def flow_error(flows: Sequence[Tensor], wanted: Tensor, known: Tensor) -> Tensor:
    """How far flows ``[B, 2, h, w]`` point beside, in pixels: the mean over iterations and places that are known."""
    beside = torch.stack([(flow.float() - wanted).square().sum(1, keepdim=True).add(1e-6).sqrt() for flow in flows])
    return (beside.mean(0) * known).sum() / known.sum().clamp(min=1)
