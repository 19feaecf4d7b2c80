"""What parity of joint pictures' methods shares: the host's guidance at one timestep, its samplers, its VAE."""

from typing import Any

import torch
from torch import Tensor

from .golden import Golden

#: The VAE's scale, between what a pipeline samples and what the host's samplers give back.
LATENT_SCALE = 0.18215


def sampled(
    model: Any, sampler: str, steps: int, golden: Golden, positive: list, negative: list, latent: dict
) -> Tensor:
    """What a published sampler makes of a file's noise, in the VAE's scale."""
    import comfy.sample
    from mannequin.nodes.sampling import MannequinPublishedSampler

    return comfy.sample.sample_custom(
        model,
        golden.inputs["noise"],
        golden.config["guidance_scale"],
        *MannequinPublishedSampler.execute(model, sampler, steps).result,
        positive,
        negative,
        latent["samples"],
        disable_pbar=True,
        seed=0,
    ).cpu()


def evaluated(
    model: Any, golden: Golden, positive: tuple, negative: tuple, cfg: float
) -> tuple[Tensor, Tensor, Tensor]:
    """A file's noisy latent in the host's scale, its σ, and the x₀ that the host's guidance predicts there.

    Args:
        positive, negative: (context, inputs).
    """
    import comfy.sample
    import comfy.samplers
    from mannequin.model_patches.comfy_inputs import INPUTS

    latent, sigmas = golden.inputs["noisy_latent"], model.get_model_object("model_sampling").sigmas
    sigma = sigmas[int(golden.inputs["timestep"])]
    x, found = latent * (1 + sigma**2).sqrt(), []

    def evaluate(model, noise, sigmas, extra_args=None, callback=None, disable=None) -> Tensor:
        found.append(model(x, sigma * x.new_ones(len(x)), **extra_args))
        return noise

    comfy.sample.sample_custom(
        model,
        torch.zeros_like(latent),
        cfg,
        comfy.samplers.KSAMPLER(evaluate),
        torch.stack([sigma, sigmas[0]]),
        *([[context, {INPUTS: inputs}]] for context, inputs in (positive, negative)),
        torch.zeros_like(latent),
        disable_pbar=True,
        seed=0,
    )
    return x, sigma, found[0]


def pictures_of(golden: Golden) -> dict[str, Tensor]:
    """A file's pictures as the host's IMAGE."""
    return {name: given.float() / 255 for name, given in golden.inputs.items() if given.dtype == torch.uint8}


def vae_of(golden: Golden, dtype: torch.dtype = torch.float32) -> Any:
    """The autoencoder of a pipeline's file, in the host's care."""
    import comfy.sd

    hint = golden.config["vae"]["comfy_hint"]
    weights = golden.weights_of("vae")
    return comfy.sd.VAE(sd=weights, config={"params": hint}, dtype=dtype)
