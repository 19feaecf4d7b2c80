"""What ComfyUI's UNet hands to a patch, and its attention."""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict
from uuid import UUID

import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor

from .sites import Site

#: Under this name our things stand in the host's dictionaries.
KEY = "mannequin"
RUN, EVALUATION = f"{KEY}_run", f"{KEY}_evaluation"
#: What wants to know where tokens look, if anything does; see :mod:`.comfy_watch`.
WATCH = f"{KEY}_watch"


class Extra(TypedDict, total=False):
    """``extra_options`` of a patch: the run's transformer options, and what the block says of itself.

    A batch holds one chunk a conditioning: ``cond_or_uncond`` and ``uuids`` have an entry each.
    """

    block: tuple[str, int]
    block_index: int
    n_heads: int
    dim_head: int
    attn_precision: torch.dtype | None
    #: Of the UNet's input, and of the feature map a block works on: ``[B, C, h, w]``.
    original_shape: Sequence[int]
    activations_shape: Sequence[int]
    cond_or_uncond: list[int]
    uuids: list[UUID]
    sigmas: Tensor
    mannequin_run: Any
    mannequin_evaluation: Any
    mannequin_watch: Any


def site_of(extra: Extra) -> Site:
    """The transformer block that calls."""
    return Site(*extra["block"], extra.get("block_index", 0))


def grid_of(extra: Extra) -> tuple[int, int]:
    """Height and width of its feature map."""
    height, width = extra["activations_shape"][-2:]
    return int(height), int(width)


def host_attention(extra: Extra) -> Callable[..., Tensor]:
    """The host's attention, so that the user's choice of kernel keeps working."""

    def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        precision = extra.get("attn_precision")
        return optimized_attention(q, k, v, heads, attn_precision=precision, transformer_options=extra)

    return attention
