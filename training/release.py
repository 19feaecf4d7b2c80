"""``python -m training.release RUN_WEIGHTS OUT``: a run's weight file as it is shipped, in half precision.

Of its header only this changes: where files lay that the run was given, on whose machine, is left out of their names.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from .checkpoints import replace_file
from .errors import TrainingError
from .sampling import OPTIONS_KEY


def release(weights: Path, out: Path) -> int:
    """Write a weight file in half precision; its size in bytes.

    Raises:
        TrainingError: the file cannot be read, or a weight has no place in half precision.
    """
    try:
        with safe_open(weights, "pt") as file:
            header = _without_folders(file.metadata() or {})
        state = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise TrainingError(f"'{weights}' cannot be read: {error}") from error
    halves = {key: _half(key, tensor) for key, tensor in state.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, lambda path: save_file(halves, path, header))
    return out.stat().st_size


def _without_folders(header: Mapping[str, str]) -> dict[str, str]:
    """The header with the bare names of files that its options have by absolute paths."""
    if OPTIONS_KEY not in header:
        return dict(header)
    options = _named(json.loads(header[OPTIONS_KEY]))
    return dict(header) | {OPTIONS_KEY: json.dumps(options, separators=(",", ":"))}


def _named(value: Any) -> Any:
    """JSON in which absolute paths, wherever they stand, are bare names."""
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_named(each) for each in value]
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _half(key: str, tensor: torch.Tensor) -> torch.Tensor:
    # A scalar costs nothing, and rounds every latent alike.
    if tensor.ndim == 0 or not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    if not torch.isfinite(half).all():
        raise TrainingError(f"'{key}' does not fit half precision (largest value {float(tensor.abs().max()):.3g}).")
    return half.contiguous()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.release", description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, metavar="RUN_WEIGHTS", help="weights.safetensors of a run")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write")
    options = parser.parse_args(arguments)
    try:
        size = release(options.weights, options.out)
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.out}: {size / 2**20:.1f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
