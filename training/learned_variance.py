"""The noise's variance as a network says it, and the bound that teaches it (Eq. 4; Nichol and Dhariwal, 2021).

Samplers of ours take none of it: DDIM's steps have no noise of their own.
"""

import math

import torch
from diffusers import DDIMScheduler
from torch import Tensor


def variational_bound(
    scheduler: DDIMScheduler, timesteps: Tensor, clean: Tensor, noisy: Tensor, noise: Tensor, share: Tensor
) -> Tensor:
    """L_vlb of the rows ``[B]``, in bits a value; it teaches the variance alone.

    Args:
        timesteps: ``[B]``.
        clean, noisy: x₀ and x_t, ``[B, C, h, w]``.
        noise: ε_θ, of which no gradient is taken.
        share: what the network says of the variance: between β̃_t at −1 and β_t at 1, in logarithms.
    """
    # Under autocast what the network says is in half precision, which no logarithm of a variance has room in.
    noise, share = noise.to(clean.dtype), share.to(clean.dtype)
    alphas = scheduler.alphas_cumprod.to(clean.device, torch.float64)
    before = torch.cat([alphas.new_ones(1), alphas[:-1]])
    betas = 1 - alphas / before
    posterior = (1 - before) / (1 - alphas) * betas
    # The first step's is 0, whose logarithm is none.
    logarithms = posterior.clamp(min=float(posterior[1])).log(), betas.log()

    def at(values: Tensor) -> Tensor:
        return values[timesteps].to(clean.dtype).view(-1, 1, 1, 1)

    def mean(of: Tensor) -> Tensor:
        return (
            at(before.sqrt() * betas / (1 - alphas)) * of
            + at((alphas / before).sqrt() * (1 - before) / (1 - alphas)) * noisy
        )

    guess = (noisy - at((1 - alphas).sqrt()) * noise.detach()) / at(alphas.sqrt())
    least, most = (at(values) for values in logarithms)
    told = torch.lerp(least, most, (share + 1) / 2)
    beside = (mean(clean) - mean(guess)).square() * (-told).exp()
    divergence = 0.5 * (told - least - 1 + (least - told).exp() + beside)
    likelihood = 0.5 * (math.log(2 * math.pi) + told + beside)
    terms = torch.where(timesteps.view(-1, 1, 1, 1) == 0, likelihood, divergence)
    return terms.flatten(1).mean(1) / math.log(2)
