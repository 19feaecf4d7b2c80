"""``python -m training.small_clip OUT``: an image encoder in CLIP's architecture with random, frozen weights.

The demo weights have no CLIP: none may be shipped, and training one takes captions. Random features still tell colours
and patterns apart (Jarrett et al., 2009), and a frozen encoder is all that TruePose and MCLD ask of CLIP. Most of such
a feature is the same whatever is seen: with pictures of people given, the last layers are chosen so that embeddings of
these and of their regions have mean 0 and are white.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from model_patches.weight_kinds.small_clip import CLIP_CONFIG_KEY
from preprocessors.labels import Parsing
from preprocessors.regions import region_crops

from .data.records import People, Record
from .data.store import StoredPeople
from .errors import TrainingError
from .methods.base import field
from .preprocessing.clip import clip_pixels
from .preprocessing.step import tensor as image_tensor

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


#: Pictures that embeddings are made white on, and how many are encoded at once.
PICTURES, AT_ONCE = 400, 64
#: Least variance of a direction, of their mean: what hardly varies is mostly rounding, and stays small.
LEAST_VARIANCE = 1e-3


def write_small_clip(out: Path, seed: int = 0, people: People | None = None) -> None:
    """A folder that transformers and ``training.preprocess`` read, with the file for Load Small CLIP Vision in it.

    Args:
        people: with parsings; None leaves the random features as they are.
    """
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = CLIPVisionModelWithProjection(CLIPVisionConfig(**SIZES)).eval()
        for parameter in network.parameters():
            # By fan-in: CLIP's own initial weights are for training, and hardly let a signal through.
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        if people is not None:
            whiten(network, people)
    network.save_pretrained(out)
    state = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    header = {CLIP_CONFIG_KEY: json.dumps(SIZES | {"model_type": "clip_vision_model", "num_channels": 3})}
    save_file(state, out / NODE_FILE, header)


@torch.no_grad()
def whiten(network: nn.Module, people: People) -> None:
    """Choose the last norm's bias and the projection so that embeddings of people have mean 0 and covariance 1."""
    places = range(0, len(people.names), -(-len(people.names) // PICTURES))
    pixels = [
        part for place in places for part in _views(people.record(people.names[place]), network.config.image_size)
    ]
    features = torch.cat(
        [
            network.vision_model(pixel_values=torch.cat(pixels[start : start + AT_ONCE])).pooler_output
            for start in range(0, len(pixels), AT_ONCE)
        ]
    )
    network.vision_model.post_layernorm.bias.sub_(features.mean(0))
    variance, directions = torch.linalg.eigh(features.double().mT.cov())
    scale = (variance + LEAST_VARIANCE * variance.mean()).rsqrt()
    network.visual_projection.weight.copy_(scale[:, None] * directions.mT)


def _views(record: Record, side: int) -> Iterator[Tensor]:
    """The network's input for a whole picture and for the regions of its parsing."""
    picture = image_tensor(record.image)
    yield clip_pixels(picture, side)
    parsing = Parsing(torch.tensor(field(record, "parsing"))[None])
    for _, _, crop in region_crops(picture, parsing):
        yield clip_pixels(crop, side)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.small_clip", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=Path, metavar="STORE", help="whose embeddings are to be white, with parsings")
    options = parser.parse_args(arguments)
    try:
        write_small_clip(options.out, options.seed, StoredPeople(options.people) if options.people else None)
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
