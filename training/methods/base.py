"""What a method is to the trainer: how it reads records, its loss, its samples and its weight file.

A new paper is one file beside this one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from preprocessors.keypoints import Frame
from preprocessors.published_skeleton import STYLES, draw_frame

from ..autoencoders import Autoencoder
from ..data.records import Record
from ..draws import Draws
from ..errors import TrainingError

#: Tensors of a batch by name, first dimension the rows.
Batch = Mapping[str, Tensor]


class Method(nn.Module, ABC):
    """One paper's networks and their training.

    ``forward`` is the loss, so that a wrapper for several processes sees every pass.
    """

    #: What recipes call it.
    name: ClassVar[str]

    @abstractmethod
    def read_source(self, record: Record) -> dict[str, Tensor]:
        """What is kept of a picture in the role of the source; may be cached."""

    @abstractmethod
    def read_target(self, record: Record) -> dict[str, Tensor]:
        """What is kept of a picture in the role of the target; names differ from the source's."""

    @abstractmethod
    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        """The loss's terms, each the mean over the rows and already weighted; their sum is minimised."""

    @abstractmethod
    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Tensors and header of the file that the nodes load."""

    @abstractmethod
    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`weights`."""

    @abstractmethod
    def show(self, batch: Batch, draws: Draws, autoencoder: Autoencoder | None) -> list[Tensor]:
        """Columns of a sample grid: pictures ``[B, 3, H, W]`` in −1…1, the method's own last."""

    def begin(self) -> None:
        """Take the weights that a run begins from, where its options name some; nothing by default."""

    def finish(self, batches: Iterable[Batch]) -> None:
        """A last step over some batches of training data before :meth:`weights` is called; nothing by default."""

    def trained(self) -> list[nn.Parameter]:
        """What the optimizer sees."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]


class Sampler(ABC):
    """A method that makes pictures of people."""

    @property
    def alone(self) -> bool:
        """Whether it does so of a source and a pose, without another network's result."""
        return True

    def noise_shape(self, batch: Batch) -> tuple[int, ...]:
        """Of one sample's noise; by default as large as the target's latent, of which nothing else is read."""
        return tuple(batch["target_latent"].shape[1:])

    def shows_target(self, made: Tensor) -> Tensor:
        """Of what is sampled, decoded or not, all that shows the target, each row's together: ``[B · views, …]``."""
        return made

    @abstractmethod
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        """Latents ``[B, C, h, w]`` of the targets, from noise; None takes the paper's number."""

    def pictures(
        self,
        batch: Batch,
        noise: Tensor,
        autoencoder: Autoencoder,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """The targets ``[B, 3, H, W]`` in −1…1, as :meth:`sample` makes them."""
        return autoencoder.decode(self.sample(batch, noise, steps, guidance))


def field(record: Record, name: str) -> np.ndarray:
    """A field of a record.

    Raises:
        TrainingError: the data set does not know it.
    """
    value = record.fields.get(name)
    if value is None:
        raise TrainingError(
            f"The record '{record.name}' has no '{name}', which this method reads. Compute it once for the whole data "
            f"set: python dev.py training preprocess SOURCE OUT --steps {name}"
        )
    return value


def tensor(value: np.ndarray, dtype: torch.dtype | None = None) -> Tensor:
    """A field as a tensor that owns its memory."""
    return torch.tensor(np.asarray(value), dtype=dtype)


def frame_of(record: Record) -> Frame:
    """The person's keypoints, on the picture's canvas."""
    height, width = record.image.shape[:2]
    return Frame(tensor(field(record, "keypoints"), torch.float32)[None], width, height)


def skeleton(record: Record, style: str) -> Tensor:
    """A picture's skeleton in a published style, without hands, uint8 ``[H, W, 3]``."""
    frame = frame_of(record)
    return tensor(draw_frame(frame, frame.width, frame.height, STYLES[style]))


def of_targets(values: Tensor, rows: int) -> Tensor:
    """What was read of S sources, for each of their targets: ``[rows, …]``."""
    return values if len(values) == rows else values.repeat_interleave(rows // len(values), 0)


def pixels(image: Tensor) -> Tensor:
    """Pictures uint8 ``[B, H, W, 3]`` → float ``[B, 3, H, W]`` in −1…1."""
    return image.movedim(-1, 1).float() / 127.5 - 1
