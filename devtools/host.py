"""ComfyUI inside this process: importable, on the CPU where there is nothing better, with the pack as ``mannequin``.

The host's top level has a module ``nodes``, the pack a folder ``nodes``: the host's folder comes first on the path and
the repository last, for ``training``, ``devtools`` and ``benchmarks``.
"""

import asyncio
import importlib
import importlib.util
import os
import sys
from pathlib import Path

from . import torchvision_operators
from .environment import COMFYUI_VARIABLE, home_folder

ROOT = Path(__file__).resolve().parents[1]
#: Set, it makes the host's layers as they are under dynamic VRAM, where this version of the host has them so.
LAZY_VARIABLE = "MANNEQUIN_LAZY_LAYERS"


def comfyui_folder() -> Path:
    """Where the host lies: the folder in ``MANNEQUIN_COMFYUI``, which ``dev.py`` sets.

    Raises:
        RuntimeError: it is not set or holds no ComfyUI.
    """
    folder = Path(os.environ.get(COMFYUI_VARIABLE) or home_folder(ROOT) / "comfyui").resolve()
    if not (folder / "comfy" / "model_patcher.py").is_file():
        raise RuntimeError(
            f"There is no ComfyUI in {folder}. Run 'python dev.py test', which fetches one, or set {COMFYUI_VARIABLE} "
            "to a ComfyUI checkout."
        )
    return folder


def has_lazy_layers(folder: Path) -> bool:
    """Whether a ComfyUI leaves layers without weights, on some machines, until a file is read."""
    memory = folder / "comfy" / "memory_management.py"
    return memory.is_file() and "aimdo_enabled" in memory.read_text(encoding="utf-8")


def _make_layers_lazy() -> None:
    """As the host's start does it on a machine with dynamic VRAM; its patchers on a CPU stay as they are.

    Raises:
        RuntimeError: this version has no such layers.
    """
    if not has_lazy_layers(comfyui_folder()):
        raise RuntimeError(f"{LAZY_VARIABLE} is set, and this ComfyUI has no dynamic VRAM. Take 0.16 or newer.")
    # Its reader of weight files needs the library loaded, which works without a GPU.
    importlib.import_module("comfy_aimdo.control").init()
    importlib.import_module("comfy.memory_management").aimdo_enabled = True
    if importlib.import_module("comfy.ops").manual_cast.Linear(1, 1).weight is not None:
        # Up to 0.28 it is so on Windows only.
        importlib.import_module("comfy.model_management").WINDOWS = True


def import_host() -> None:
    """Make ``comfy`` and ``mannequin`` importable; the second call does nothing."""
    if "mannequin" in sys.modules:
        return
    import torch

    folder = str(comfyui_folder())
    sys.path[:] = [folder, *(p for p in sys.path if Path(p or ".").resolve() != ROOT), str(ROOT)]
    torchvision_operators.install()
    arguments = importlib.import_module("comfy.cli_args").args
    arguments.cpu = not torch.cuda.is_available()
    arguments.use_pytorch_cross_attention = True
    if os.environ.get(LAZY_VARIABLE):
        _make_layers_lazy()
    spec = importlib.util.spec_from_file_location(
        "mannequin", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)]
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules["mannequin"] = package
    spec.loader.exec_module(package)
    # As the host does; the pack registers its model folder then.
    asyncio.run(package.comfy_entrypoint())
