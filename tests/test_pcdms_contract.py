"""The contract of CONTRIBUTING.md on PCDMs' MODELs, alone and under patches of attention."""

from dataclasses import replace
from functools import partial

import comfy.hooks
import pytest
import torch
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_inputs import Inputs
from mannequin.model_patches.comfy_networks import load_file
from mannequin.model_patches.comfy_rescale import rescale_guidance
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.conditions import HPFACondition, ReferenceCondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.scope import Scope
from pcdms_models import KINDS, base_unet, conditioning, given, model_of, sampled
from small import DEFAULT, HEIGHT, WIDTH, body_mask, difference, random

from devtools import untrained

LORA_KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_k.weight"


@pytest.fixture(scope="module", params=KINDS)
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def patcher(stage):
    return model_of(stage)


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
    two = given(stage, 2)

    def made(inputs: Inputs, rows: int) -> torch.Tensor:
        return sampled(patcher, conditioning(stage, inputs), rows)

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


def over(patcher, scope: Scope = DEFAULT, batch: int = 1, sides: tuple[int, int] = (HEIGHT, WIDTH)):
    """HPFA and reference attention on a MODEL."""
    source = SourceNet(base_unet(), random(batch, 4, *sides, seed=8))
    patched = apply_condition(patcher, HPFACondition(body_mask(batch, *sides)), source, "all", scope)
    return apply_condition(patched, ReferenceCondition(), source, "all", scope)


@pytest.mark.parametrize(
    "scope",
    [Scope(strength=0.0), Scope(mask=torch.zeros(1, 20, 30)), Scope(start=0.6, end=0.5)],
    ids=["strength 0", "black region", "empty span"],
)
def test_off_is_exactly_the_unpatched_model(stage, patcher, scope):
    assert torch.equal(sampled(over(patcher, scope), conditioning(stage)), sampled(patcher, conditioning(stage)))


@pytest.mark.usefixtures("cloning")
def test_twice_and_clones(stage, patcher):
    """The same bits, of the MODEL and of what is patched on it, and options stay as they were."""
    conditions, options = conditioning(stage), repr(patcher.model_options)
    for model in (patcher, over(patcher), rescale_guidance(patcher, 0.7)):
        first = sampled(model, conditions)
        assert torch.equal(first, sampled(model, conditions))
        assert torch.equal(first, sampled(model.clone().clone(), conditions))
    assert repr(patcher.model_options) == options


def test_the_null_condition_is_the_unpatched_models(stage, patcher):
    """With a guidance of 0 it is all that counts."""
    made, base = (sampled(model, conditioning(stage), cfg=0.0) for model in (over(patcher), patcher))
    assert difference(made, base) < 1e-5 * float(base.abs().max())


def test_a_pose_of_strength_0_is_none(patcher, stage):
    if stage == "refining":
        pytest.skip("it has no pose")
    inputs = given(stage)
    silent, none = (replace(inputs, features=features) for features in (inputs.features * 0, None))
    made = [sampled(patcher, conditioning(stage, each)) for each in (silent, none, inputs)]
    assert torch.equal(made[0], made[1]) and difference(made[1], made[2]) > 1e-2


@pytest.mark.parametrize("area", [(HEIGHT, 4, 0, 3), (6, WIDTH, 5, 0)], ids=["right", "below"])
def test_an_area_is_sampled_as_a_picture_of_its_own(stage, patcher, area):
    """What stands beside the noise is cut as the noise is."""

    def cut(tensor):
        height, width, top, left = area
        return None if tensor is None else tensor[..., top : top + height, left : left + width]

    inputs = given(stage)
    part = replace(inputs, **{name: cut(getattr(inputs, name)) for name in ("latent", "mask", "features")})
    alone = sampled(patcher, conditioning(stage, part), noise=cut(random(1, 4, HEIGHT, WIDTH, seed=5)))
    whole = sampled(patcher, conditioning(stage, area=area, strength=1.0))
    assert difference(cut(whole), alone) < 1e-4 * float(alone.abs().max())


@pytest.mark.parametrize("sides", [(8, 8), (11, 7), (5, 16)], ids=str)
def test_odd_sizes_and_batches(stage, patcher, sides):
    """A batch of one condition under patches: each image is what it is alone."""
    model, conditions = over(patcher, sides=sides), conditioning(stage, given(stage, 1, *sides))
    noise = random(2, 4, *sides, seed=6)
    both = sampled(model, conditions, 2, noise)
    alone = torch.cat([sampled(model, conditions, noise=noise[row : row + 1]) for row in range(2)])
    assert both.shape == (2, 4, *sides)
    assert difference(both, alone) < 1e-4 * float(alone.abs().max()) and difference(both[0], both[1]) > 1e-2


def test_sources_of_their_own(stage, patcher):
    """Two sources and two rows of inputs."""
    conditions = conditioning(stage, given(stage, 2))
    both, plain = sampled(over(patcher, batch=2), conditions, 2), sampled(patcher, conditions, 2)
    assert all(difference(both[row], plain[row]) > 1e-2 for row in range(2)) and difference(both[0], both[1]) > 1e-2
    with pytest.raises(PatchError, match="holds 2 images and the latent batch 3"):
        sampled(over(patcher, batch=2), conditioning(stage), 3)
