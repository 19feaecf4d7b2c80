"""PCDMs' first two stages as one sampler: the prior's embedding takes the place of the target's own."""

from pathlib import Path

import torch
from torch import Tensor

from .data.records import Record
from .errors import TrainingError
from .methods.base import Batch, Sampler
from .methods.pcdms_inpainting import PCDMsInpainting
from .methods.pcdms_prior import PCDMsPrior
from .methods.pcdms_refining import PCDMsRefining
from .sampling import load_method


class PriorAndInpainting(Sampler):
    """What is known of a target is its pose.

    Args:
        inpainting: the second stage.
        prior: the first; None where the second was trained without.

    Raises:
        TrainingError: one needs the other, or they are of different embeddings.
    """

    def __init__(self, inpainting: PCDMsInpainting, prior: PCDMsPrior | None) -> None:
        if (prior is not None) != inpainting.options.prior:
            raise TrainingError(
                "This second stage of PCDMs was trained with the target's embedding: give the prior's weights too."
                if inpainting.options.prior
                else "This second stage of PCDMs was trained without the prior: leave the prior's weights out."
            )
        if prior is not None and prior.options.shape.embedding != inpainting.context_dim:
            raise TrainingError(
                f"The prior gives embeddings of {prior.options.shape.embedding} numbers, and the second stage takes "
                f"{inpainting.context_dim}. Give stages that were trained on one data set."
            )
        self.inpainting, self.prior = inpainting, prior

    def read_source(self, record: Record) -> dict[str, Tensor]:
        """As both stages read it."""
        return self.inpainting.read_source(record) | (self.prior.read_source(record) if self.prior else {})

    def read_target(self, record: Record) -> dict[str, Tensor]:
        """As both stages read it, without the target's embedding."""
        read = self.inpainting.read_target(record) | (self.prior.read_target(record) if self.prior else {})
        return {name: value for name, value in read.items() if name != "target_clip"}

    def noise_shape(self, batch: Batch) -> tuple[int, ...]:
        return (sum(self._counts(batch)),)

    def _counts(self, batch: Batch) -> tuple[int, int]:
        """Numbers of noise for the second stage and for the first."""
        joint = torch.Size(self.inpainting.noise_shape(batch)).numel()
        return joint, self.prior.options.steps * self.prior.options.shape.embedding if self.prior else 0

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        joint, first = noise.split(self._counts(batch), 1)
        if self.prior is not None:
            of_steps = first.unflatten(1, (self.prior.options.steps, -1)).movedim(1, 0)
            batch = {**batch, "target_clip": self.prior.embedding(batch, of_steps)}
        return self.inpainting.sample(batch, joint.unflatten(1, self.inpainting.noise_shape(batch)), steps, guidance)


def load_prior_and_inpainting(inpainting: Path, prior: Path | None = None) -> PriorAndInpainting:
    """From the weights that ``training.train`` wrote.

    Raises:
        TrainingError: a file is none of ours, or of another stage.
    """
    first = None if prior is None else _stage(prior, PCDMsPrior, "first stage, the prior")
    return PriorAndInpainting(_stage(inpainting, PCDMsInpainting, "second stage, inpainting"), first)


def load_refining(path: Path) -> PCDMsRefining:
    """From the weights that ``training.train`` wrote.

    Raises:
        TrainingError: the file is none of ours, or of another stage.
    """
    return _stage(path, PCDMsRefining, "third stage, refining")


def _stage(path: Path, kind: type, what: str):
    method = load_method(path)
    if not isinstance(method, kind):
        raise TrainingError(f"'{path}' is of {method.name}, and PCDMs' {what}, is needed.")
    return method
