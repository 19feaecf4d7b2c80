"""What RePoseDM has beside its UNet: the source, aligned with the target's pose, as tokens for cross-attention.

Parameter names are the file format: ``alignment.encoder.weight``, …, and ``context.weight``. The ablation B1 has
``encoder.0.weight``, … in the alignment's place.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .map_former import AlignmentShape, RecurrentAlignment, Step

METHOD = "reposedm"


@dataclass(frozen=True)
class RePoseDMShape:
    """Sizes of the modules.

    Attributes:
        context_dim: width of the UNet's cross-attention context.
        alignment: its sizes, of which the plain encoder has channels and width.
        aligned: whether there is an alignment; False is the plain encoder of B1.
        octaves: of the positions beside the features; the paper has none.
    """

    context_dim: int
    alignment: AlignmentShape = field(default_factory=AlignmentShape)
    aligned: bool = True
    octaves: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor], regions: tuple[int, ...] = AlignmentShape.regions) -> "RePoseDMShape":
        """The shape of the weights in ``state``, which do not tell the alignment's regions.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        aligned = "encoder.0.weight" not in state
        if aligned:
            alignment = AlignmentShape.of(state, "alignment.", regions)
        else:
            width, channels = state["encoder.0.weight"].shape[:2]
            alignment = AlignmentShape(channels, width)
        context_dim, inner = state["context.weight"].shape[:2]
        return cls(context_dim, alignment, aligned, (inner - alignment.width) // _WAVES)


class Aligned(NamedTuple):
    """What the UNet is told of a source.

    Attributes:
        tokens: the cross-attention's context, ``[B, ⌈h/2⌉·⌈w/2⌉, context_dim]``, row by row.
        steps: the alignment's iterations; none without it.
    """

    tokens: Tensor
    steps: list[Step]


#: Sine and cosine, along x and along y.
_WAVES = 4


def positions(size: tuple[int, int], octaves: int) -> Tensor:
    """Where a map's places are: sines and cosines of 1, 2, 4, … half turns along x and y, ``[4 · octaves, h, w]``."""
    turns = math.pi * 2.0 ** torch.arange(octaves)
    y, x = ((torch.arange(side) + 0.5) / side * turns[:, None] for side in size)
    waves = torch.stack([y.sin(), y.cos()])[..., None].expand(-1, -1, *size)
    across = torch.stack([x.sin(), x.cos()])[:, :, None].expand(-1, -1, *size)
    return torch.cat([across, waves]).flatten(0, 1)


class RePoseDM(nn.Module):
    """Everything RePoseDM trains beside its UNet."""

    def __init__(self, shape: RePoseDMShape, device=None, dtype=None, operations=nn):
        super().__init__()
        made = {"device": device, "dtype": dtype}
        self.shape = shape
        channels, width = shape.alignment.channels, shape.alignment.width
        self.alignment = self.encoder = None
        if shape.aligned:
            self.alignment = RecurrentAlignment(shape.alignment, operations=operations, **made)
        else:
            # "A simple CNN encoder" is all that section 4.3 says of it.
            self.encoder = nn.Sequential(
                operations.Conv2d(channels, width, 3, padding=1, **made),
                nn.SiLU(),
                operations.Conv2d(width, width, 3, padding=1, **made),
                nn.SiLU(),
                operations.Conv2d(width, width, 3, padding=1, **made),
            )
        # The paper does not say how a map becomes tokens; every second place is enough for cross-attention.
        self.context = operations.Conv2d(
            width + _WAVES * shape.octaves, shape.context_dim, 3, stride=2, padding=1, **made
        )

    def forward(self, source: Tensor, pose: Tensor) -> Aligned:
        """Of the latents ``[B, channels, h, w]`` of the source and of the target's drawn pose, in the UNet's scale."""
        steps = self.alignment(source, pose) if self.alignment is not None else []
        features = steps[-1].features if steps else self.encoder(source)
        if self.shape.octaves:
            where = positions(tuple(features.shape[-2:]), self.shape.octaves).to(features)
            features = torch.cat([features, where.expand(len(features), -1, -1, -1)], 1)
        return Aligned(self.context(features).flatten(2).transpose(1, 2), steps)
