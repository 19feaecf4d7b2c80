"""A sampler for schedules that end in pure noise."""

import comfy.samplers
import torch
from torch import Tensor


@torch.no_grad()
def ddim_zero_snr(model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None) -> Tensor:
    """DDIM, η = 0, whose first step leaves pure noise exactly (Lin et al., "Common Diffusion Noise Schedules …", 2024).

    ComfyUI ends zero-terminal-SNR schedules at a large σ instead of an infinite one. A v-prediction taken there is off
    by 1 / σ of the noise, and x₀ + σ′(x − x₀) / σ by as much of x₀; what the published pipelines compute is the limit,
    x₀ = −v and x₀ + σ′ε. Other steps are the host's, in a form that does not subtract large numbers.
    """
    rows = x.new_ones(x.shape[0])
    sampling = model.inner_model.inner_model.model_sampling
    for step, (sigma, following) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        denoised = model(x, sigma * rows, **(extra_args or {}))
        pure_noise = getattr(sampling, "zsnr", False) and bool(sigma >= sampling.sigma_max)
        if pure_noise:
            scale = (1 + sigma**2).sqrt()
            noise = x / scale
            denoised = (denoised - noise / scale) * scale / sigma
        if callback is not None:
            callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": denoised})
        ratio = following / sigma
        x = denoised + following * noise if pure_noise else ratio * x + (1 - ratio) * denoised
    return x


def ddim_sampler():
    """The same as a SAMPLER of the host."""
    return comfy.samplers.KSAMPLER(ddim_zero_snr)
