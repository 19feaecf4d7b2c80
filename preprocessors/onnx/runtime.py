"""onnxruntime, where it is: found by importing it, since its builds (CPU, CUDA, DirectML, OpenVINO) share one module.

They overwrite one another, so the pack asks for none of them: a user's networks need one, the pack's own do not.
"""

import sys
from pathlib import Path
from types import ModuleType

from ..errors import ConditionError, reason


def found() -> bool:
    """Whether a build is installed that can be loaded."""
    try:
        _imported()
    except ImportError:
        return False
    return True


def needed(by: str) -> ModuleType:
    """The module.

    Args:
        by: what needs it, for the error.

    Raises:
        ConditionError: there is none, or it cannot be loaded.
    """
    try:
        return _imported()
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
        state = "is not installed" if absent else f"cannot be loaded ({reason(error)})"
        first = "" if absent else "remove both and "
        raise ConditionError(
            f"{by} needs onnxruntime, which {state}: {first}install onnxruntime, or onnxruntime-gpu for an NVIDIA "
            f'card, one of the two and never both, into ComfyUI\'s Python ("{sys.executable}" -m pip install …), then '
            "restart ComfyUI; the networks that come with Mannequin work without it."
        ) from error


def _imported() -> ModuleType:
    import onnxruntime

    if not hasattr(onnxruntime, "InferenceSession"):
        # Two builds share a folder: uninstalling one leaves the other's name without its contents.
        raise ImportError("its folder is there and its contents are not")
    return onnxruntime


def open_session(model: Path | bytes):
    """A session of an ONNX file or its content, on the accelerator where the installed build knows one.

    The caller, who has asked for onnxruntime first, owns it: memory goes with the last reference.
    """
    onnxruntime = _imported()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=providers())


def providers() -> list[str]:
    """The accelerator where the installed build knows one, then the processor."""
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    return [name for name in wanted if name in _imported().get_available_providers()]


def errors() -> tuple[type[Exception], ...]:
    """What onnxruntime raises for a file that is no network; its exceptions share no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return tuple(kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception))
