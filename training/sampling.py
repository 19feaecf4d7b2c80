"""Trained weights that make pictures, without ComfyUI: what evaluation and the comparison of the two hosts use."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from .autoencoders import Autoencoder, load_autoencoder
from .data.records import Record
from .draws import Draws, number_of
from .errors import TrainingError
from .examples import Example, collate, on_device
from .grids import to_pictures
from .methods import METHODS
from .methods.base import Batch, Method, Sampler

#: The weight file in a run's folder.
WEIGHTS = "weights.safetensors"
#: Where a weight file says which method made it, and with which options.
METHOD_KEY, OPTIONS_KEY = "mannequin.training_method", "mannequin.training_options"


def options_metadata(method: str, options: object) -> dict[str, str]:
    """A method's options for the header of its weight file."""
    return {METHOD_KEY: method, OPTIONS_KEY: TypeAdapter(type(options)).dump_json(options).decode()}


class Told(Protocol):
    """A sampler, and how it reads the two pictures of a pair."""

    def read_source(self, record: Record) -> dict[str, Tensor]: ...

    def read_target(self, record: Record) -> dict[str, Tensor]: ...

    def noise_shape(self, batch: Batch) -> tuple[int, ...]: ...

    def pictures(
        self,
        batch: Batch,
        noise: Tensor,
        autoencoder: Autoencoder,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor: ...


class Trained:
    """A trained model as a predictor of pictures.

    Args:
        name: what tables call it.
        method: with its weights, on the autoencoder's device.
        autoencoder: a module.
        steps, guidance: of DDIM; None takes the recipe's.
        seed: of the noise, which depends on a pair's names alone.
        batch: pairs at once.
    """

    def __init__(
        self,
        name: str,
        method: Told,
        autoencoder: Autoencoder,
        steps: int | None = None,
        guidance: float | None = None,
        seed: int = 0,
        batch: int = 16,
    ) -> None:
        self.name, self.method, self.autoencoder = name, method, autoencoder
        self.steps, self.guidance, self.seed, self.batch = steps, guidance, seed, batch

    @torch.no_grad()
    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        """The sources in the targets' poses, uint8 ``[H, W, 3]``; of a target only its pose is read."""
        device = next(self.autoencoder.parameters()).device
        made: list[np.ndarray] = []
        for start in range(0, len(pairs), self.batch):
            part = pairs[start : start + self.batch]
            batch = on_device(read_pairs(self.method, part), device)
            draws = Draws(self.seed, [number_of(f"{source.name}>{target.name}") for source, target in part], 0, device)
            noise = draws.normal(*self.method.noise_shape(batch))
            shown = self.method.pictures(batch, noise, self.autoencoder, self.steps, self.guidance)
            made += list(to_pictures(shown).numpy())
        return made


def read_pairs(method: Told, pairs: Sequence[tuple[Record, Record]]) -> dict[str, Tensor]:
    """A batch of pairs (source, target)."""
    return collate(
        [
            Example(method.read_source(source), [method.read_target(target)], number)
            for number, (source, target) in enumerate(pairs)
        ]
    )


def load_method(path: Path, **changes) -> Method:
    """A method with the weights that ``training.train`` wrote, ready to sample.

    Args:
        changes: options in the place of the recipe's.

    Raises:
        TrainingError: the file is none of ours.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"'{path}' cannot be read: {error}") from error
    if METHOD_KEY not in metadata:
        raise TrainingError(
            f"'{path}' does not say how it was trained. Give the weights.safetensors of a run of training.train."
        )
    kind = METHODS[metadata[METHOD_KEY]]
    given = TypeAdapter(kind.Options).validate_python(json.loads(metadata[OPTIONS_KEY]) | changes)
    method = kind(given, seed=0)
    method.load_weights({key: tensor.float() for key, tensor in load_file(path).items()})
    return method.eval()


def load_predictor(path: Path, autoencoder: Path, name: str | None = None, **options) -> Trained:
    """A predictor from a weight file that ``training.train`` wrote.

    Args:
        options: of :class:`Trained`.

    Raises:
        TrainingError: the file is none of ours.
    """
    method = load_method(path)
    if not (isinstance(method, Sampler) and method.alone):
        raise TrainingError(
            f"'{path}' is of {method.name}, which makes no pictures by itself. PCDMs' stages are given together: "
            "pcdms:INPAINTING,PRIOR, or refined:REFINING,PREDICTOR."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    decoder = load_autoencoder(autoencoder).to(device)
    return Trained(name or run_name(path), method.to(device), decoder, **options)


def run_name(path: Path) -> str:
    """What a weight file's pictures and figures are called: a run's folder, or a shipped file's own name."""
    return path.parent.name if path.name == WEIGHTS else path.stem
