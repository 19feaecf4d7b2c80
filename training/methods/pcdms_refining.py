"""PCDMs' third stage: a coarse picture gets the source's textures back (section 3.4, Eq. 7; Fig. 9).

Taught on what the stage before it makes of the training pairs, see :mod:`training.coarse`. The coarse picture is
dropped to zeros in the latent, as while sampling; DINOv2's tokens never are.
"""

import torch
from torch import Tensor

from model_patches.sites import Site
from model_patches.weight_kinds.pcdms_unets import REFINING

from ..correspondence import Looking, grid_of
from ..data.records import Record
from ..draws import Draws
from ..objectives import dropped
from .base import Batch, field, tensor
from .pcdms_stage import PCDMsStage, PCDMsStageOptions


class PCDMsRefining(PCDMsStage):
    """From a coarse picture and the source's tokens to the target."""

    name = "pcdms_refining"
    Options = PCDMsStageOptions

    def __init__(self, options: PCDMsStageOptions, seed: int) -> None:
        super().__init__(options, seed, REFINING)

    @property
    def alone(self) -> bool:
        return False

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return super().read_target(record) | {"coarse_latent": tensor(field(record, "coarse_latent"), torch.float32)}

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        noisy, truth, timesteps = self.noisy(batch["target_latent"], draws)
        drop = dropped(draws.uniform(), self.options.drop)[:, None, None, None]
        coarse = torch.where(drop, 0.0, batch["coarse_latent"])
        context = self.project(batch, len(noisy))
        prediction, terms = self.predicted(batch, lambda: self.told(noisy, timesteps, coarse, context))
        return self.losses(batch, prediction, truth, self.row_weights(timesteps)) | terms

    def looked_at(self, looking: Looking, latent: tuple[int, int]) -> dict:
        def tokens(site: Site, attention: Tensor) -> None:
            self.tokens_seen(looking, attention, grid_of(attention.shape[1], latent))

        return {"attn2": tokens}

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """The refined latents; the coarse ones are the batch's ``coarse_latent``."""
        coarse, context = batch["coarse_latent"], self.project(batch, len(noise))
        blank, null = torch.zeros_like(coarse), torch.zeros_like(context)
        return self.guided_ddim(
            noise,
            lambda x, timesteps: self.told(x, timesteps, coarse, context),
            lambda x, timesteps: self.told(x, timesteps, blank, null),
            steps,
            guidance,
        )

    def shown(self, batch: Batch) -> list[Tensor]:
        return [batch["coarse_latent"], *super().shown(batch)]
