"""Samplers as the published pipelines have them, to the letter."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import comfy.samplers
import numpy as np
import torch
from torch import Tensor

from .errors import PatchError
from .unipc import unipc

#: Steps of noise of every Stable Diffusion.
TRAINED_STEPS = 1000


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


def linspace_timesteps(steps: int) -> list[int]:
    """Evenly from the last step of noise towards the first, which is where sampling ends: 999, 949, … of 20."""
    return [int(step) for step in np.linspace(0, TRAINED_STEPS - 1, steps + 1).round()[:0:-1]]


def leading_timesteps(steps: int) -> list[int]:
    """Every so many steps of noise, counted from 1: 981, 961, …, 1 of 50."""
    apart = TRAINED_STEPS // steps
    return [apart * step + 1 for step in reversed(range(steps))]


def trailing_timesteps(steps: int) -> list[int]:
    """Evenly down from the last step of noise, counted from there: 999, 966, 932, … of 30."""
    return [int(step) - 1 for step in np.arange(TRAINED_STEPS, 0, -TRAINED_STEPS / steps).round()]


@torch.no_grad()
def _published(model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None, second_order=True):
    """UniPC or DDIM that end where the schedule does, with what diffusers gives there: a sample of kept variance."""
    rows, levels = x.new_ones(x.shape[0]), sigmas.double().tolist()

    def predict(x: Tensor, step: int) -> Tensor:
        return model(x, sigmas[step] * rows, **(extra_args or {}))

    def after(step: int, x: Tensor, clean: Tensor) -> None:
        if callback is not None:
            sigma = sigmas[step]
            callback({"x": x, "i": step, "sigma": sigma, "sigma_hat": sigma, "denoised": clean})

    return unipc(predict, x, levels, after, second_order) / (1 + levels[-1] ** 2) ** 0.5


class _FromPureNoise(comfy.samplers.KSAMPLER):
    """Starts from noise of variance 1 + σ² at the given σ or above, where the host has that at its last σ alone."""

    def __init__(self, start: float, **options: Any) -> None:
        super().__init__(_published, extra_options=options)
        self.start = start

    def max_denoise(self, model_wrap, sigmas):
        return float(sigmas[0]) >= self.start * (1 - 1e-5)


class Published(NamedTuple):
    """A published sampler.

    Attributes:
        sampler: as a SAMPLER, of the noise level it starts from.
        timesteps: which steps of noise it visits.
        clean: whether it ends at no noise; else at the first step of it.
    """

    sampler: Callable[[float], Any]
    timesteps: Callable[[int], list[int]]
    clean: bool = False


PUBLISHED = {
    "UniPC": Published(partial(_FromPureNoise, second_order=True), linspace_timesteps),
    "DDIM": Published(partial(_FromPureNoise, second_order=False), leading_timesteps),
    "DDIM, zero terminal SNR": Published(lambda start: ddim_sampler(), trailing_timesteps, clean=True),
}


def published_sampler(model: Any, name: str, steps: int) -> tuple[Any, Tensor]:
    """A sampler of diffusers as a SAMPLER of the host, and the noise levels it goes through.

    Args:
        model: a MODEL, whose schedule is read.
        name: of :data:`PUBLISHED`. UniPC is of order 2, bh2, linspace; DDIM has η = 0, leading, offset 1; under zero
            terminal SNR trailing.

    Raises:
        PatchError: the MODEL's schedule has no thousand steps.
    """
    published = PUBLISHED[name]
    table = getattr(model.get_model_object("model_sampling"), "sigmas", None)
    if table is None or len(table) != TRAINED_STEPS:
        raise PatchError(
            f"This model's schedule has {'no steps' if table is None else f'{len(table)} steps'} of noise, and these "
            f"samplers go through {TRAINED_STEPS}. Connect a model of Stable Diffusion."
        )
    visited = table[published.timesteps(steps)].float().cpu()
    last = torch.zeros(1) if published.clean else table[:1].float().cpu()
    return published.sampler(float(visited[0])), torch.cat([visited, last])
