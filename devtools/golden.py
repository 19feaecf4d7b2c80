"""A golden file: inputs, weights and outputs of a reference implementation."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """One file: tensors without their prefix, and the configuration from its header."""

    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    config: dict

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Raises ``OSError`` or ``SafetensorError`` for what is no readable safetensors file."""
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            config = json.loads((file.metadata() or {}).get("config", "{}"))
        groups = (
            {k.removeprefix(p): t for k, t in tensors.items() if k.startswith(p)} for p in ("weights.", "in.", "out.")
        )
        return cls(*groups, config)
