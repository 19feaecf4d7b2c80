"""Feature-Level Conditioning (IMAGPose, section 3.2): a source's texture and its meaning, as tokens of one context."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class FLCShape:
    """Sizes of the tokenizer.

    Attributes:
        latent_channels: of the autoencoder.
        context_dim: width of the UNet's cross-attention context, and of every token.
        patch: cells of the latent that become a token, on each side.
        dino_dim: width of the image encoder's tokens where they are projected to the context's width (ours; the paper
            compares encoders of several widths and does not say how); 0 where they are the context as they are.
    """

    latent_channels: int = 4
    context_dim: int = 768
    patch: int = 16
    dino_dim: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor], prefix: str = "") -> "FLCShape":
        """The shape of weights.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        context_dim, channels, patch, _ = state[f"{prefix}proj.weight"].shape
        projection = state.get(f"{prefix}dino_projection.weight")
        return cls(channels, context_dim, patch, 0 if projection is None else projection.shape[1])


class FLC(nn.Module):
    """The learnable tokenizer of Eq. 3; ``proj`` is named as published."""

    def __init__(self, shape: FLCShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.shape = shape
        self.proj = operations.Conv2d(shape.latent_channels, shape.context_dim, shape.patch, shape.patch, **options)
        self.dino_projection = (
            operations.Linear(shape.dino_dim, shape.context_dim, **options) if shape.dino_dim else None
        )

    @property
    def token_width(self) -> int:
        """Of the image encoder's tokens."""
        return self.shape.dino_dim or self.shape.context_dim

    def texture(self, latent: Tensor) -> Tensor:
        """F_L: the UNet's latent of a source ``[B, C, h, w]`` → ``[B, ⌊h/16⌋·⌊w/16⌋, context_dim]``, row by row."""
        return self.proj(latent).flatten(2).movedim(1, 2)

    def semantic(self, tokens: Tensor) -> Tensor:
        """F_H: the encoder's tokens ``[B, n, token_width]`` → ``[B, n, context_dim]``."""
        return tokens if self.dino_projection is None else self.dino_projection(tokens)

    def forward(self, latent: Tensor, tokens: Tensor) -> Tensor:
        """F_C of Eq. 3, the encoder's tokens ``[B, n, token_width]`` before the texture's, as published."""
        return torch.cat([self.semantic(tokens), self.texture(latent)], 1)
