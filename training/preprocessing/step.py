"""What a step is, and what all of them are given."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..data.records import Record
from ..errors import TrainingError

Fields = dict[str, np.ndarray]


class SetupError(TrainingError):
    """Something is wrong for every record: a network is missing, or cannot be read."""


@dataclass(frozen=True)
class Setup:
    """Networks that do not come with the pack, and how steps work.

    Attributes:
        parser: a SegFormer's folder or an SCHP file (.onnx); None is the bundled coarse parsing.
        label_set: the parser's, "auto" by its file.
        densepose: a TorchScript file.
        faces: a folder of insightface's models, antelopev2 for MCLD.
        vae: an autoencoder, as :func:`~training.autoencoders.load_autoencoder` reads it.
        clip_vision: a folder of transformers' CLIP image encoder, or a small one's file.
        dino: a safetensors file of DINOv2.
        texture_size: side of the square that texture maps are brought to before they become latents, in pixels.
        device: where networks work.
    """

    parser: Path | None = None
    label_set: str = "auto"
    densepose: Path | None = None
    faces: Path | None = None
    vae: Path | None = None
    clip_vision: Path | None = None
    dino: Path | None = None
    texture_size: int = 512
    device: str = "cpu"


class Step(ABC):
    """One step. Networks are read when it is made.

    Attributes:
        needs: fields it reads.
        gives: fields it computes; which of them are absent is its answer too.
        network: the attribute of :class:`Setup` that it cannot do without.
        by_name: whether it is done only where it is named: one method alone reads what it gives.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    gives: ClassVar[tuple[str, ...]] = ()
    network: ClassVar[str | None] = None
    by_name: ClassVar[bool] = False

    def __init__(self, setup: Setup) -> None:
        self.device = setup.device

    @abstractmethod
    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        """The fields of each of some records, which have all that is needed."""


class SingleStep(Step):
    """A step that looks at one record after another."""

    def __call__(self, records: Sequence[Record]) -> list[Fields]:
        return [self.one(record) for record in records]

    @abstractmethod
    def one(self, record: Record) -> Fields:
        """The fields of a record."""


def tensor(picture: np.ndarray) -> Tensor:
    """uint8 ``[H, W, 3]`` as ``[1, H, W, 3]`` in 0–1."""
    return torch.tensor(picture)[None].float() / 255
