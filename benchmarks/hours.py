"""``python dev.py bench hours``: the arithmetic of one sample of the networks at full size and at the demo's.

Counted on tensors without memory, in 10¹² operations (FLOP) of matrix products, convolutions and attentions: what
training/CLUSTER.md scales hours by. Nothing is computed and no weights are needed.
"""

import argparse
import sys
from collections.abc import Callable

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from devtools.host import ROOT
from training.data.pictures import Size
from training.methods.diffusion import Base
from training.published_networks import PublishedUNet, published_autoencoder
from training.recipe import read_recipe

from .measure import arithmetic

#: Whose UNet is the demo's.
DEMO = ROOT / "training" / "recipes" / "demo_truepose.yaml"


def of_unet(base: Base, size: Size) -> tuple[float, float]:
    """10¹² operations of a UNet over latents of a height and width: forward, and forward and backward."""
    network = base.build(seed=0)
    channels, context = network.config.in_channels, network.config.cross_attention_dim
    given = torch.randn(1, channels, *size), torch.zeros(1, dtype=torch.long), torch.randn(1, 1, context)

    def forward() -> torch.Tensor:
        return network(*given).sample

    with torch.no_grad():
        there = arithmetic(forward)[1]
    return there, arithmetic(lambda: forward().sum().backward())[1]


def of_autoencoder(height: int, width: int) -> tuple[float, float]:
    """10¹² operations of Stable Diffusion's autoencoder over a picture: to encode, and to decode it."""
    network = published_autoencoder()
    picture, latent = torch.randn(1, 3, height, width), torch.randn(1, 4, height // 8, width // 8)
    calls: list[Callable] = [lambda: network.encode(picture).latent_dist.mean, lambda: network.decode(latent).sample]
    with torch.no_grad():
        encoded, decoded = (arithmetic(call)[1] for call in calls)
    return encoded, decoded


def of_clip() -> float:
    """10¹² operations of CLIP ViT-L/14 over a picture."""
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    network = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, patch_size=14, projection_dim=768))
    with torch.no_grad():
        return arithmetic(lambda: network(torch.randn(1, 3, 224, 224)).image_embeds)[1]


def main() -> int:
    """The command line."""
    argparse.ArgumentParser(prog="dev.py bench hours", description=__doc__.splitlines()[0]).parse_args()
    with torch.device("meta"):
        rows = [
            ("UNet of Stable Diffusion 1.5, 512×352", *of_unet(PublishedUNet("SD1.5"), (64, 44))),
            ("the same, 512×512", *of_unet(PublishedUNet("SD1.5"), (64, 64))),
            ("the demo's UNet, 128×96", *of_unet(read_recipe(DEMO).options.base, (16, 12))),
        ]
        encoded, decoded = of_autoencoder(512, 352)
        clip = of_clip()
    sys.stdout.write("| TFLOP a picture | forward | forward and backward |\n|---|---:|---:|\n")
    for name, forward, both in rows:
        sys.stdout.write(f"| {name} | {forward:.4g} | {both:.4g} |\n")
    for name, forward in (
        ("autoencoder, 512×352, encodes", encoded),
        ("… decodes", decoded),
        ("CLIP ViT-L/14, 224×224", clip),
    ):
        sys.stdout.write(f"| {name} | {forward:.4g} | |\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
