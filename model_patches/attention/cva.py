"""Cross-View Attention (IMAGPose, section 3.4): attention among views of a person, at one place of all of them.

The feature map of a joint picture is split into its tiles; every pixel attends to the pixels at the same place of the
other tiles. The published module is a temporal module of AnimateDiff, with tiles for frames; parameter names are its.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..unet_family import GROUPS
from .multihead import Attention, fused_attention

#: Where modules stand: behind every layer, a resnet and its transformer where it has one, as published; or, as the
#: paper says, behind those with cross-attention alone.
Placement = Literal["after each layer", "after cross-attention"]
AFTER_LAYERS: Placement = "after each layer"
AFTER_ATTENTION: Placement = "after cross-attention"
#: Of the published modules, whose weights do not tell it.
HEADS = 8
#: For how many views the published modules know positions.
VIEWS = 32
#: Rows and columns of tiles in a joint picture.
Tiles = tuple[int, int]
PUBLISHED_TILES: Tiles = (2, 2)
#: Pixels that attend at a time: fused kernels take no more than 65,535, and the feed-forward layer is eight times wide.
_ROWS = 2**14


@dataclass(frozen=True)
class CVAShape:
    """Sizes of one module.

    Attributes:
        dim: width of the feature map.
        views: how many it has positions for.
        depth: transformer blocks.
    """

    dim: int
    views: int = VIEWS
    depth: int = 1

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "CVAShape":
        """The shape of a module's weights.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        depth = len({key.split(".")[1] for key in state if key.startswith("transformer_blocks.")})
        positions = state["transformer_blocks.0.attention_blocks.0.pos_encoder.pe"]
        return cls(state["norm.weight"].shape[0], positions.shape[1], depth)


def split_tiles(picture: Tensor, tiles: Tiles) -> Tensor:
    """``[B, C, rows·h, columns·w]`` → ``[B, rows·columns, C, h, w]``, row by row."""
    rows, columns = tiles
    cells = picture.unflatten(-1, (columns, -1)).unflatten(-3, (rows, -1))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def join_tiles(views: Tensor, tiles: Tiles) -> Tensor:
    """The inverse of :func:`split_tiles`."""
    return views.unflatten(1, tiles).permute(0, 3, 1, 4, 2, 5).flatten(-2).flatten(-3, -2)


class CVA(nn.Module):
    """One module; it adds to the feature map, and begins with adding nothing."""

    def __init__(self, shape: CVAShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.shape = shape
        self.norm = operations.GroupNorm(GROUPS, shape.dim, eps=1e-6, **options)
        self.proj_in = operations.Linear(shape.dim, shape.dim, **options)
        self.transformer_blocks = nn.ModuleList(
            _Block(shape, operations=operations, **options) for _ in range(shape.depth)
        )
        self.proj_out = operations.Linear(shape.dim, shape.dim, **options)

    def zero_output(self) -> "CVA":
        """Set the last layer to zero: the state training starts from."""
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)
        return self

    def forward(self, views: Tensor, attention: Attention = fused_attention) -> Tensor:
        """``[B, V, C, h, w]`` → the same shape; V is at most ``shape.views``."""
        return views + self.added(views, attention)

    def added(self, views: Tensor, attention: Attention = fused_attention) -> Tensor:
        """What :meth:`forward` adds to the views."""
        batch, number, _, height, width = views.shape
        normed = self.norm(views.flatten(0, 1)).unflatten(0, (batch, number))
        tokens = normed.permute(0, 3, 4, 1, 2).flatten(0, 2)
        seen = torch.cat([self._attended(rows, attention) for rows in tokens.split(_ROWS)])
        return seen.unflatten(0, (batch, height, width)).permute(0, 3, 4, 1, 2)

    def _attended(self, tokens: Tensor, attention: Attention) -> Tensor:
        """``[N, V, C]``, a row for every place."""
        tokens = self.proj_in(tokens)
        for block in self.transformer_blocks:
            tokens = block(tokens, attention)
        return self.proj_out(tokens)


class _Block(nn.Module):
    """Twice attention among the views, then the feed-forward layer."""

    def __init__(self, shape: CVAShape, operations=nn, **options):
        super().__init__()
        self.attention_blocks = nn.ModuleList(_Attention(shape, operations=operations, **options) for _ in range(2))
        self.norms = nn.ModuleList(operations.LayerNorm(shape.dim, **options) for _ in range(2))
        self.ff = _FeedForward(shape.dim, operations=operations, **options)
        self.ff_norm = operations.LayerNorm(shape.dim, **options)

    def forward(self, tokens: Tensor, attention: Attention) -> Tensor:
        for layer, norm in zip(self.attention_blocks, self.norms, strict=True):
            tokens = tokens + layer(norm(tokens), attention)
        return tokens + self.ff(self.ff_norm(tokens))


class _Attention(nn.Module):
    """Self-attention of views that know their positions."""

    def __init__(self, shape: CVAShape, operations=nn, **options):
        super().__init__()
        self.to_q, self.to_k, self.to_v = (
            operations.Linear(shape.dim, shape.dim, bias=False, **options) for _ in range(3)
        )
        # Numbers are part of the published names.
        self.to_out = nn.ModuleList([operations.Linear(shape.dim, shape.dim, **options)])
        self.pos_encoder = _Positions(shape, **options)

    def forward(self, tokens: Tensor, attention: Attention) -> Tensor:
        tokens = tokens + self.pos_encoder.pe[:, : tokens.shape[1]].to(tokens)
        return self.to_out[0](attention(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), HEADS))


class _Positions(nn.Module):
    """Sines and cosines of a view's number, kept among the weights."""

    def __init__(self, shape: CVAShape, device=None, dtype=None):
        super().__init__()
        numbers = torch.arange(shape.views, device=device)[:, None]
        steps = torch.arange(0, shape.dim, 2, device=device)
        angles = numbers * 10000.0 ** (-steps / shape.dim)
        self.register_buffer("pe", torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[None].to(dtype))


class _FeedForward(nn.Module):
    """GEGLU, four times as wide."""

    def __init__(self, dim: int, operations=nn, **options):
        super().__init__()
        entrance = nn.Module()
        entrance.proj = operations.Linear(dim, 8 * dim, **options)
        # The number between is of the published names.
        self.net = nn.ModuleList([entrance, nn.Identity(), operations.Linear(4 * dim, dim, **options)])

    def forward(self, tokens: Tensor) -> Tensor:
        hidden, gate = self.net[0].proj(tokens).chunk(2, -1)
        return self.net[2](hidden * F.gelu(gate))
