"""Networks in the host's care: what they are built of, who loads and frees them, and how they are loaded again.

Hosts with dynamic VRAM leave their layers without weights until a file is read. Ours have them from the start, since
weight files are compared with the empty network.
"""

import inspect
from collections.abc import Callable
from typing import Any

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import torch
from torch import nn


def host_patcher(network: nn.Module, disable_dynamic: bool = False) -> Any:
    """Hand a network with weights to the host, which from then on loads, offloads and frees it.

    Args:
        disable_dynamic: as the host's own loaders have it: a patcher without dynamic VRAM, wherever the host has both.
    """
    plain = comfy.model_patcher.ModelPatcher
    # The host's class for models it may load in part, where it has one.
    patcher = plain if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", plain)
    return patcher(
        network,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def _with_weights(layer: type[nn.Module]) -> type[nn.Module]:
    """One of the host's layer classes, made and read as torch's own is."""
    plain = next(base for base in layer.__mro__ if base.__module__.startswith("torch.nn."))
    own = {"__init__": plain.__init__, "_load_from_state_dict": plain._load_from_state_dict}
    return type(layer.__name__, (layer,), own)


def _is_layer(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, nn.Module)


_LAYERS = {name: _with_weights(layer) for name, layer in inspect.getmembers(comfy.ops.manual_cast, _is_layer)}
_OPERATIONS = type("Operations", (comfy.ops.manual_cast,), _LAYERS)


def host_operations() -> Any:
    """Layers that cast their weights to the input's dtype and device, as the host's own networks do."""
    return _OPERATIONS


def give_weights(network: nn.Module) -> nn.Module:
    """Memory, not filled, for those layers of a host's network that wait for a file."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and layer.weight is None:
            dtype = layer.weight_comfy_model_dtype
            layer.weight = _unset(layer.out_features, layer.in_features, dtype=dtype)
            if layer.comfy_need_lazy_init_bias:
                layer.bias = _unset(layer.out_features, dtype=dtype)
        elif isinstance(layer, nn.Embedding) and layer.weight.is_meta:
            layer.weight = _unset(*layer.weight.shape, dtype=layer.weight.dtype)
    return network


def _unset(*shape: int, dtype: torch.dtype | None) -> nn.Parameter:
    return nn.Parameter(torch.empty(shape, dtype=dtype), requires_grad=False)


def load_file(read: Callable[[str], tuple], load: Callable[..., tuple], name: str) -> tuple:
    """A file's networks, each in a patcher that knows how the host gets another copy of it.

    The host makes one where torch.compile meets dynamic VRAM, for a second device, and for a deep copy.

    Args:
        read: gives a file's tensors and its header.
        load: makes patchers of ``(tensors, name, header)``, and takes ``disable_dynamic`` as :func:`host_patcher` does.
    """
    patchers = _load_file(read, load, name)
    for index, patcher in enumerate(patchers):
        patcher.cached_patcher_init = (_one_of_file, (read, load, name, index))
    return patchers


def _one_of_file(read: Callable, load: Callable, name: str, index: int, disable_dynamic: bool = False) -> Any:
    return _load_file(read, load, name, disable_dynamic)[index]


def _load_file(read: Callable, load: Callable, name: str, disable_dynamic: bool = False) -> tuple:
    state, metadata = read(name)
    return load(state, name, metadata, disable_dynamic)
