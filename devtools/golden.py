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
            metadata = file.metadata() or {}
        weights, inputs, outputs = (
            {key.removeprefix(group): tensor for key, tensor in tensors.items() if key.startswith(group)}
            for group in ("weights.", "in.", "out.")
        )
        for name in [name for name in outputs if name.endswith(".index")]:
            # A picture of few colours.
            picture = name.removesuffix(".index")
            outputs[picture] = outputs.pop(f"{picture}.palette")[outputs.pop(name).long()]
        if "weights_from" in metadata:
            named = metadata["weights_from"]
            names = json.loads(named) if named.startswith("[") else [named]
            for name in names:
                weights = cls.read(path.parent / name).weights | weights
        return cls(weights, inputs, outputs, json.loads(metadata.get("config", "{}")))

    def weights_of(self, stem: str) -> dict[str, Tensor]:
        """The weights of one official checkpoint file."""
        return {k.removeprefix(f"{stem}."): t for k, t in self.weights.items() if k.startswith(f"{stem}.")}
