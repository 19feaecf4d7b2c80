"""Weights of the metrics' networks, from files of the user's."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from preprocessors.errors import reason

from ..errors import TrainingError


def read_state(file: Path, what: str) -> Mapping[str, Tensor]:
    """The tensors of a ``.pth`` or ``.safetensors`` file; nothing in it is executed.

    Raises:
        TrainingError: there is no such file, or it holds something else; ``what`` says which file was expected.
    """
    if not file.is_file():
        raise TrainingError(f"There is no file {file}. {what} is expected.")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, ValueError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise TrainingError(
            f"{file} cannot be read ({reason(error)}). {what} is expected: download it again."
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TrainingError(f"{file} holds something else than tensors by name. {what} is expected.")
    return state


def torchvision_models():
    """torchvision's networks.

    Raises:
        TrainingError: torchvision is missing, or built for another torch.
    """
    try:
        import torchvision.models
    except (ImportError, RuntimeError) as error:
        said = (str(error).splitlines() or ["not installed"])[0]
        raise TrainingError(
            f"torchvision, whose networks LPIPS and FID use, cannot be loaded ({said}). Install the build that "
            "belongs to your torch: pip install --upgrade torch torchvision"
        ) from error
    return torchvision.models


def pixels(pictures) -> Tensor:
    """Pictures uint8 ``[H, W, 3]`` of one size as float ``[B, 3, H, W]`` in 0–1."""
    return torch.stack([torch.tensor(picture) for picture in pictures]).movedim(-1, 1).float() / 255
