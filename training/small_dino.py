"""``python -m training.small_dino OUT``: an image encoder in DINOv2's architecture with random, frozen weights.

The demo weights have no DINOv2: the smallest published one is larger than all of them. Random tokens still tell where
in a picture which colours are, which is most of what PCDMs and IMAGPose ask DINOv2 for. See :mod:`training.small_clip`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model_patches.dino import HEADS_KEY, PATCH, SIDE, DinoShape

SHAPE = DinoShape(width=64, layers=2, heads=2, gated=False)
#: Of what a layer adds: most of a token is its own patch.
LAYER_SCALE = 0.3


def write_small_dino(out: Path, seed: int = 0, shape: DinoShape = SHAPE) -> None:
    """A file for Load DINOv2 and for ``training.preprocess --dino``, in half precision."""
    generator = torch.Generator().manual_seed(seed)
    positions = {"embeddings.position_embeddings": (1, (SIDE // PATCH) ** 2 + 1, shape.width)}
    state = {key: _fresh(key, size, generator).half() for key, size in (shape.shapes() | positions).items()}
    save_file(state, out, {HEADS_KEY: str(shape.heads)})


def _fresh(key: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    if "layer_scale" in key:
        return torch.full(shape, LAYER_SCALE)
    if len(shape) == 1:
        return torch.zeros(shape) if key.endswith("bias") else torch.ones(shape)
    # By fan-in, so that signals neither grow nor vanish; positions and the class token are as large as a patch.
    fan_in = 1 if key.startswith("embeddings.") and not key.endswith("weight") else torch.Size(shape[1:]).numel()
    return torch.randn(shape, generator=generator) * fan_in**-0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.small_dino", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="the .safetensors file to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_small_dino(options.out, options.seed)
    sys.stdout.write(f"{options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
