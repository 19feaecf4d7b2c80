"""Networks that come with the pack, as ONNX files, and their sessions."""

import functools
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


@functools.cache
def session(name: str):
    """The runtime session of ``<name>.onnx`` in this folder, made once; :func:`free` lets it go."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    return onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", options, providers=providers)


def run(name: str, image: np.ndarray) -> list[np.ndarray]:
    """All outputs of a network for its one input."""
    network = session(name)
    return network.run(None, {network.get_inputs()[0].name: image})


def free() -> None:
    """Let go of every session."""
    session.cache_clear()
