"""A trained TruePose, UNets and all, in the host's care."""

from collections.abc import Mapping
from typing import Any

import comfy.supported_models
from torch import Tensor

from .checkpoints import PREDICTION_KEY, V_PREDICTION, build_truepose, split_truepose
from .comfy_networks import host_operations, host_patcher
from .comfy_unet import ZeroSNR, load_unet


def load_truepose(
    state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, disable_dynamic: bool = False
) -> tuple[Any, Any, Any]:
    """TargetNet, SourceNet and the modules between them, each in a patcher of the host.

    Args:
        state, metadata: tensors and header of a file made by ``training.train``.
        name: the file's name, for errors.
        disable_dynamic: as :func:`host_patcher` has it.

    Raises:
        PatchError: another kind of file, or an incomplete one.
    """
    target, source, modules = split_truepose(state, name, metadata)
    network = build_truepose(modules, name, metadata, host_operations())
    plain = comfy.supported_models.SD15
    config = ZeroSNR if (metadata or {}).get(PREDICTION_KEY) == V_PREDICTION else plain
    return (
        load_unet(target, f"TargetNet in '{name}'", config, disable_dynamic=disable_dynamic),
        load_unet(source, f"SourceNet in '{name}'", plain, True, disable_dynamic),
        host_patcher(network, disable_dynamic),
    )
