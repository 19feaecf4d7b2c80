"""A weight file of any kind in the host's care."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from .comfy_networks import host_operations, host_patcher
from .comfy_unet import load_unet
from .weight_kinds import build, take_apart
from .weight_kinds.kind import WeightKind


def load_weights(
    kind: WeightKind,
    state: Mapping[str, Tensor],
    name: str,
    metadata: Mapping[str, str] | None,
    disable_dynamic: bool = False,
) -> tuple[Any, ...]:
    """The networks of a file, each in a patcher of the host: its UNets in the kind's order, then its modules, if any.

    Args:
        state, metadata: tensors and header of the file.
        name: the file's name, for errors.
        disable_dynamic: as :func:`host_patcher` has it.

    Raises:
        PatchError: another kind of file, or an incomplete one.
    """
    parts = take_apart(kind, state, name, metadata)
    # First, as it tells in less time than a UNet takes whether the file is one of the kind.
    modules = (
        [host_patcher(build(kind, parts.modules, metadata, host_operations()), disable_dynamic)] if kind.network else []
    )
    unets = (
        load_unet(weights, f"{part.title} in '{name}'", part.family, part.headless, disable_dynamic)
        for part, weights in parts.unets
    )
    return *unets, *modules
