"""An MCLD weight file in the host's care."""

from collections.abc import Mapping
from typing import Any

import comfy.supported_models
from torch import Tensor

from .checkpoints import build_mcld, split_mcld
from .comfy_networks import host_operations, host_patcher
from .comfy_unet import ZeroSNR, load_unet


def load_mcld(
    state: Mapping[str, Tensor], name: str, metadata: Mapping[str, str] | None, disable_dynamic: bool = False
) -> tuple[Any, Any, Any]:
    """MODEL, ReferenceNet and the modules between them, each in a patcher of the host.

    Args:
        state, metadata: tensors and header of a file made by ``training.convert`` or ``training.train``.
        name: the file's name, for errors.
        disable_dynamic: as :func:`host_patcher` has it.

    Raises:
        PatchError: another kind of file, or an incomplete one.
    """
    denoising, reference, modules = split_mcld(state, name, metadata)
    network = build_mcld(modules, name, metadata, host_operations())
    return (
        load_unet(denoising, f"The denoising UNet in '{name}'", ZeroSNR, disable_dynamic=disable_dynamic),
        load_unet(reference, f"ReferenceNet in '{name}'", comfy.supported_models.SD15, True, disable_dynamic),
        host_patcher(network, disable_dynamic),
    )
