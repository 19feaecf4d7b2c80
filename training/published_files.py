"""Published weight files: found, read without loading them, and held to account."""

import hashlib
import json
import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors")
SOURCES_KEY = "mannequin.sources"
HASH_BLOCK = 2**24
#: Under which DeepSpeed, and mmpose and HRNet's own training, keep the weights beside what training goes on from.
_WEIGHTS = ("module", "state_dict")


class ConversionError(ValueError):
    """A sentence about the files: which one, what is wrong with it, what to do."""


@dataclass(frozen=True)
class Source:
    """One published file; ``state`` has its keys, types and shapes, on the meta device."""

    path: Path
    kind: str
    state: Mapping[str, Tensor]


class OneOpenFile:
    """Tensors by file and key; only the file asked for last stays mapped."""

    def __init__(self):
        self._path: Path | None = None
        self._state: Mapping[str, Tensor] = {}

    def tensor(self, path: Path, key: str) -> Tensor:
        if path != self._path:
            self._state = {}
            self._path, self._state = path, read(path)
        return self._state[key]


def read_shapes(path: Path) -> dict[str, Tensor]:
    """The tensors of a file without their memory."""
    return {key: torch.empty_like(tensor, device="meta") for key, tensor in read(path).items()}


def read(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a file, mapped where its format allows; of a training's file the weights."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except (RuntimeError, OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ConversionError(
            f"{path.name} cannot be read ({str(error).strip().splitlines()[0]}). It is cut short, or holds more than "
            "weights: download it again and compare its size."
        ) from error
    if isinstance(state, dict):
        state = next((state[name] for name in _WEIGHTS if isinstance(state.get(name), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
        raise ConversionError(f"{path.name} holds something else than a dictionary of tensors.")
    return state


def _is_zip(path: Path) -> bool:
    """torch's files are zip archives since version 1.6; older ones cannot be mapped."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def hashes(paths: Iterable[Path]) -> dict[str, str]:
    """Which files ours was made of, for its header."""
    return {SOURCES_KEY: json.dumps({path.name: sha256(path) for path in paths})}


def sha256(path: Path) -> str:
    """Of a file, in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def stored_as(tensor: Tensor, half: bool) -> torch.dtype:
    """The type a tensor is written in: its own, or half precision."""
    return torch.float16 if half and tensor.is_floating_point() else tensor.dtype
