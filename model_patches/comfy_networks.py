"""Networks with weights in the host's care."""

from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
from torch import nn

#: ComfyUI's class for models it may load in part, where it has one.
Patcher = getattr(comfy.model_patcher, "CoreModelPatcher", comfy.model_patcher.ModelPatcher)


def host_patcher(network: nn.Module) -> Any:
    """Hand a network with weights to the host, which from then on loads, offloads and frees it."""
    return Patcher(
        network,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def host_operations() -> Any:
    """Layers that cast their weights to the input's dtype and device, as the host's own networks do."""
    return comfy.ops.manual_cast
