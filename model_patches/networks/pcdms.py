"""What PCDMs' inpainting and refining models have beside their UNets: pose encoder, projection of DINO's tokens.

Parameter names are the published checkpoints', under ``pose_encoder.`` and ``image_projection.``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .pose_guider import PoseGuider, pose_widths

METHOD = "pcdms"


@dataclass(frozen=True)
class PCDMsShape:
    """Sizes of the modules.

    Attributes:
        dino_dim: width of DINOv2's tokens (giant: 1536).
        hidden: of the projection.
        context_dim: width of the UNet's cross-attention context.
        pose_widths: levels of the pose encoder; empty without one.
        pose_channels: width of the UNet's first feature map; 0 without a pose encoder.
    """

    dino_dim: int
    hidden: int
    context_dim: int
    pose_widths: tuple[int, ...] = ()
    pose_channels: int = 0

    @classmethod
    def of(cls, state: Mapping[str, Tensor]) -> "PCDMsShape":
        """The shape of the weights in ``state``.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        hidden, dino_dim = state["image_projection.net.0.weight"].shape
        pose = state.get("pose_encoder.conv_out.weight")
        return cls(
            dino_dim,
            hidden,
            state["image_projection.net.4.weight"].shape[0],
            () if pose is None else pose_widths(state, "pose_encoder."),
            0 if pose is None else pose.shape[0],
        )


class TokenProjection(nn.Module):
    """The trainable MLP of section 3.3, from DINOv2's tokens to the context."""

    def __init__(self, dino_dim: int, hidden: int, context_dim: int, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.net = nn.Sequential(
            operations.Linear(dino_dim, hidden, **options),
            nn.GELU(),
            # Numbers are part of the published names; training may drop out here.
            nn.Identity(),
            operations.LayerNorm(hidden, **options),
            operations.Linear(hidden, context_dim, **options),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """``[B, N, dino_dim]`` → ``[B, N, context_dim]``."""
        return self.net(tokens)


class PCDMs(nn.Module):
    """Everything beside the UNet of one stage.

    Attributes:
        class_dim: width of the target's embedding, which is the last token and goes into the class embedding; 0 where
            the stage has none.
        projected_null: whether the null condition's tokens are the projection of zeros (the simplified checkpoint)
            instead of zeros.
    """

    class_dim: int = 0
    projected_null: bool = False

    def __init__(self, shape: PCDMsShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype, "operations": operations}
        self.shape = shape
        self.image_projection = TokenProjection(shape.dino_dim, shape.hidden, shape.context_dim, **options)
        self.pose_encoder = (
            PoseGuider(shape.pose_channels, shape.pose_widths, **options) if shape.pose_channels else None
        )

    def context(self, tokens: Tensor, embedding: Tensor | None = None) -> Tensor:
        """What cross-attention sees: DINO's tokens ``[B, N, dino_dim]`` projected, behind them the target's embedding
        ``[B, context_dim]``."""
        projected = self.image_projection(tokens)
        if embedding is None:
            return projected
        rows = max(len(projected), len(embedding))
        parts = (projected, embedding[:, None].to(projected))
        return torch.cat([part.expand(rows, -1, -1) for part in parts], 1)

    def null_context(self, context: Tensor) -> Tensor:
        """The null condition's tokens in the place of ``context``, ``[1, tokens, context_dim]``."""
        if not self.projected_null:
            return torch.zeros_like(context[:1])
        return self.image_projection(context.new_zeros(1, context.shape[1], self.shape.dino_dim))

    def pose_features(self, pose: Tensor) -> Tensor:
        """Pictures of the pose ``[B, 3, 8h, 8w]`` in 0–1, which this encoder sees in −1…1 → ``[B, width, h, w]``."""
        return self.pose_encoder(2 * pose - 1)
