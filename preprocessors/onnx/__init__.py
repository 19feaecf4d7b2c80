"""The networks that come with the pack: by onnxruntime where it is, which is faster, else by PyTorch."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..packed import unpacked
from . import runtime
from .torch_network import TorchNetwork

FOLDER = Path(__file__).parent

Network = Callable[[np.ndarray], list[np.ndarray]]


@functools.cache
def network(name: str) -> Network:
    """A network of the pack: its one input to all its outputs. Made once, :func:`free` lets it go."""
    model = read(name)
    return _in_onnxruntime(model) if runtime.found() else TorchNetwork(model)


def read(name: str) -> bytes:
    """The ONNX model in ``<name>.onnx.xz``."""
    return unpacked(FOLDER / f"{name}.onnx.xz")


def _in_onnxruntime(model: bytes) -> Network:
    session = runtime.open_session(model)
    (entry,) = session.get_inputs()
    return lambda image: session.run(None, {entry.name: image})


def run(name: str, image: np.ndarray) -> list[np.ndarray]:
    """All outputs of a network of the pack for its one input."""
    return network(name)(image)


def free() -> None:
    """Let go of every network of the pack."""
    network.cache_clear()
