"""A recipe's method without any file: its networks as large as published, with fresh weights, and people of nothing."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model_patches.guidance.pose_interaction_field import Field
from model_patches.networks.higherhrnet import HigherHRNet, HigherHRNetShape
from model_patches.networks.resampler import ResamplerShape

from .captions import Words
from .methods import METHODS
from .methods.base import Batch, Method, pixels
from .methods.field_taught import FieldTaught
from .methods.imagpose import IMAGPose
from .methods.joint_latents import EncodedLatents
from .methods.reposesd import RePoseSD
from .published_networks import PublishedUNet, architecture_of, published_autoencoder
from .random_people import RandomPeople
from .recipe import Recipe
from .seen_poses import SeenPoses, Shown, whole
from .taught_field import TaughtField

#: Options that name files, of which nothing is needed but what stands in for them below.
FILES = ("backbone", "dino", "clip_vision", "autoencoder", "estimator", "decoder", "text")
#: Shares of rows that lose a condition: none do, so that every part of the network works in every step.
DROPS = ("drop", "drop_dino", "drop_texture", "drop_both")
#: HigherHRNet-W48.
W48 = HigherHRNetShape(widths=(48, 96, 192, 384), deconvolution=48)
#: CLIP's tokens of a text.
WORDS = 77
#: Width of what a data set knows, where a method's options do not say it: CLIP ViT-L's and insightface's.
COMMON = {"clip": 768, "face": 512, "dino": 768, "regions": 768}


def stand_in(recipe: Recipe, architecture: str | None = None) -> Method:
    """The recipe's method, where every file is stood in for.

    Args:
        architecture: of :data:`.published_networks.SIZES`; None goes by the name of the base's folder.

    Raises:
        TrainingError: the folder's name tells nothing.
    """
    options = recipe.options
    known = {field.name for field in fields(options)}
    changes: dict[str, Any] = {name: None for name in FILES if name in known}
    changes |= {name: 0.0 for name in DROPS if name in known}
    if "begin" in known:
        changes["begin"] = ()
    if isinstance(getattr(options, "base", None), Path):
        changes["base"] = PublishedUNet(architecture or architecture_of(options.base))
    method = METHODS[recipe.method](replace(options, **changes), recipe.seed)
    if isinstance(method, IMAGPose) and options.autoencoder:
        method.latents = _Encoded(_autoencoder().encode)
    if isinstance(method, FieldTaught) and options.field and options.estimator:
        estimator = HigherHRNet(W48).eval().requires_grad_(False)
        seen = _Seen(estimator.float(), _autoencoder().float())
        # In the cached properties' place, so that no file is asked for.
        method.__dict__["taught_field"] = TaughtField(seen, options.rule, options.field)
    if isinstance(method, RePoseSD) and not options.text:
        method.__dict__["words"] = _words(method.context_dim)
    return method


def people_for(recipe: Recipe, method: Method, size: tuple[int, int]) -> RandomPeople:
    """People of pictures so large, with what the method reads of them."""
    options = recipe.options
    widths = dict(COMMON)
    for name, option in (("dino", "dino_dim"), ("regions", "region_dim")):
        widths[name] = getattr(options, option, widths[name])
    shape = getattr(options, "shape", None)
    widths["clip"] = shape.embedding if hasattr(shape, "embedding") else getattr(method, "context_dim", widths["clip"])
    projector = getattr(options, "face_projector", None)
    widths["face"] = projector.input_dim if isinstance(projector, ResamplerShape) else widths["face"]
    unet = getattr(method, "denoising", None)
    variance = 2 if getattr(options, "learned_variance", False) else 1
    return RandomPeople(size, unet.config.out_channels // variance if unet else 4, widths)


class _Autoencoder(nn.Module):
    """Stable Diffusion's, as large as published."""

    def __init__(self) -> None:
        super().__init__()
        self.network = published_autoencoder()

    def encode(self, pixels: Tensor) -> Tensor:
        own = next(self.parameters()).dtype
        return self.network.encode(pixels.to(own)).latent_dist.mean.float()

    def decode(self, latents: Tensor) -> Tensor:
        return self.network.decode(latents).sample


class _Encoded(EncodedLatents):
    """References are enlarged by repetition: it is no network, and PIL's needs numbers."""

    def large(self, batch: Batch) -> Tensor:
        twice = batch["source_image"].repeat_interleave(2, 1).repeat_interleave(2, 2)
        return self._encoded(pixels(twice))


class _Seen(SeenPoses):
    """Where there are no numbers there is no precision either."""

    def gradient(self, latents: Tensor, drawn: Tensor, shown: Shown = whole) -> tuple[Field, Tensor]:
        return (self.plain_gradient if latents.is_meta else super().gradient)(latents, drawn, shown)


def _autoencoder() -> _Autoencoder:
    return _Autoencoder().eval().requires_grad_(False)


def _words(width: int) -> Words:
    """A text encoder as large as the generation's: CLIP ViT-L's, 768 wide, or OpenCLIP ViT-H's, 1,024."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=12 if width == COMMON["clip"] else 23,
        num_attention_heads=max(1, width // 64),
    )
    return _Spoken(CLIPTextModel(config).eval().requires_grad_(False), None)


class _Spoken(Words):
    """Without a tokenizer: as many tokens as any text has."""

    def tokens(self, text: str) -> Tensor:
        return torch.arange(WORDS)
