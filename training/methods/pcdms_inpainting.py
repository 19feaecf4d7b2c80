"""PCDMs' second stage: the target is painted beside the source (section 3.3, Eq. 5; Fig. 4).

Taught with the target's true embedding; while sampling it is the prior's. DINOv2's tokens and the embedding are dropped
by themselves. Without the prior (B1 and B3 of the ablation) this is the simplified checkpoint's network.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.sites import Site
from model_patches.weight_kinds.pcdms_unets import INPAINTING, SIMPLIFIED

from ..correspondence import Looking, grid_of
from ..data.records import Record
from ..draws import Draws
from ..objectives import dropped
from ..preprocessing.clip import load_clip_vision
from .base import Batch, field, of_targets, skeleton, tensor
from .pcdms_stage import PCDMsStage, PCDMsStageOptions


@dataclass(frozen=True)
class PCDMsInpaintingOptions(PCDMsStageOptions):
    """Attributes:
    prior: whether the target's embedding is given.
    pose_widths: of the pose encoder's levels.
    given: weight of the error in the source's half, which the network is shown; 1 as published, ours where time is
        short.
    clip_vision: folder of the image encoder, whose embedding of zero pixels a dropped target has; None takes zeros.
    """

    prior: bool = True
    pose_widths: tuple[int, ...] = (16, 32, 96, 256)
    given: float = 1.0
    clip_vision: Path | None = None


class PCDMsInpainting(PCDMsStage):
    """The joint picture's second half."""

    name = "pcdms_inpainting"
    Options = PCDMsInpaintingOptions

    def __init__(self, options: PCDMsInpaintingOptions, seed: int) -> None:
        super().__init__(options, seed, INPAINTING if options.prior else SIMPLIFIED, options.pose_widths)
        blank = torch.zeros(self.context_dim)
        if options.prior and options.clip_vision:
            blank = load_clip_vision(options.clip_vision).blank()
        self.register_buffer("blank_embedding", blank, persistent=False)

    @property
    def alone(self) -> bool:
        return not self.options.prior

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = super().read_source(record) | {
            "source_latent": tensor(field(record, "latent"), torch.float32),
            "joint_latent": tensor(field(record, "joint_latent"), torch.float32),
            "source_skeleton": skeleton(record, "PCDMs"),
        }
        if self.options.background != 1 and "source_parsing" not in read:
            read["source_parsing"] = tensor(field(record, "parsing"), torch.uint8)
        return read

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = super().read_target(record) | {"target_skeleton": skeleton(record, "PCDMs")}
        return read | ({"target_clip": tensor(field(record, "clip"), torch.float32)} if self.options.prior else {})

    def noise_shape(self, batch: Batch) -> tuple[int, ...]:
        channels, height, width = super().noise_shape(batch)
        return channels, height, 2 * width

    def shows_target(self, made: Tensor) -> Tensor:
        return made[..., made.shape[-1] // 2 :]

    def beside(self, batch: Batch, rows: int) -> Tensor:
        """1 where the joint picture is shown, and the source beside black, ``[B, 1 + C, h, 2w]``."""
        latent = of_targets(batch["joint_latent"], rows)
        shown = latent.new_zeros(rows, 1, *latent.shape[-2:])
        shown[..., : latent.shape[-1] // 2] = 1
        return torch.cat([shown, latent], 1)

    def pose(self, batch: Batch) -> Tensor:
        """The pose encoder's features of both skeletons, side by side."""
        target = batch["target_skeleton"]
        pictures = torch.cat([of_targets(batch["source_skeleton"], len(target)), target], 2)
        return self.modules_.pose_features(pictures.movedim(-1, 1).float() / 255)

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        rows = len(batch["target_latent"])
        clean = torch.cat([of_targets(batch["source_latent"], rows), batch["target_latent"]], -1)
        noisy, truth, timesteps = self.noisy(clean, draws)
        context = self.project(batch, rows, dropped(draws.uniform(), self.options.drop))
        vector = None
        if self.options.prior:
            drop = dropped(draws.uniform(), self.options.drop)[:, None]
            vector = torch.where(drop, self.blank_embedding, batch["target_clip"])
            context = torch.cat([context, vector[:, None]], 1)
        prediction, terms = self.predicted(
            batch, lambda: self.told(noisy, timesteps, self.beside(batch, rows), context, vector, self.pose(batch))
        )
        return self.losses(batch, prediction, truth, self.row_weights(timesteps)) | terms

    def place_weights(self, batch: Batch, grid: tuple[int, int]) -> Tensor | None:
        options, (height, width) = self.options, grid
        if options.background == options.given == 1:
            return None
        rows, halves = len(batch["target_latent"]), []
        for side, weight in (("source", options.given), ("target", 1.0)):
            place = batch["target_latent"].new_ones(1, 1, height, width // 2)
            if options.background != 1:
                place = self.person_weights(batch[f"{side}_parsing"], (height, width // 2))
            halves.append(weight * of_targets(place, rows))
        return torch.cat(halves, -1)

    def looked_at(self, looking: Looking, latent: tuple[int, int]) -> dict:
        def beside(site: Site, attention: Tensor) -> None:
            grid = _half(attention.shape[1], latent)
            tokens = attention.unflatten(2, (grid[0], 2 * grid[1]))[..., : grid[1]].flatten(2)
            looking.see(_right(tokens, grid), grid, grid)

        def tokens(site: Site, attention: Tensor) -> None:
            grid = _half(attention.shape[1], latent)
            self.tokens_seen(looking, _right(attention, grid), grid)

        return {"attn1": beside, "attn2": tokens}

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """The target's half; ``noise`` is the joint picture's. The embedding is the batch's ``target_clip``."""
        rows = len(noise)
        beside, pose, context = self.beside(batch, rows), self.pose(batch), self.project(batch, rows)
        vector = null_vector = None
        if self.options.prior:
            vector = batch["target_clip"]
            context, null_vector = torch.cat([context, vector[:, None]], 1), torch.zeros_like(vector)
        null = self.modules_.null_context(context).expand_as(context)
        joint = self.guided_ddim(
            noise,
            lambda x, timesteps: self.told(x, timesteps, beside, context, vector, pose),
            lambda x, timesteps: self.told(x, timesteps, beside, null, null_vector, pose),
            steps,
            guidance,
        )
        return self.shows_target(joint)

    def shown(self, batch: Batch) -> list[Tensor]:
        rows = len(batch["target_latent"])
        return [of_targets(batch["source_latent"], rows), *super().shown(batch)]


def _half(tokens: int, latent: tuple[int, int]) -> tuple[int, int]:
    """The grid of one half, of so many tokens of a joint picture whose halves' latents are so large."""
    height, width = grid_of(tokens, (latent[0], 2 * latent[1]))
    return height, width // 2


def _right(attention: Tensor, grid: tuple[int, int]) -> Tensor:
    """Rows of the target's half, ``[B, h · w, M]``."""
    return attention.unflatten(1, (grid[0], 2 * grid[1]))[:, :, grid[1] :].flatten(1, 2)
