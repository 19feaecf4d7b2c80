"""PCDMs' weights in ComfyUI and in diffusers."""

import comfy.sample
import pytest
import torch
from diffusers import DDIMScheduler
from mannequin.model_patches.comfy_samplers import leading_timesteps, published_sampler
from mannequin.model_patches.unet_layout import UNetLayout
from mannequin.model_patches.weight_kinds.kind import DENOISING
from mannequin.model_patches.weight_kinds.pcdms_unets import FAMILIES
from pcdms_models import GUIDANCE, KINDS, conditioning, given, model_of
from small import HEIGHT, WIDTH, difference, random

from devtools import untrained
from training.unets import small_unet

SCALE = 0.18215


@pytest.mark.parametrize("stage", KINDS)
def test_the_hosts_agree(stage):
    """A whole run by DDIM with guidance, of the same noise, in ComfyUI and in diffusers."""
    patcher = model_of(stage)
    steps, inputs, conditions = 4, given(stage), conditioning(stage)
    noise = random(1, 4, HEIGHT, WIDTH, seed=5)
    arguments = (noise, GUIDANCE, *published_sampler(patcher, "DDIM", steps), *conditions, torch.zeros_like(noise))
    ours = comfy.sample.sample_custom(patcher, *arguments, disable_pbar=True, seed=0) * SCALE

    state, metadata = untrained.pcdms_state(stage)
    unet = {key.removeprefix(DENOISING): tensor for key, tensor in state.items() if key.startswith(DENOISING)}
    network = small_unet(UNetLayout.of(unet), 0, FAMILIES[stage].stated_in(metadata)).eval()
    network.load_state_dict(unet)
    if inputs.features is not None:
        network.conv_in.register_forward_hook(lambda module, given, features: features + inputs.features)
    maps = [] if inputs.mask is None else [inputs.mask]
    beside = torch.cat([*maps, inputs.latent * SCALE], 1)
    null = torch.zeros_like(beside) if stage == "refining" else beside
    classes = None if inputs.vector is None else torch.cat([torch.zeros_like(inputs.vector), inputs.vector])
    context = torch.cat([conditions[1][0][0], conditions[0][0][0]])
    scheduler = DDIMScheduler(
        1000, 0.00085, 0.012, "scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps.tolist() == leading_timesteps(steps)
    x = noise
    for timestep in scheduler.timesteps:
        given_both = torch.cat([torch.cat([x, part], 1) for part in (null, beside)])
        both = network(given_both, timestep, encoder_hidden_states=context, class_labels=classes).sample
        nothing, something = both.chunk(2)
        x = scheduler.step(nothing + GUIDANCE * (something - nothing), timestep, x).prev_sample
    assert difference(ours, x) < 1e-3 * float(x.std())
