"""SourceNet: the second UNet, which looks at the source image once a run."""

from typing import Any

import torch
from comfy.model_base import SDXL, SDXLRefiner
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_blocks import context_width
from ..model_patches.comfy_latents import check_channels
from ..model_patches.comfy_source import SourceNet
from ..model_patches.errors import PatchError
from .checks import HALF_VAE, check_conditioning, check_numbers, described, latent_samples
from .errors import names_itself
from .host_features import search_aliases
from .types import SourceNetwork

#: Of SDXL's pooled text.
POOLED_WIDTH = 1280


class MannequinSourceNet(io.ComfyNode):
    """Pairs a UNet with the source it will look at."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSourceNet",
            display_name="SourceNet",
            category="Mannequin/Patch",
            **search_aliases("reference net", "garment net", "source image"),
            description=(
                "The Siamese half of TruePose (Eq. 3): a UNet reads the source image's latent once a run, at t = 0, "
                "and hands its features to HPFA, CAA or reference attention. Give it trained SourceNet weights, or the "
                "very checkpoint you sample with (training-free). MCLD's ReferenceNet is one, too."
            ),
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The UNet that reads the source: trained SourceNet weights, or the checkpoint itself.",
                ),
                io.Latent.Input("latent", tooltip="The source image through VAE Encode; for MCLD the texture map."),
                io.Conditioning.Input(
                    "conditioning",
                    optional=True,
                    tooltip="What its cross-attention sees: one caption, or MCLD's source_token. Default: nothing.",
                ),
            ],
            outputs=[
                SourceNetwork.Output(
                    "source", display_name="SOURCE_NET", tooltip="SourceNet and its image: for HPFA, CAA and reference."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, model, latent: dict, conditioning=None) -> io.NodeOutput:
        samples = latent_samples(latent, "The source latent")
        width = context_width(model)
        channels = model.get_model_object("latent_format").latent_channels
        expected = model.get_model_object("diffusion_model").in_channels
        if expected != channels:
            raise PatchError(
                f"This UNet takes {expected} channels, of which the latent has {channels}: it is made for inpainting "
                "or the like. Connect an ordinary model; SourceNet looks at a whole picture."
            )
        if samples.ndim != 4 or 0 in samples.shape:
            raise PatchError(
                f"The source latent has shape {tuple(samples.shape)}; [batch, {channels}, height, width] is needed. "
                "Make it with VAE Encode from an image of at least 8×8 pixels."
            )
        check_channels(samples, channels, "The source latent")
        check_numbers(samples, "The source latent", HALF_VAE)
        context = pooled = None
        if conditioning is not None:
            context, pooled = _what_it_sees(
                conditioning, len(samples), width, isinstance(model.model, (SDXL, SDXLRefiner))
            )
        return io.NodeOutput(SourceNet(model, samples, context, pooled))


def _what_it_sees(conditioning: Any, images: int, width: int, xl: bool) -> tuple[Tensor, Tensor | None]:
    """Context ``[1 or S, tokens, width]`` and pooled text ``[1 or S, 1280]`` for S source images.

    The samplers average the predictions of several entries; SourceNet passes once, so entries must say the same.
    """
    check_conditioning(conditioning, "The conditioning", ", or disconnect it")
    (context, pooled), *others = [(text, extras.get("pooled_output")) for text, extras in conditioning]
    if any(not (_same(context, text) and _same(pooled, vector)) for text, vector in others):
        raise PatchError(
            f"The conditioning has {len(conditioning)} entries that differ, and SourceNet looks once. Join prompts "
            "with Conditioning (Concat) instead of Conditioning (Combine), or connect one of them."
        )
    _check_text(context, 3, images, width)
    if xl and pooled is not None:
        _check_text(pooled, 2, images, POOLED_WIDTH)
    return context, pooled


def _same(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None:
        return first is second
    return torch.equal(first, second)


def _check_text(text: Any, dimensions: int, images: int, width: int) -> None:
    """Raise where text is not ``[1 or S, …, width]`` with so many dimensions, in numbers."""
    if not isinstance(text, Tensor) or text.ndim != dimensions or 0 in text.shape:
        needed = ["1", "tokens", str(width)] if dimensions == 3 else ["1", str(width)]
        raise PatchError(
            f"The conditioning holds {described(text)}; text of shape [{', '.join(needed)}] is needed. Encode it with "
            "the CLIP of the same checkpoint."
        )
    if text.shape[-1] != width:
        raise PatchError(
            f"The conditioning is {text.shape[-1]} wide and this UNet takes {width}. Encode the text with the CLIP of "
            "the same checkpoint."
        )
    check_numbers(text, "The conditioning")
    if len(text) not in (1, images):
        raise PatchError(
            f"The conditioning has {len(text)} rows and the source latent {images} images. Give one row for all, or "
            "one for each image; where several photos made one texture map, give MCLD Conditioning one of the photos "
            "(ImageFromBatch)."
        )
