"""The host's DDIM as training's own takes it: the same steps, from the same noise."""

import comfy.samplers
import torch
from mannequin.model_patches.comfy_samplers import ddim_sampler

STEPS = 5


def sampling_of(model) -> tuple[torch.Tensor, object]:
    """Noise levels and sampler of the host that take DDIM's steps."""
    schedule = model.get_model_object("model_sampling")
    if schedule.sigma_max > 1000:
        # Trailing steps, from pure noise on.
        steps = torch.arange(999, -1, -1000 / STEPS).round().long()
        return torch.cat([schedule.sigma(steps), torch.zeros(1)]), ddim_sampler()
    return comfy.samplers.calculate_sigmas(schedule, "ddim_uniform", STEPS), comfy.samplers.sampler_object("ddim")


def begun(model, noise: torch.Tensor) -> torch.Tensor:
    """The host begins with the noise that its first step has, not with a variance of exactly one."""
    (first, *_), _ = sampling_of(model)
    return noise if first > 1000 else noise * first / (1 + first**2) ** 0.5


@torch.inference_mode()
def sampled(model, positive: list, negative: list, noise: torch.Tensor, guidance: float) -> torch.Tensor:
    """By the host's guider; in the UNet's scale."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(guidance)
    sigmas, sampler = sampling_of(model)
    made = guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, seed=0, disable_pbar=True)
    return model.model.process_latent_in(made)
