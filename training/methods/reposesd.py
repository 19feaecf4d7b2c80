"""RePoseSD: Stable Diffusion fine-tuned on captioned pictures with poses, guided by them (section 4.4, Eq. 17).

The latent of the drawn poses stands beside the noise, everybody in one drawing; the caption is the context, by the
checkpoint's own text encoder, which stays as it is.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from model_patches.unet_family import NoiseSchedule
from model_patches.weight_kinds.reposesd import FAMILIES, METHOD, reposesd_metadata

from ..captions import Words, load_words
from ..data.records import Record, caption_of
from ..draws import Draws
from ..errors import TrainingError
from ..objectives import dropped
from .base import Batch
from .field_taught import FieldOptions, FieldTaught
from .one_unet import take_tensors, tensors_of


@dataclass(frozen=True)
class RePoseSDOptions(FieldOptions):
    """Attributes:
    generation: Stable Diffusion's, 1.x or 2.x, of which the base is.
    text: folder with a text encoder and its tokenizer, as diffusers saves them; None is the base's.
    """

    steps: int = 50
    guidance: float = 7.5
    generation: Literal[1, 2] = 2
    text: Path | None = None


class RePoseSD(FieldTaught):
    """Words and poses to pictures."""

    name = METHOD
    Options = RePoseSDOptions

    def __init__(self, options: RePoseSDOptions, seed: int) -> None:
        super().__init__(options, seed, FAMILIES[options.generation])

    @functools.cached_property
    def words(self) -> Words:
        """The text encoder, read when it is first asked for.

        Raises:
            TrainingError: there is none, or it is of another width.
        """
        options = self.options
        folder = options.text or options.base
        if not isinstance(folder, Path):
            raise TrainingError(
                "A small UNet has no text encoder: give options.text, a folder with text_encoder/ and tokenizer/ as "
                "diffusers saves them."
            )
        words = load_words(folder)
        if words.width != self.context_dim:
            raise TrainingError(
                f"The text encoder in '{folder}' is {words.width} wide, and the UNet's context {self.context_dim}. "
                "Give the one that the base was trained with."
            )
        return words

    def read_source(self, record: Record) -> dict[str, Tensor]:
        """Nothing: there is no source."""
        return {}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return super().read_target(record) | {"caption": self.words.tokens(caption_of(record))}

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        noisy, truth, timesteps = self.noisy(batch["target_latent"], draws)
        drop = dropped(draws.uniform(), self.options.drop)
        pose = torch.where(drop[:, None, None, None], 0.0, batch["pose_latent"])
        caption = torch.where(drop[:, None], self.words.tokens("").to(drop.device), batch["caption"])
        prediction = self.told(noisy, timesteps, pose, self.words(caption))
        if self.options.field and draws.shared_uniform() < self.options.field_share:
            # Of a picture that shows nobody there is no pose to be near to.
            keep = ~drop & (batch["skeleton"] > 0).flatten(1).any(1)
            prediction = self.guided_by_field(batch, prediction, truth, timesteps, keep)
        return self.losses(batch, prediction, truth, self.row_weights(timesteps))

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        context = self.words(batch["caption"])
        null = self.words(self.words.tokens("").to(noise.device)[None]).expand_as(context)
        return self.posed_ddim(batch, context, null, noise, steps, guidance)

    def shown(self, batch: Batch) -> list[Tensor]:
        """The poses and the targets."""
        return [batch["pose_latent"], *super().shown(batch)]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        schedule = self.options.schedule
        family = replace(
            FAMILIES[self.options.generation],
            heads=self.heads,
            prediction=schedule.prediction,
            schedule=NoiseSchedule(schedule.betas, zero_snr=schedule.zero_snr),
        )
        return tensors_of(self.denoising, nn.Module()), reposesd_metadata(family)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        take_tensors(tensors, self.denoising, nn.Module())
