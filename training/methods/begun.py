"""Training that begins from files of an earlier one: what they hold takes the place of fresh weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..errors import TrainingError

#: Of buffers that are computed, of however many views.
POSITIONS = ".pe"


@torch.no_grad()
def begin_from(files: Sequence[Path], own: Mapping[str, Tensor]) -> None:
    """Copy the files' tensors over a network's own, one file after the other.

    Args:
        own: every tensor of the network by its key in a weight file; changed in place.

    Raises:
        TrainingError: a file cannot be read, or has something that is not in the network.
    """
    for file in files:
        try:
            tensors = load_file(file)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"Training cannot begin from '{file}' ({error}). Give the weights.safetensors of an earlier stage, or "
                "a motion module as python dev.py training convert imagpose writes it."
            ) from error
        tensors = {key: value for key, value in tensors.items() if not key.endswith(POSITIONS)}
        wrong = sorted(key for key, value in tensors.items() if key not in own or own[key].shape != value.shape)
        if wrong:
            raise TrainingError(
                f"Training cannot begin from '{file}': {len(wrong)} of its {len(tensors)} tensors are not in this "
                f"network, or of another size ({', '.join(wrong[:3])}). Give the same base and options as there."
            )
        for key, value in tensors.items():
            own[key].copy_(value)
