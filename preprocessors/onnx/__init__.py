"""Networks as ONNX files, and their runtime sessions."""

import functools
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent


def open_session(file: Path):
    """A runtime session of an ONNX file, on the accelerator where the installed onnxruntime knows one.

    The caller owns it: memory goes with the last reference.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=providers())


def providers() -> list[str]:
    """The accelerator where the installed onnxruntime knows one, then the processor."""
    import onnxruntime

    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    return [name for name in wanted if name in onnxruntime.get_available_providers()]


def runtime_errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for a file that is no network; its exceptions share no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))


@functools.cache
def session(name: str):
    """The session of ``<name>.onnx``, which comes with the pack; made once, :func:`free` lets it go."""
    return open_session(FOLDER / f"{name}.onnx")


def run(name: str, image: np.ndarray) -> list[np.ndarray]:
    """All outputs of a network of the pack for its one input."""
    network = session(name)
    return network.run(None, {network.get_inputs()[0].name: image})


def free() -> None:
    """Let go of every session of the pack's networks."""
    session.cache_clear()
