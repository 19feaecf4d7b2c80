"""RePoseDM's recurrent pose alignment (Eq. 5–9): the source, warped step by step into the target's pose.

What the paper leaves open is as in its nearest relative (Cao et al., "Recurrent Homography Estimation …", 2023), but
for the flow: it is dense, and flows are composed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..attention.multihead import fused_attention

#: A region of the whole map.
GLOBAL = 0


def are_regions(sides: Sequence[int]) -> bool:
    """Whether squares of these sides have a pixel in their middle, or are :data:`GLOBAL`; and there is one at least."""
    return bool(sides) and all(side == GLOBAL or (side > 0 and side % 2) for side in sides)


@dataclass(frozen=True)
class AlignmentShape:
    """All sizes.

    Attributes:
        channels: of the latents.
        width: D, of the features.
        hidden: inside the feed-forward layers.
        radius: R of the correlation, in pixels.
        regions: sides of 𝒩(x), one an iteration from n = 0 on; GLOBAL is the whole map.
    """

    channels: int = 4
    width: int = 96
    hidden: int = 96
    radius: int = 4
    regions: tuple[int, ...] = (GLOBAL, 9, 5, 3, 3)

    @classmethod
    def of(cls, state: Mapping[str, Tensor], prefix: str, regions: tuple[int, ...]) -> "AlignmentShape":
        """The sizes of the weights behind a prefix, which do not tell their regions.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        width, channels = state[f"{prefix}encoder.weight"].shape[:2]
        radius = (math.isqrt(state[f"{prefix}aggregator1.weight"].shape[1]) - 1) // 2
        return cls(channels, width, state[f"{prefix}ffn1.weight"].shape[0], radius, regions)


class Step(NamedTuple):
    """One iteration n.

    Attributes:
        flow: 𝓕ⁿ ``[B, 2, h, w]``, x and y in pixels, from where in the source a pixel comes.
        warped: 𝒲(I_S; 𝓕ⁿ), of the source's latent ``[B, C, h, w]``.
        features: F_Sⁿ, ``[B, width, h, w]``.
    """

    flow: Tensor
    warped: Tensor
    features: Tensor


class RegionAttention(nn.Module):
    """Eq. 5, one head: every pixel looks at the k × k pixels around it, or at all; what lies outside is left out."""

    #: Numbers of keys that are unfolded at a time.
    BUDGET = 2**24

    def __init__(self, width: int, linear: Any):
        super().__init__()
        self.q, self.k, self.v, self.o = (linear(width, width, bias=False) for _ in range(4))

    def looked(self, x: Tensor, other: Tensor, region: int) -> Tensor:
        """softmax(QKᵀ/√D)V of maps ``[B, D, h, w]``: queries of ``x``, keys and values of ``other``."""
        q = self.q(x.flatten(2).transpose(1, 2))
        k, v = (project(other.flatten(2).transpose(1, 2)) for project in (self.k, self.v))
        seen = fused_attention(q, k, v, heads=1) if region == GLOBAL else _local(q, k, v, x.shape[-2:], region)
        return seen.transpose(1, 2).unflatten(2, x.shape[-2:])

    def forward(self, x: Tensor, other: Tensor, region: int) -> Tensor:
        """The same behind the last projection, as tokens ``[B, h·w, D]``."""
        return self.o(self.looked(x, other, region).flatten(2).transpose(1, 2))


def _local(q: Tensor, k: Tensor, v: Tensor, size: tuple[int, int], region: int) -> Tensor:
    """Attention of tokens ``[B, h·w, D]`` within squares, some rows of the map at a time."""
    (height, width), reach = size, region // 2
    depth = q.shape[-1]
    rows = max(1, RegionAttention.BUDGET // (len(q) * width * depth * region**2))

    def padded(tokens: Tensor) -> Tensor:
        return F.pad(tokens.transpose(1, 2).unflatten(2, size), [reach] * 4)

    keys, values, inside = padded(k), padded(v), padded(torch.ones_like(k[:1, :, :1]))
    pieces = []
    for top in range(0, height, rows):
        bottom = min(height, top + rows)

        def around(maps: Tensor, top: int = top, bottom: int = bottom) -> Tensor:
            """``[B, rows·w, region², channels]``."""
            unfolded = F.unfold(maps[:, :, top : bottom + 2 * reach], region)
            return unfolded.unflatten(1, (maps.shape[1], -1)).permute(0, 3, 2, 1)

        query = q[:, top * width : bottom * width, None]
        mask = around(inside)[..., 0][:, :, None] > 0
        pieces.append(F.scaled_dot_product_attention(query, around(keys), around(values), attn_mask=mask)[:, :, 0])
    return torch.cat(pieces, 1)


def correlation(target: Tensor, source: Tensor, radius: int) -> Tensor:
    """Eq. 6: ReLU(F_T(x)ᵀ F_S(x + r)) for ‖r‖∞ ≤ R, ``[B, (2R + 1)², h, w]``, rows of r first; zero outside."""
    height, width = target.shape[-2:]
    source = F.pad(source, [radius] * 4)
    offsets = [(down, right) for down in range(2 * radius + 1) for right in range(2 * radius + 1)]
    return torch.stack([(target * source[..., y : y + height, x : x + width]).sum(1) for y, x in offsets], dim=1).relu()


def warp(picture: Tensor, flow: Tensor, outside: str = "zeros") -> Tensor:
    """𝒲(I; 𝓕)(x) = I(x + 𝓕(x)), read bilinearly.

    Args:
        picture: ``[B, C, h, w]``.
        flow: ``[B, 2, h, w]``, x and y in pixels.
        outside: "zeros", or "border" for the outermost pixels.
    """
    # Half precision cannot tell places in a large map.
    dtype = torch.promote_types(picture.dtype, torch.float32)
    height, width = picture.shape[-2:]
    y, x = torch.meshgrid(
        *(torch.arange(side, device=flow.device, dtype=dtype) for side in (height, width)), indexing="ij"
    )
    places = (torch.stack([x, y]) + flow.to(dtype)).movedim(1, -1)
    grid = (2 * places + 1) / torch.tensor([width, height], device=flow.device, dtype=dtype) - 1
    return F.grid_sample(picture.to(dtype), grid, padding_mode=outside, align_corners=False).to(picture.dtype)


def composed(flow: Tensor, then: Tensor) -> Tensor:
    """Eq. 7, 𝓕ⁿ⁺¹ = 𝓕ⁿ ∘ Δ𝓕ⁿ⁺¹: x is at x + Δ, and from there where 𝓕ⁿ points; read at the border beyond it."""
    return warp(flow, then, outside="border") + then


def upscaled(flow: Tensor, size: tuple[int, int]) -> Tensor:
    """A flow ``[B, 2, h, w]`` in pixels of its map, as one of a larger picture in its pixels: ``[B, 2, *size]``."""
    height, width = size
    scale = flow.new_tensor([width / flow.shape[-1], height / flow.shape[-2]]).view(2, 1, 1)
    return F.interpolate(flow, size=size, mode="bilinear", align_corners=False) * scale


class RecurrentAlignment(nn.Module):
    """MapFormer and Pose Mapping Aggregator (Fig. 1, section 3.2); shared by all iterations and both maps."""

    def __init__(self, shape: AlignmentShape, device=None, dtype=None, operations: Any = nn):
        super().__init__()
        self.shape = shape
        width, made = shape.width, {"device": device, "dtype": dtype}

        def linear(inner: int, outer: int, bias: bool = True) -> nn.Module:
            return operations.Linear(inner, outer, bias=bias, **made)

        def convolution(inner: int, outer: int) -> nn.Module:
            return operations.Conv2d(inner, outer, 3, padding=1, **made)

        self.encoder = convolution(shape.channels, width)
        self.self_attention, self.cross_attention = (RegionAttention(width, linear) for _ in range(2))
        self.norm1, self.norm2, self.norm3 = (operations.LayerNorm(width, **made) for _ in range(3))
        self.ffn1, self.ffn2 = linear(width, shape.hidden), linear(shape.hidden, width)
        self.aggregator1 = convolution((2 * shape.radius + 1) ** 2, width)
        self.aggregator2 = convolution(width, 2)

    def forward(self, source: Tensor, pose: Tensor) -> list[Step]:
        """Every iteration's flow, warped source and its features, of latents ``[B, C, h, w]`` of source and pose.

        The last step's features are what the UNet's cross-attention is given.
        """
        target, features, steps = self.encoder(pose), self.encoder(source), []
        for region in self.shape.regions:
            delta = self.aggregated(correlation(*self.attended(target, features, region), self.shape.radius))
            flow = composed(steps[-1].flow, delta) if steps else delta
            # Always the source itself: what a former warp has lost can come back.
            warped = warp(source, flow)
            features = self.encoder(warped)
            steps.append(Step(flow, warped, features))
        return steps

    def attended(self, target: Tensor, source: Tensor, region: int) -> tuple[Tensor, Tensor]:
        """F'_T and F'_S ``[B, D, h, w]``: self-attention, cross-attention both ways, feed-forward."""
        target, source = (
            _beside(maps, self.norm1(self.self_attention(maps, maps, region))) for maps in (target, source)
        )
        target, source = (
            _beside(maps, self.norm2(self.cross_attention(maps, other, region)))
            for maps, other in ((target, source), (source, target))
        )
        return self._fed(target), self._fed(source)

    def _fed(self, maps: Tensor) -> Tensor:
        tokens = maps.flatten(2).transpose(1, 2)
        return _beside(maps, self.norm3(self.ffn2(self.ffn1(tokens).relu())))

    def aggregated(self, correlated: Tensor) -> Tensor:
        """Δ𝓕 ``[B, 2, h, w]`` of a correlation, in its pixels."""
        pooled = F.max_pool2d(self.aggregator1(correlated).relu(), 2, ceil_mode=True)
        size = correlated.shape[-2:]
        return F.interpolate(self.aggregator2(pooled), size=size, mode="bilinear", align_corners=False)


def _beside(maps: Tensor, branch: Tensor) -> Tensor:
    """A map with tokens ``[B, h·w, D]`` added."""
    return maps + branch.transpose(1, 2).unflatten(2, maps.shape[-2:])
