"""Every kind of weight file, found among the modules of this package; what is missing in a file is named.

A file is recognised by its keys, never by its name. A new method is one module here with its ``KINDS``.
"""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PatchError
from ..unet_layout import complete_layout
from .kind import FORMAT, FORMAT_KEY, Metadata, Shapes, State, UNetPart, WeightKind


def _all_kinds() -> tuple[WeightKind, ...]:
    modules = [importlib.import_module(f".{module.name}", __name__) for module in pkgutil.iter_modules(__path__)]
    kinds = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    # A file of ours may have keys of what other nodes load.
    return tuple(sorted(kinds, key=lambda kind: kind.foreign))


@dataclass(frozen=True)
class Parts:
    """A weight file taken apart.

    Attributes:
        unets: each UNet's weights in diffusers' names; extra layers of its family are not among them.
        modules: everything else, under the file's keys.
    """

    unets: tuple[tuple[UNetPart, dict[str, Tensor]], ...]
    modules: dict[str, Tensor]


def recognise(keys: Collection[str], metadata: Metadata | None = None) -> WeightKind | None:
    """The kind of file that has these keys and this metadata; None for one we do not know."""
    return next((kind for kind in KINDS if kind.recognise(keys, metadata or {})), None)


def describe(kind: WeightKind | None) -> str:
    """What a file is, behind "is", and what loads it."""
    return f"{kind.what}; load it with {kind.node}{kind.beside}" if kind else "not a file of a kind we know"


def take_apart(kind: WeightKind, state: State, name: str, metadata: Metadata | None) -> Parts:
    """The weights of a file of one kind, by the networks they are of.

    Args:
        state: tensors of a weight file, or those of its header, without memory.
        name: the file's name, for errors.
        metadata: the file's header; None where the file has none.

    Raises:
        PatchError: another kind of file, a later format, a UNet that is not in it, or keys of the modules missing or
            unexpected. Whether the UNets are complete is not looked at.
    """
    metadata = metadata or {}
    found = recognise(state, metadata)
    if found is not kind:
        raise PatchError(
            f"'{name}' is {describe(found)}. {kind.advice}; put one into models/mannequin and choose it here."
        )
    if metadata.get(FORMAT_KEY, FORMAT) != FORMAT:
        raise PatchError(
            f"'{name}' was written in format {metadata[FORMAT_KEY]}; this version of Mannequin reads format {FORMAT}. "
            "Update Mannequin, or take an older file."
        )
    try:
        unets = tuple((part, {}) for part in kind.unets(metadata))
    except PatchError as error:
        raise PatchError(f"'{name}' cannot be loaded. {error}") from error
    modules = {}
    for key, tensor in state.items():
        place, own = next(((unet, part) for part, unet in unets if key.startswith(part.prefix)), (modules, None))
        inner = key.removeprefix(own.prefix) if own else key
        if own and own.family.has_extra(inner):
            place, inner = modules, key
        place[inner] = tensor
    absent = [part.prefix.rstrip(".") for part, unet in unets if not unet]
    if absent:
        raise PatchError(f"'{name}' has no {' and no '.join(absent)}. {kind.mend}")
    check_modules(kind, modules, name, metadata)
    return Parts(unets, modules)


def check(kind: WeightKind, state: State, name: str, metadata: Metadata | None) -> None:
    """Raise :class:`PatchError` where a file is not a complete one of a kind; nothing is allocated."""
    for part, unet in take_apart(kind, state, name, metadata).unets:
        complete_layout(unet, f"{part.title} in '{name}'", part.family, part.headless)


def check_modules(kind: WeightKind, modules: State, name: str, metadata: Metadata) -> None:
    """Raise :class:`PatchError` where the weights besides the UNets are not what a kind has; nothing is allocated."""
    expected = _expected(kind, modules, name, metadata)
    found = {key: tuple(tensor.shape) for key, tensor in modules.items()}
    if expected != found:
        raise PatchError(f"'{name}' is not a complete {kind.name} weight file: {_difference(expected, found)}.")


def build(kind: WeightKind, modules: State, metadata: Metadata | None, operations: Any) -> nn.Module:
    """The network of a kind with the weights that :func:`take_apart` gave.

    Args:
        operations: where layers come from: the host's casting ops, or ``torch.nn``.
    """
    with torch.device("meta"):
        network = kind.network(modules, metadata or {}, operations)
    network = network.to_empty(device="cpu")
    network.load_state_dict(dict(modules))
    return network.eval().requires_grad_(False)


def _expected(kind: WeightKind, modules: State, name: str, metadata: Metadata) -> Shapes:
    incomplete = f"'{name}' is not a complete {kind.name} weight file"
    if not modules and kind.network:
        raise PatchError(f"{incomplete}: it has only UNets. {kind.mend}")
    try:
        return kind.shapes(modules, metadata)
    except PatchError as error:
        raise PatchError(f"'{name}' cannot be loaded. {error}") from error
    except ValueError as error:
        raise PatchError(f"'{name}' names an attention site Mannequin does not know ({error}).") from error
    except KeyError as error:
        raise PatchError(f"{incomplete}: {error} is missing.") from error
    except (IndexError, RuntimeError) as error:
        raise PatchError(f"{incomplete}: its tensors have shapes that no such network has.") from error


def _difference(expected: Shapes, found: Mapping[str, tuple[int, ...]]) -> str:
    sentences = [
        (expected.keys() - found.keys(), "missing"),
        (found.keys() - expected.keys(), "unexpected"),
        ({key for key in expected.keys() & found.keys() if expected[key] != found[key]}, "of another shape"),
    ]
    return "; ".join(
        f"{len(keys)} {what} ({', '.join(sorted(keys)[:3])}{', …' if len(keys) > 3 else ''})"
        for keys, what in sentences
        if keys
    )


KINDS = _all_kinds()
