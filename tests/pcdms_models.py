"""PCDMs' MODELs of untrained weights, and conditionings whose every tensor is random."""

from dataclasses import replace

import comfy.sample
import torch
from mannequin.model_patches.comfy_evaluation import NULL
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_unet import load_unet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.unet_layout import UNetLayout
from mannequin.model_patches.weight_kinds.kind import DENOISING
from mannequin.model_patches.weight_kinds.pcdms_unets import FAMILIES, PCDMS_INPAINTING, PCDMS_REFINING
from small import HEIGHT, WIDTH, random

from devtools import untrained
from training.unets import small_unet

KINDS = {"inpainting": PCDMS_INPAINTING, "refining": PCDMS_REFINING}
GUIDANCE = 2.0


def model_of(stage: str):
    """The MODEL of a stage."""
    with torch.inference_mode():
        state, metadata = untrained.pcdms_state(stage)
        return load_weights(KINDS[stage], state, stage, metadata)[0]


def given(stage: str, rows: int = 1, height: int = HEIGHT, width: int = WIDTH) -> Inputs:
    """Inputs of a stage whose every tensor is random."""
    latent = random(rows, 4, height, width, seed=1)
    if stage == "refining":
        return Inputs(latent)
    mask = torch.ones(1, 1, height, width)
    mask[..., width // 2 :] = 0
    return Inputs(latent, mask, random(rows, 64, seed=2), random(rows, 32, height, width, seed=3))


def conditioning(stage: str, inputs: Inputs | None = None, **entries) -> tuple[list, list]:
    """Positive and negative, as the stage's node gives them; ``entries`` go to both."""
    inputs, context = inputs or given(stage), random(1, 6, 64, seed=4)
    null = {INPUTS: inputs.as_null(blank=stage == "refining"), NULL: True}
    return [[context, {INPUTS: inputs} | entries]], [[torch.zeros_like(context), null | entries]]


def sampled(model, conditions, rows: int = 1, noise: torch.Tensor | None = None, cfg: float = GUIDANCE) -> torch.Tensor:
    """Two steps of the host's Euler, of the same noise for every row."""
    noise = random(1, 4, HEIGHT, WIDTH, seed=5) if noise is None else noise
    noise = noise.expand(rows, -1, -1, -1)
    arguments = (noise, 2, cfg, "euler", "normal", *conditions, torch.zeros_like(noise))
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True)


def base_unet(seed: int = 7):
    """An ordinary UNet of the same generation and sizes, as Stable Diffusion 2.1 is beside PCDMs."""
    state, metadata = untrained.pcdms_state("refining")
    unet = {key.removeprefix(DENOISING): tensor for key, tensor in state.items() if key.startswith(DENOISING)}
    layout = replace(UNetLayout.of(unet), in_channels=4)
    family = replace(FAMILIES["refining"], beside=None).stated_in(metadata)
    return load_unet(small_unet(layout, seed, family).state_dict(), "The UNet", family)
