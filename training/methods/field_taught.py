"""What RePoseDM and RePoseSD share: gradient guidance from the pose interaction field in the loss (Eq. 3, 15, 17)."""

import functools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from model_patches.guidance.pose_interaction_field import Rule

from ..autoencoders import load_autoencoder
from ..data.records import Record
from ..drawn_pose import drawn_people
from ..errors import TrainingError
from ..seen_poses import SeenPoses, load_estimator
from ..taught_field import TaughtField
from .base import Batch, field, tensor
from .diffusion import Diffusion, DiffusionOptions


@dataclass(frozen=True)
class FieldOptions(DiffusionOptions):
    """Attributes:
    field: s of gradient guidance in the loss; 0 leaves it out.
    field_share: share of steps in which it is computed; ours, where an estimator takes longer than the UNet.
    rule: of its scale over the noise; "relative" is a share of what the prediction is wrong by.
    estimator, decoder: a pose estimator's file and the latents' autoencoder, for gradient guidance.
    drop: p, share of rows that train the null condition.
    """

    field: float = 1e-6
    field_share: float = 1.0
    rule: Rule = "Eq. 15"
    estimator: Path | None = None
    decoder: Path | None = None
    drop: float = 0.1

    def __post_init__(self) -> None:
        if self.field and self.rule == "Eq. 15" and self.schedule.zero_snr:
            raise ValueError("Eq. 15 grows without bound under zero_snr: choose the rule 'Eq. 14' or 'relative'.")


class FieldTaught(Diffusion):
    """A diffusion method that is given the drawn pose's latent, and whose loss is guided by the pose."""

    @functools.cached_property
    def taught_field(self) -> TaughtField:
        """Gradient guidance; its networks are read when it is first asked for.

        Raises:
            TrainingError: they are not given, or cannot be read.
        """
        options = self.options
        if options.estimator is None or options.decoder is None:
            raise TrainingError(
                "Gradient guidance looks at pictures with a pose estimator: give options.estimator (a file of Load "
                "Pose Estimator) and options.decoder (the latents' autoencoder), or set options.field to 0."
            )
        seen = SeenPoses(load_estimator(options.estimator), load_autoencoder(options.decoder))
        return TaughtField(seen, options.rule, options.field)

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = super().read_target(record) | {"pose_latent": tensor(field(record, "pose_latent"), torch.float32)}
        if self.options.field:
            read["skeleton"] = tensor(drawn_people(record))
        return read

    def posed_ddim(
        self, batch: Batch, context: Tensor, null: Tensor, noise: Tensor, steps: int | None, guidance: float | None
    ) -> Tensor:
        """As :meth:`guided_ddim`, of the batch's poses and a context ``[B, tokens, D]``.

        Args:
            null: the context of the null condition, which has no pose.
        """
        pose = batch["pose_latent"]
        blank = torch.zeros_like(pose)
        return self.guided_ddim(
            noise,
            lambda x, timesteps: self.told(x, timesteps, pose, context),
            lambda x, timesteps: self.told(x, timesteps, blank, null),
            steps,
            guidance,
        )

    def guided_by_field(
        self, batch: Batch, prediction: Tensor, truth: Tensor, timesteps: Tensor, keep: Tensor
    ) -> Tensor:
        """ε̃_θ of Eq. 3 and 15, of the rows ``keep``; the others have no pose to be compared with."""
        taught = self.taught_field
        if not keep.any():
            return prediction
        alphas = self.noise.alphas_cumprod.to(timesteps.device)[timesteps]
        kind = self.options.schedule.prediction
        moved = taught.shift((truth - prediction)[keep], alphas[keep], kind, batch["skeleton"][keep])
        return prediction.index_add(0, keep.nonzero().flatten(), moved.to(prediction.dtype))
