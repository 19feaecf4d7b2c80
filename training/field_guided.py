"""Samples that the pose interaction field pulls towards their pose (RePoseDM, Eq. 16), of any method.

As the node Pose Interaction Field does it: ``python -m training.evaluate … --predictor
field:WEIGHTS,ESTIMATOR,scale=0.05`` measures what it brings.
"""

import itertools
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.guidance.pose_interaction_field import Rule, shift

from .autoencoders import Autoencoder
from .data.records import Record
from .drawn_pose import drawn_people
from .errors import TrainingError
from .methods.base import Batch, Sampler, tensor
from .methods.diffusion import Diffusion
from .methods.imagpose import IMAGPose
from .pcdms import load_prior_and_inpainting
from .sampling import load_method
from .seen_poses import SeenPoses, load_estimator

#: ᾱ of what the host takes pure noise for, which has no finite σ.
_LEAST = 4.8973451890853435e-08


@dataclass(frozen=True)
class FieldUse:
    """How the node is set.

    Attributes:
        scale: s, or by the rule "relative" a share of x̂₀; the node has millionths and percent of them.
        every: steps from one guided to the next.
    """

    scale: float = 0.05
    rule: Rule = "relative"
    every: int = 1


class FieldGuided(Sampler):
    """A trained method under the field's guidance; of joint pictures every view of the target is looked at by itself.

    Args:
        method: what is sampled.
        unet: whose predictions are guided; None where it is the method's own.
        seen: the estimator and the latents' decoder.
    """

    def __init__(self, method: Sampler, seen: SeenPoses, use: FieldUse, unet: Diffusion | None = None) -> None:
        self.method, self.seen, self.use = method, seen, use
        self.unet = method if unet is None else unet

    def read_source(self, record: Record) -> dict[str, Tensor]:
        """As the method reads it."""
        return self.method.read_source(record)

    def read_target(self, record: Record) -> dict[str, Tensor]:
        """As the method reads it, and the pose."""
        drawn = drawn_people(record)
        return self.method.read_target(record) | {"field_pose": tensor(drawn)}

    def noise_shape(self, batch: Batch) -> tuple[int, ...]:
        return self.method.noise_shape(batch)

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        with self._steered(batch):
            return self.method.sample(batch, noise, steps, guidance)

    @torch.no_grad()
    def pictures(
        self,
        batch: Batch,
        noise: Tensor,
        autoencoder: Autoencoder,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        with self._steered(batch):
            return self.method.pictures(batch, noise, autoencoder, steps, guidance)

    def _steered(self, batch: Batch) -> AbstractContextManager[None]:
        done = itertools.count()

        def steer(latents: Tensor, timesteps: Tensor, told: Tensor, guided: Tensor, scale: float) -> Tensor:
            if next(done) % self.use.every:
                return guided
            return self._moved(latents, timesteps, told, guided, scale, batch["field_pose"])

        return self.unet.steered(steer)

    def _moved(
        self, latents: Tensor, timesteps: Tensor, told: Tensor, guided: Tensor, scale: float, drawn: Tensor
    ) -> Tensor:
        """The guided prediction, whose x̂₀ is moved along the gradient of the condition's."""
        noise = (self.unet.options.sampling or self.unet.options.schedule).scheduler()
        alphas = noise.alphas_cumprod.to(latents.device)[timesteps].clamp(min=_LEAST).view(-1, 1, 1, 1)
        root, rest = alphas.sqrt(), (1 - alphas).sqrt()
        by_noise = noise.config.prediction_type == "epsilon"
        clean = (latents - rest * told) / root if by_noise else root * latents - rest * told
        _, gradient = self.seen.gradient(clean, drawn, self.unet.shows_target)
        moved = shift(clean, gradient, (rest / root).flatten(), self.use.scale, scale, self.use.rule)
        moved = torch.where(moved.flatten(1).isfinite().all(1).view(-1, 1, 1, 1), moved, 0.0)
        return guided + moved * (root / rest if by_noise else 1 / rest)


def load_field_guided(
    path: Path, estimator: Path, decoder: Autoencoder, use: FieldUse, prior: Path | None = None
) -> FieldGuided:
    """From the weights that ``training.train`` wrote and a file of Load Pose Estimator.

    Args:
        prior: of PCDMs, whose second stage is then guided.

    Raises:
        TrainingError: a file is none, or of what makes no picture by itself, or of IMAGPose's views along the batch.
    """
    device = next(decoder.parameters()).device
    seen = SeenPoses(load_estimator(estimator), decoder)
    if prior is not None:
        stages = load_prior_and_inpainting(path, prior)
        for stage in (stages.inpainting, stages.prior):
            stage.to(device)
        return FieldGuided(stages, seen, use, stages.inpainting)
    method = load_method(path)
    if not (isinstance(method, Diffusion) and method.alone):
        raise TrainingError(
            f"'{path}' is of {method.name}, which makes no pictures by itself, so there is nothing to guide. PCDMs' "
            "first two stages are given together: field:INPAINTING,ESTIMATOR,PRIOR."
        )
    if isinstance(method, IMAGPose) and not method.tiled:
        raise TrainingError(
            f"'{path}' is an IMAGPose of views along the batch (M1), which the field does not guide. Give one of tiles."
        )
    return FieldGuided(method.to(device), seen, use)
