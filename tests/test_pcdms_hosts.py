"""PCDMs' MODELs among other patches, and the same weights in diffusers."""

from dataclasses import replace
from functools import partial

import comfy.hooks
import comfy.sample
import pytest
import torch
from diffusers import DDIMScheduler
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_networks import load_file
from mannequin.model_patches.comfy_samplers import leading_timesteps, published_sampler
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_unet import load_unet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.conditions import HPFACondition, ReferenceCondition
from mannequin.model_patches.unet_layout import UNetLayout
from mannequin.model_patches.weight_kinds.kind import DENOISING
from mannequin.model_patches.weight_kinds.pcdms_unets import FAMILIES, PCDMS_INPAINTING, PCDMS_REFINING
from small import DEFAULT, HEIGHT, WIDTH, body_mask, difference, random

from devtools import untrained
from training.unets import small_unet

KINDS = {"inpainting": PCDMS_INPAINTING, "refining": PCDMS_REFINING}
LORA_KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_k.weight"
GUIDANCE, SCALE = 2.0, 0.18215


def given(stage: str, rows: int = 1) -> Inputs:
    """Inputs of a stage whose every tensor is random."""
    latent = random(rows, 4, HEIGHT, WIDTH, seed=1)
    if stage == "refining":
        return Inputs(latent)
    mask = torch.ones(1, 1, HEIGHT, WIDTH)
    mask[..., WIDTH // 2 :] = 0
    return Inputs(latent, mask, random(rows, 64, seed=2), random(rows, 32, HEIGHT, WIDTH, seed=3))


def conditioning(stage: str, **entries) -> tuple[list, list]:
    inputs, context = given(stage), random(1, 6, 64, seed=4)
    null = inputs.as_null(blank=stage == "refining")
    return [[context, {INPUTS: inputs} | entries]], [[torch.zeros_like(context), {INPUTS: null}]]


@pytest.fixture(scope="module", params=KINDS)
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def patcher(stage):
    with torch.inference_mode():
        state, metadata = untrained.pcdms_state(stage)
        return load_weights(KINDS[stage], state, stage, metadata)[0]


def sampled(model, conditions, rows: int = 1) -> torch.Tensor:
    noise = random(1, 4, HEIGHT, WIDTH, seed=5).expand(rows, -1, -1, -1)
    arguments = (noise, 2, GUIDANCE, "euler", "normal", *conditions, torch.zeros_like(noise))
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True)


def base_unet(seed: int = 7):
    """An ordinary UNet of the same generation and sizes, as Stable Diffusion 2.1 is beside PCDMs."""
    state, metadata = untrained.pcdms_state("refining")
    unet = {key.removeprefix(DENOISING): tensor for key, tensor in state.items() if key.startswith(DENOISING)}
    layout = replace(UNetLayout.of(unet), in_channels=4)
    family = replace(FAMILIES["refining"], beside=None).stated_in(metadata)
    return load_unet(small_unet(layout, seed, family).state_dict(), "The UNet", family)


def test_patches_of_attention_go_on_top(stage, patcher):
    """Each changes the picture, together both do, and a patch leaves no trace."""
    conditions, base = conditioning(stage), sampled(patcher, conditioning(stage))
    source = SourceNet(base_unet(), random(1, 4, HEIGHT, WIDTH, seed=8))
    hpfa = apply_condition(patcher, HPFACondition(body_mask()), source, "all", DEFAULT)
    both = apply_condition(hpfa, ReferenceCondition(), source, "all", DEFAULT)
    first, second = sampled(hpfa, conditions), sampled(both, conditions)
    assert difference(first, base) > 1e-2 and difference(second, first) > 1e-2
    assert torch.equal(sampled(patcher, conditions), base)


def test_a_lora_and_the_same_as_a_hook(stage, patcher):
    width = patcher.model.state_dict()[LORA_KEY].shape[0]
    delta = {LORA_KEY: (random(width, width, seed=8),)}
    base, worn = sampled(patcher, conditioning(stage)), patcher.clone()
    worn.add_patches(delta, 1.0)
    with_lora = sampled(worn, conditioning(stage))
    assert difference(with_lora, base) > 1e-3
    group = comfy.hooks.create_hook_lora({}, 1.0, 1.0)
    group.hooks[0].weights, group.hooks[0].need_weight_init = delta, False
    hooked = [comfy.hooks.set_hooks_for_conditioning(each, group) for each in conditioning(stage)]
    assert difference(sampled(patcher, hooked), with_lora) < 1e-4 * float(with_lora.abs().max())
    assert torch.equal(sampled(patcher, conditioning(stage)), base)


def test_rows_are_of_their_own(stage, patcher):
    """Two rows of inputs: each image of the batch is what its row gives alone."""
    context = random(1, 6, 64, seed=4)
    two = given(stage, 2)

    def made(inputs: Inputs, rows: int) -> torch.Tensor:
        null = inputs.as_null(blank=stage == "refining")
        return sampled(patcher, ([[context, {INPUTS: inputs}]], [[context * 0, {INPUTS: null}]]), rows)

    def row(index: int) -> Inputs:
        cut = {
            name: None if (tensor := getattr(two, name)) is None else tensor[index : index + 1]
            for name in ("latent", "vector", "features")
        }
        return Inputs(mask=two.mask, **cut)

    together, alone = made(two, 2), torch.cat([made(row(index), 1) for index in range(2)])
    assert difference(together, alone) < 1e-5 * float(alone.abs().max())
    assert difference(together[0], together[1]) > 1e-2


def test_the_host_can_make_another_copy(stage):
    state, metadata = untrained.pcdms_state(stage)

    def read(name: str) -> tuple:
        return {key: tensor.clone() for key, tensor in state.items()}, metadata

    patcher, _ = load_file(read, partial(load_weights, KINDS[stage]), stage)
    make, arguments = patcher.cached_patcher_init
    other = make(*arguments)
    assert other.model is not patcher.model
    assert torch.equal(sampled(other, conditioning(stage)), sampled(patcher, conditioning(stage)))


def test_the_hosts_agree(stage, patcher):
    """A whole run by DDIM with guidance, of the same noise, in ComfyUI and in diffusers."""
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
