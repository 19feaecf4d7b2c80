"""What PCDMs' second and third stage share: a UNet that is given a picture beside its noise, and DINOv2's tokens."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.networks.pcdms import PCDMs, PCDMsShape
from model_patches.sites import Site
from model_patches.weight_kinds.pcdms_unets import FAMILIES, SIMPLIFIED, stage_metadata

from ..correspondence import Correspondence, Looking, Surface
from ..data.records import Record
from ..diffusers_binding import watched
from ..objectives import Schedule
from ..preprocessing.dino import GRID, load_dino
from .base import Batch, field, of_targets, tensor
from .diffusion import Diffusion, DiffusionOptions
from .one_unet import take_tensors, tensors_of


@dataclass(frozen=True)
class PCDMsStageOptions(DiffusionOptions):
    """Attributes:
    dino_dim: width of DINOv2's tokens.
    hidden: of their projection.
    drop: share of rows of which a condition is dropped; each by itself.
    dino: a DINOv2, whose tokens of zero pixels a dropped photo has, as published; None takes the null condition that
        is sampled with.
    """

    schedule: Schedule = Schedule()
    noise_offset: float = 0.1
    steps: int = 20
    guidance: float = 2.0
    dino_dim: int = 1536
    hidden: int = 768
    drop: float = 0.1
    dino: Path | None = None


class PCDMsStage(Diffusion):
    """A UNet of Stable Diffusion 2.x's architecture, and :class:`~model_patches.networks.pcdms.PCDMs` beside it.

    Args:
        stage: of :mod:`model_patches.weight_kinds.pcdms_unets`.
        pose_widths: levels of the pose encoder; empty without one.
    """

    def __init__(self, options: PCDMsStageOptions, seed: int, stage: str, pose_widths: tuple[int, ...] = ()) -> None:
        super().__init__(options, seed, FAMILIES[stage])
        self.stage = stage
        first = self.denoising.config.block_out_channels[0] if pose_widths else 0
        shape = PCDMsShape(options.dino_dim, options.hidden, self.context_dim, pose_widths, first)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.modules_ = PCDMs(shape)
        self.modules_.projected_null = stage == SIMPLIFIED
        if self.modules_.pose_encoder is not None:
            self.modules_.pose_encoder.zero_output()
        blank = load_dino(options.dino).blank() if options.dino else None
        self.register_buffer("blank_tokens", blank, persistent=False)

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = {"dino": tensor(field(record, "dino"))}
        if self.options.correspondence:
            read["source_parsing"] = tensor(field(record, "parsing"), torch.uint8)
            read["source_iuv"] = tensor(field(record, "iuv"), torch.uint8)
        return read

    def project(self, batch: Batch, rows: int, dropped: Tensor | None = None) -> Tensor:
        """DINOv2's tokens as context, of every target ``[B, tokens, context]``; of dropped rows the null's."""
        tokens = batch["dino"].float()
        projected = of_targets(self.modules_.image_projection(tokens), rows)
        if dropped is None or not dropped.any():
            return projected
        if self.blank_tokens is not None:
            null = self.modules_.image_projection(self.blank_tokens[None])
        else:
            null = self.modules_.null_context(projected)
        return torch.where(dropped[:, None, None], null, projected)

    @abstractmethod
    def looked_at(self, looking: Looking, latent: tuple[int, int]) -> dict[str, Callable[[Site, Tensor], None]]:
        """What :func:`..diffusers_binding.watched` tells ``looking``; ``latent`` is the size of a target's."""

    def tokens_seen(self, looking: Looking, attention: Tensor, grid: tuple[int, int]) -> None:
        """Be told how a target's tokens of this grid look at DINOv2's; the attention has a column for each token."""
        patches = GRID[0] * GRID[1]
        looking.see(attention[..., 1 : 1 + patches], grid, GRID)

    def correspondence(self, batch: Batch) -> Correspondence:
        """Of the batch's targets and sources."""
        return Correspondence(
            Surface(batch["target_iuv"], batch["target_parsing"]), Surface(batch["source_iuv"], batch["source_parsing"])
        )

    def predicted(self, batch: Batch, predict: Callable[[], Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """What ``predict`` gives, and the error of where the network looked meanwhile, if that is taught."""
        if not self.options.correspondence:
            return predict(), {}
        latent = tuple(batch["target_latent"].shape[-2:])
        looking = Looking(self.correspondence(batch), latent, latent)
        with watched(self.denoising, **self.looked_at(looking, latent)):
            prediction = predict()
        return prediction, {"correspondence": self.options.correspondence * looking.error()}

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        header = stage_metadata(self.stage, self.options.schedule.prediction) | self.heads.metadata(
            FAMILIES[self.stage]
        )
        return tensors_of(self.denoising, self.modules_), header

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        take_tensors(tensors, self.denoising, self.modules_)
