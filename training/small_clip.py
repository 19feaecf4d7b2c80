"""``python -m training.small_clip OUT``: an image encoder in CLIP's architecture with random, frozen weights.

The demo weights have no CLIP: none may be shipped, and training one takes captions. Random features still tell colours
and patterns apart (Jarrett et al., 2009), and a frozen encoder is all that TruePose and MCLD ask of CLIP.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from model_patches.weight_kinds.small_clip import CLIP_CONFIG_KEY

#: The file for the node, in the folder.
NODE_FILE = "clip_vision.safetensors"
#: Sizes of the encoder; CLIP's own way of cutting a picture of 224 pixels into 49.
SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "patch_size": 32,
    "image_size": 224,
    "projection_dim": 64,
    "hidden_act": "quick_gelu",
}


def write_small_clip(out: Path, seed: int = 0) -> None:
    """A folder that transformers and ``training.preprocess`` read, with the file for Load Small CLIP Vision in it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CLIPVisionModelWithProjection(CLIPVisionConfig(**SIZES)).eval()
        for parameter in network.parameters():
            # By fan-in: CLIP's own initial weights are for training, and hardly let a signal through.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    network.save_pretrained(out)
    state = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    header = {CLIP_CONFIG_KEY: json.dumps(SIZES | {"model_type": "clip_vision_model", "num_channels": 3})}
    save_file(state, out / NODE_FILE, header)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.small_clip", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    write_small_clip(options.out, options.seed)
    sys.stdout.write(f"{options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
