"""A golden file: inputs, weights and outputs of a reference implementation."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from preprocessors.packed import header, unpacked

PACKED = ".xz"


@dataclass(frozen=True)
class Golden:
    """One file: tensors without their prefix, and the configuration from its header."""

    weights: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    config: dict

    @classmethod
    def read(cls, path: Path) -> "Golden":
        """Raises as :func:`read` does."""
        tensors, metadata = read(path)
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
                weights = cls.read(path.with_name(name + PACKED * (path.suffix == PACKED))).weights | weights
        return cls(weights, inputs, outputs, json.loads(metadata.get("config", "{}")))

    def weights_of(self, stem: str) -> dict[str, Tensor]:
        """The weights of one official checkpoint file."""
        return {k.removeprefix(f"{stem}."): t for k, t in self.weights.items() if k.startswith(f"{stem}.")}


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file's tensors and what it says of itself; packed or not.

    Raises:
        OSError, lzma.LZMAError, SafetensorError: it is no such file.
    """
    content = unpacked(path) if path.suffix == PACKED else path.read_bytes()
    return load(content), header(content)
