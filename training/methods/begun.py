"""Training that begins from files of an earlier one: what they hold takes the place of fresh weights."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from model_patches.weight_kinds.kind import DENOISING

from ..errors import TrainingError

#: Of buffers that are computed, of however many views.
POSITIONS = ".pe"
#: Cross-attention, and what a prior's embedding passes through: of what only the method that trained them is given.
OTHERS_CONDITION = re.compile(r"\battn2\b|\bclass_embedding\b")
FIRST = "conv_in.weight"


@torch.no_grad()
def begin_from(files: Sequence[Path], own: Mapping[str, Tensor]) -> None:
    """Copy the files' tensors over a network's own, one file after the other.

    Args:
        own: every tensor of the network by its key in a weight file; changed in place.

    Raises:
        TrainingError: a file cannot be read, or has something that is not in the network.
    """
    for file in files:
        tensors = _read(
            file,
            "Give the weights.safetensors of an earlier run or stage of this method, or for IMAGPose a motion module "
            "as python dev.py training convert imagpose writes it.",
        )
        tensors = {key: value for key, value in tensors.items() if not key.endswith(POSITIONS)}
        wrong = sorted(key for key, value in tensors.items() if key not in own or own[key].shape != value.shape)
        if wrong:
            raise TrainingError(
                f"Training cannot begin from '{file}': {len(wrong)} of its {len(tensors)} tensors are not in this "
                f"network, or of another size ({', '.join(wrong[:3])}). Give the same base and options as there."
            )
        for key, value in tensors.items():
            own[key].copy_(value)


@torch.no_grad()
def take_backbone(file: Path, unet: nn.Module) -> None:
    """Copy another method's denoising UNet over a fresh one; ours, as methods of papers begin from Stable Diffusion's.

    Cross-attention stays fresh: its context is another. A first convolution takes the channels both have, the noise's
    first, then what stands beside it. Projections are linear in one generation and 1×1 convolutions in the other, which
    is one and the same.

    Args:
        file: a weight file of any method here.
        unet: diffusers'; changed in place.

    Raises:
        TrainingError: the file cannot be read, or its UNet is of other sizes.
    """
    hint = "Give the weights of a method that was trained with the same base."
    tensors = _read(file, hint)
    own = {key: value for key, value in unet.state_dict().items() if not OTHERS_CONDITION.search(key)}
    for key, mine in own.items():
        theirs = tensors.get(DENOISING + key)
        if theirs is not None and key == FIRST and mine.shape[1] != theirs.shape[1]:
            mine = mine[:, : theirs.shape[1]]
            theirs = theirs[:, : mine.shape[1]]
        if theirs is None or mine.numel() != theirs.numel() or mine.shape[:2] != theirs.shape[:2]:
            raise TrainingError(f"Training cannot begin from '{file}': its UNet has no {key} like this one's. {hint}")
        mine.copy_(theirs.reshape(mine.shape))


def _read(file: Path, hint: str) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"Training cannot begin from '{file}' ({error}). {hint}") from error
