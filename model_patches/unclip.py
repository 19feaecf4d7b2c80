"""Sampling of embeddings as unCLIP does it (Ramesh et al., 2022): DDPM on a cosine schedule; the network gives x₀.

A step is the posterior q(x_s | x_t, x₀) of Ho et al., 2020 (Eq. 6 and 7), between any two timesteps s < t.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

TIMESTEPS = 1000
#: How far a normalised x₀ may leave zero.
CLIP_RANGE = 10.0
#: Mean and standard deviation of CLIP ViT-H/14's numbers, constants of the published sampler.
MEAN, STD = -0.016, 0.415
#: Largest β of the cosine schedule (Nichol and Dhariwal, 2021).
_LARGEST_BETA = 0.999


@cache
def _schedule() -> tuple[Tensor, Tensor]:
    """β and ᾱ (how much of the signal's variance is left) of every timestep.

    In single precision, as the published sampler has them: the last step's 1 − ᾱ is 4e-5, and 1e-3 of it is rounding.
    """

    def angle(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    edges = [angle(step / TIMESTEPS) for step in range(TIMESTEPS + 1)]
    betas = torch.tensor([min(1 - end / start, _LARGEST_BETA) for start, end in pairwise(edges)])
    return betas, (1 - betas).cumprod(0)


def unclip_timesteps(steps: int) -> list[int]:
    """Timesteps from 999 to 0, evenly spaced; a single step is at 999."""
    if steps == 1:
        return [TIMESTEPS - 1]
    # Half a timestep is rounded to the even one.
    return [round((TIMESTEPS - 1) / (steps - 1) * step) for step in reversed(range(steps))]


def unclip(
    predict: Callable[[Tensor, int], Tensor],
    x: Tensor,
    noise: Sequence[Tensor],
    clip_range: float = CLIP_RANGE,
    after: Callable[[], None] = lambda: None,
    mean: float = MEAN,
    std: float = STD,
) -> Tensor:
    """An embedding of noise.

    Args:
        predict: x₀ of a sample at a timestep, both normalised.
        x: noise ``[B, embedding]``.
        noise: what is added after each step but the last, each ``[B, embedding]``: one fewer than there are steps.
        clip_range: x₀ is kept within ± this.
        after: called after every step.
        mean, std: of the embeddings' numbers.

    Returns:
        ``[B, embedding]`` as CLIP gives it.
    """
    betas, kept = _schedule()
    timesteps = unclip_timesteps(len(noise) + 1)
    for now, following, added in zip(timesteps, [*timesteps[1:], -1], [*noise, None], strict=True):
        clean = predict(x, now).clamp(-clip_range, clip_range)
        before = kept.new_ones(()) if following < 0 else kept[following]
        beta = betas[now] if following == now - 1 else 1 - kept[now] / before
        to_clean, to_noisy = before.sqrt() * beta / (1 - kept[now]), (1 - beta).sqrt() * (1 - before) / (1 - kept[now])
        x = float(to_clean) * clean + float(to_noisy) * x
        if added is not None:
            x = x + float(((1 - before) / (1 - kept[now]) * beta).sqrt()) * added
        after()
    return x * std + mean


def guided(condition: Tensor, null: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Eq. 4) of x₀: 1 is the condition alone."""
    return null + scale * (condition - null)
