"""PCDMs' prior (section 3.2, Fig. 3): a transformer that predicts the target's global embedding.

Six tokens look at each other: source pose, target pose, source embedding, time, noisy embedding, and a learned one in
whose place the clean embedding comes out. Parameter names are the published checkpoint's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..attention.multihead import fused_attention
from ..unclip import MEAN, STD

TOKENS = 6
#: Width of the published heads.
HEAD = 64


@dataclass(frozen=True)
class PriorShape:
    """All sizes; the published one has 20 layers 2048 wide, with 32 heads of 64, for embeddings of 1024 numbers.

    Attributes:
        embedding: length of the embedding (CLIP ViT-H/14: 1024).
        inner: width of the tokens.
        heads: of the attention, which share the width.
        layers: number of transformer blocks.
        pose: numbers that tell a pose: x and y of 18 joints.
        pose_hidden, pose_features: widths inside the pose network and behind it.
    """

    embedding: int
    inner: int
    heads: int
    layers: int
    pose: int = 36
    pose_hidden: int = 512
    pose_features: int = 1024

    @classmethod
    def of(cls, state: Mapping[str, Tensor], heads: int | None = None) -> "PriorShape":
        """The shape of the weights in ``state``.

        Args:
            heads: which the weights do not tell; None is as wide as the published ones.

        Raises:
            KeyError: a key that tells a size is missing.
        """
        inner, embedding = state["proj_in.weight"].shape
        hidden, pose = state["pose_encoder.net.0.weight"].shape
        return cls(
            embedding,
            inner,
            heads or max(1, inner // HEAD),
            len({key.split(".")[1] for key in state if key.startswith("transformer_blocks.")}),
            pose,
            hidden,
            state["pose_encoder.net.4.weight"].shape[0],
        )


class PoseNetwork(nn.Module):
    """ "A compact trainable pose network" of coordinates."""

    def __init__(self, shape: PriorShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.net = nn.Sequential(
            operations.Linear(shape.pose, shape.pose_hidden, **options),
            nn.GELU(),
            # Numbers are part of the published names; training may drop out here.
            nn.Identity(),
            operations.LayerNorm(shape.pose_hidden, **options),
            operations.Linear(shape.pose_hidden, shape.pose_features, **options),
            nn.Identity(),
            operations.LayerNorm(shape.pose_features, **options),
        )

    def forward(self, coordinates: Tensor) -> Tensor:
        """``[B, pose]`` → ``[B, pose_features]``."""
        return self.net(coordinates)


class SelfAttention(nn.Module):
    """Every token looks at all."""

    def __init__(self, shape: PriorShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.heads = shape.heads
        self.to_q = operations.Linear(shape.inner, shape.inner, **options)
        self.to_k = operations.Linear(shape.inner, shape.inner, **options)
        self.to_v = operations.Linear(shape.inner, shape.inner, **options)
        self.to_out = nn.ModuleList([operations.Linear(shape.inner, shape.inner, **options)])

    def forward(self, x: Tensor) -> Tensor:
        return self.to_out[0](fused_attention(self.to_q(x), self.to_k(x), self.to_v(x), self.heads))


class Widened(nn.Module):
    """A layer and its activation, under one name."""

    def __init__(self, dim: int, hidden: int, device=None, dtype=None, operations=nn):
        super().__init__()
        self.proj = operations.Linear(dim, hidden, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(self.proj(x))


class FeedForward(nn.Module):
    """Each token by itself, four times as wide inside."""

    def __init__(self, dim: int, device=None, dtype=None, operations=nn):
        super().__init__()
        self.net = nn.Sequential(
            Widened(dim, 4 * dim, device, dtype, operations),
            nn.Identity(),
            operations.Linear(4 * dim, dim, device=device, dtype=dtype),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Block(nn.Module):
    """Attention and feed-forward, each of what is normalised, each beside the stream."""

    def __init__(self, shape: PriorShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype}
        self.norm1 = operations.LayerNorm(shape.inner, **options)
        self.attn1 = SelfAttention(shape, operations=operations, **options)
        self.norm3 = operations.LayerNorm(shape.inner, **options)
        self.ff = FeedForward(shape.inner, operations=operations, **options)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x))
        return x + self.ff(self.norm3(x))


class TimeEmbedding(nn.Module):
    """Timesteps as a token: cosines and sines, and two layers."""

    def __init__(self, inner: int, device=None, dtype=None, operations=nn):
        super().__init__()
        self.linear_1 = operations.Linear(inner, inner, device=device, dtype=dtype)
        self.linear_2 = operations.Linear(inner, inner, device=device, dtype=dtype)

    def forward(self, timesteps: Tensor, like: Tensor) -> Tensor:
        """``[B]`` → ``[B, inner]`` in the type of ``like``."""
        half = self.linear_1.in_features // 2
        rates = torch.exp(torch.arange(half, device=like.device, dtype=torch.float32) * (-math.log(10000) / half))
        angles = timesteps.to(rates)[:, None] * rates
        waves = torch.cat([angles.cos(), angles.sin()], -1).to(like)
        return self.linear_2(nn.functional.silu(self.linear_1(waves)))


class Prior(nn.Module):
    """x_θ of Eq. 3: the clean embedding, normalised, of a noisy one.

    Attributes:
        mean, std: by which embeddings are normalised.
    """

    mean: float = MEAN
    std: float = STD

    def __init__(self, shape: PriorShape, device=None, dtype=None, operations=nn):
        super().__init__()
        options = {"device": device, "dtype": dtype, "operations": operations}
        plain = {"device": device, "dtype": dtype}
        self.shape = shape
        self.positional_embedding = nn.Parameter(torch.empty(1, TOKENS, shape.inner, **plain))
        self.prd_embedding = nn.Parameter(torch.empty(1, 1, shape.inner, **plain))
        self.pose_encoder = PoseNetwork(shape, **options)
        self.pose_encoder1 = PoseNetwork(shape, **options)
        self.time_embedding = TimeEmbedding(shape.inner, **options)
        self.proj_in = operations.Linear(shape.embedding, shape.inner, **plain)
        self.embedding_proj = operations.Linear(shape.embedding, shape.inner, **plain)
        self.encoder_hidden_states_proj = operations.Linear(shape.pose_features, shape.inner, **plain)
        self.encoder_hidden_states_proj1 = operations.Linear(shape.pose_features, shape.inner, **plain)
        self.transformer_blocks = nn.ModuleList(Block(shape, **options) for _ in range(shape.layers))
        self.norm_out = operations.LayerNorm(shape.inner, **plain)
        self.proj_to_clip_embeddings = operations.Linear(shape.inner, shape.embedding, **plain)

    def condition(self, embedding: Tensor, source_pose: Tensor, target_pose: Tensor) -> Tensor:
        """The tokens of the conditions, once for all steps.

        Args:
            embedding: of the source picture, ``[B, embedding]``, as CLIP gives it.
            source_pose, target_pose: ``[B, pose]``: x, y of every joint, as fractions of width and height.

        Returns:
            ``[B, 3, inner]``: source pose, target pose, source embedding.
        """
        source = self.encoder_hidden_states_proj(self.pose_encoder(source_pose))
        target = self.encoder_hidden_states_proj1(self.pose_encoder1(target_pose))
        return torch.stack([source, target, self.embedding_proj(embedding)], 1)

    def null(self, condition: Tensor) -> Tensor:
        """The null condition of Eq. 4, as published: pose tokens of zeros, and the projection of a zero embedding."""
        pose = torch.zeros_like(condition[:, :2])
        blank = self.embedding_proj(condition.new_zeros(len(condition), 1, self.shape.embedding))
        return torch.cat([pose, blank], 1)

    def forward(self, noisy: Tensor, timesteps: Tensor, condition: Tensor) -> Tensor:
        """``[B, embedding]`` at timesteps ``[B]`` of 0–999 → the clean embedding ``[B, embedding]``, normalised."""
        time, rows = self.time_embedding(timesteps, noisy), len(noisy)
        learned = self.prd_embedding.to(noisy).expand(rows, -1, -1)
        tokens = torch.cat([condition, time[:, None], self.proj_in(noisy)[:, None], learned], 1)
        tokens = tokens + self.positional_embedding.to(noisy)
        for block in self.transformer_blocks:
            tokens = block(tokens)
        return self.proj_to_clip_embeddings(self.norm_out(tokens)[:, -1])
