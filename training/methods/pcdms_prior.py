"""PCDMs' first stage: a transformer learns the target's global embedding (section 3.2, Eq. 3).

Loss: the squared error of the normalised clean embedding. Dropping source picture, source pose and target pose by
themselves, each to zero, as the published code trains.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn

from model_patches.networks.prior import Prior, PriorShape
from model_patches.prior_sampling import sample_embedding
from model_patches.unclip import MEAN, STD, TIMESTEPS
from model_patches.weight_kinds.pcdms_prior import PREFIX, prior_metadata
from preprocessors.coordinates import pose_coordinates

from ..data.records import Record
from ..draws import Draws
from ..errors import TrainingError
from ..objectives import dropped, squared_error
from ..preprocessing.clip import load_clip_vision
from .base import Batch, Method, field, frame_of, of_targets, tensor

#: Spread of a fresh transformer's learned tokens.
_TOKEN_SPREAD = 0.02


@dataclass(frozen=True)
class PCDMsPriorOptions:
    """Attributes:
    shape: sizes of the transformer, the embedding's first; the published ones by default.
    mean, std: by which embeddings are normalised: CLIP ViT-H/14's; 0 and 1 for white ones.
    drop: share of what is dropped of each of the three conditions.
    noise_offset: strength of the noise's own mean.
    missing: coordinates of a joint that is not seen.
    clip_vision: folder of the image encoder, whose embedding of zero pixels a dropped source picture has; None takes
        zeros, which is the null condition while sampling.
    steps, guidance: of sampling.
    """

    shape: PriorShape = PriorShape(1024, 2048, 32, 20)
    mean: float = MEAN
    std: float = STD
    drop: float = 0.1
    noise_offset: float = 0.1
    missing: float = 0.0
    clip_vision: Path | None = None
    steps: int = 20
    guidance: float = 1.0


class PCDMsPrior(Method):
    """From the source's embedding and both poses to the target's embedding."""

    name = "pcdms_prior"
    Options = PCDMsPriorOptions

    def __init__(self, options: PCDMsPriorOptions, seed: int) -> None:
        super().__init__()
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.prior = Prior(options.shape)
            for parameter in (self.prior.positional_embedding, self.prior.prd_embedding):
                nn.init.normal_(parameter, std=_TOKEN_SPREAD)
        self.prior.mean, self.prior.std = options.mean, options.std
        self.noise = DDPMScheduler(TIMESTEPS, beta_schedule="squaredcos_cap_v2", prediction_type="sample")

    def read_source(self, record: Record) -> dict[str, Tensor]:
        return {"source_clip": self._clip(record), "source_pose": self._pose(record)}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return {"target_clip": self._clip(record), "target_pose": self._pose(record)}

    def _clip(self, record: Record) -> Tensor:
        embedding, length = tensor(field(record, "clip"), torch.float32), self.options.shape.embedding
        if len(embedding) != length:
            raise TrainingError(
                f"The CLIP embedding of '{record.name}' has {len(embedding)} numbers, and options.shape.embedding is "
                f"{length}. Set it to {len(embedding)}, or compute the data set's embeddings with another network."
            )
        return embedding

    def _pose(self, record: Record) -> Tensor:
        frame = frame_of(record)
        if not frame.people[..., 2].any():
            return torch.full((self.options.shape.pose,), self.options.missing)
        return pose_coordinates([frame], "The pose", self.options.missing)[0]

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        clean = (batch["target_clip"] - self.options.mean) / self.options.std
        noise = draws.normal(clean.shape[1])
        if self.options.noise_offset:
            noise = noise + self.options.noise_offset * draws.normal(1)
        timesteps = draws.integers(TIMESTEPS)
        noisy = self.noise.add_noise(clean, noise, timesteps)
        made = self.prior(noisy, timesteps, self._condition(batch, len(clean), draws))
        return {"embedding": squared_error(made, clean).mean()}

    def _condition(self, batch: Batch, rows: int, draws: Draws) -> Tensor:
        """Tokens of the conditions, of every target, some of them dropped."""
        kept = [
            torch.where(dropped(draws.uniform(), self.options.drop)[:, None], blank.to(part), part)
            for part, blank in zip(
                self._given(batch, rows), (self._blank, torch.zeros(()), torch.zeros(())), strict=True
            )
        ]
        return self.prior.condition(*kept)

    def _given(self, batch: Batch, rows: int) -> list[Tensor]:
        """Source embedding, source pose and target pose, of every target."""
        return [of_targets(batch[name], rows) for name in ("source_clip", "source_pose", "target_pose")]

    @functools.cached_property
    def _blank(self) -> Tensor:
        if self.options.clip_vision is None:
            return torch.zeros(self.options.shape.embedding)
        return load_clip_vision(self.options.clip_vision).blank()

    @torch.no_grad()
    def embedding(self, batch: Batch, noise: Tensor, guidance: float | None = None) -> Tensor:
        """Target embeddings ``[B, embedding]``; ``noise`` is ``[steps, B, embedding]``, the start first."""
        guidance = self.options.guidance if guidance is None else guidance
        return sample_embedding(self.prior, *self._given(batch, len(batch["target_pose"])), noise, guidance)

    def show(self, batch: Batch, draws: Draws, autoencoder: object) -> list[Tensor]:
        raise TrainingError("The prior makes embeddings and no pictures: set grid_every to 0.")

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        tensors = {PREFIX + key: value for key, value in self.prior.state_dict().items()}
        return tensors, prior_metadata(self.options.shape.heads, self.options.mean, self.options.std)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        self.prior.load_state_dict({key.removeprefix(PREFIX): value for key, value in tensors.items()})
