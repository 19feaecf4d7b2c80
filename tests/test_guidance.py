"""Region blending: the formula, and the guider over the host's sampler."""

import comfy.sample
import comfy.samplers
import pytest
import torch
from mannequin.model_patches.comfy_guiders import RegionBlendGuider
from mannequin.model_patches.comfy_host import RUN
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.guidance.region_blend import region_blend
from small import HEIGHT, WIDTH, conditioning, difference, model, patched, random, sample, source

CFG = 3.5


CFG_PP = [name for name in comfy.samplers.KSAMPLER_NAMES if name.endswith("cfg_pp")]


def guided(first, second, mask: torch.Tensor, sampler: str = "euler", cfg: float = CFG) -> torch.Tensor:
    guider = RegionBlendGuider(first, second, mask)
    guider.set_branches(conditioning(), conditioning(seed=4), conditioning(), conditioning(seed=4))
    guider.set_cfg(cfg)
    latent = torch.zeros(1, 4, HEIGHT, WIDTH)
    noise = comfy.sample.prepare_noise(latent, 5)
    sigmas = comfy.samplers.calculate_sigmas(first.get_model_object("model_sampling"), "normal", 2)
    return guider.sample(noise, latent, comfy.samplers.sampler_object(sampler), sigmas, seed=5, disable_pbar=True)


def alone(model, sampler: str, cfg: float = CFG) -> torch.Tensor:
    """One branch under the host's own guider."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(conditioning(), conditioning(seed=4))
    guider.set_cfg(cfg)
    latent = torch.zeros(1, 4, HEIGHT, WIDTH)
    noise = comfy.sample.prepare_noise(latent, 5)
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "normal", 2)
    return guider.sample(noise, latent, comfy.samplers.sampler_object(sampler), sigmas, seed=5, disable_pbar=True)


METHODS = {
    "TruePose": (("hpfa",), ("hpfa, paper", "caa")),
    "MCLD": (("reference", "mfca"), ("reference", "mfca")),
    "one each": (("hpfa", "caa"), ("reference", "mfca")),
}


@pytest.fixture(scope="module", params=METHODS)
def branches(request):
    """A model, and two looks on it, from two sources."""
    with torch.inference_mode():
        base = model()
        looks = METHODS[request.param]
        return base, *(patched(base, *names, net=source(base, seed=seed)) for seed, names in enumerate(looks, 1))


def test_blend_is_the_formula():
    a, b, mask = random(2, 4, 3, 3), random(2, 4, 3, 3, seed=1), torch.rand(1, 1, 3, 3)
    assert difference(region_blend(a, b, mask), mask * a + (1 - mask) * b) < 1e-6
    assert torch.equal(region_blend(a, b, torch.ones(1, 1, 3, 3)), a)
    assert torch.equal(region_blend(a, b, torch.zeros(1, 1, 3, 3)), b)


def test_all_white_is_the_one_model_and_all_black_the_other(branches):
    base, first, second = branches
    assert difference(guided(first, second, torch.ones(1, 8, 8)), sample(first)) == 0.0
    assert difference(guided(first, second, torch.zeros(1, 8, 8)), sample(second)) == 0.0


@pytest.mark.parametrize("cfg", [1.0, CFG])
@pytest.mark.parametrize("sampler", CFG_PP)
def test_samplers_that_ask_for_the_null_prediction_get_the_blend(branches, sampler, cfg):
    """CFG++ steps along the null condition's noise: that is the branch's own where the mask is all one colour."""
    _, first, second = branches
    assert difference(guided(first, second, torch.ones(1, 8, 8), sampler, cfg), alone(first, sampler, cfg)) == 0.0
    assert difference(guided(first, second, torch.zeros(1, 8, 8), sampler, cfg), alone(second, sampler, cfg)) == 0.0


def test_a_schedule_of_one_branch_is_refused(branches):
    """Both are sampled under one."""
    from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
    from other_nodes import from_node

    _, first, second = branches
    shift = from_node(ModelSamplingDiscrete, "v_prediction", False)
    with pytest.raises(PatchError, match="schedule or another part replaced.*before the branch"):
        RegionBlendGuider(first, shift(second), torch.ones(1, 4, 4))


def test_patches_on_either_branch_follow_the_device(branches):
    """The host moves what has ``to``: of the reference too, there and back."""
    moved = {"model": [], "reference": []}

    class Heavy:
        def __init__(self, name):
            self.name = name

        def to(self, where):
            moved[self.name].append(where)
            return self

        def __call__(self, n, extra):
            return n

    _, first, second = (branch.clone() for branch in branches)
    first.set_model_attn1_output_patch(Heavy("model"))
    second.set_model_attn1_output_patch(Heavy("reference"))
    guided(first, second, torch.ones(1, 4, 4))
    assert first.load_device in moved["reference"] and torch.float32 in moved["reference"]
    assert moved["reference"][-1] == first.offload_device


def test_a_mask_of_another_batch_is_named(branches):
    _, first, second = branches
    with pytest.raises(PatchError, match="The mask holds 3 images and the latent batch 1"):
        guided(first, second, torch.ones(3, 8, 8))


def test_halves_differ_from_both(branches):
    _, first, second = branches
    mask = torch.zeros(1, HEIGHT, WIDTH)
    mask[:, : HEIGHT // 2] = 1
    mixed = guided(first, second, mask)
    assert difference(mixed, sample(first)) > 1e-2 and difference(mixed, sample(second)) > 1e-2
    assert difference(mixed, guided(first, second, mask)) == 0.0


def test_one_branch_may_be_unpatched(branches):
    base, first, _ = branches
    assert difference(guided(base, first, torch.ones(1, 4, 4)), sample(base)) == 0.0
    assert difference(guided(base, first, torch.zeros(1, 4, 4)), sample(first)) == 0.0


def test_no_run_is_left_behind(branches):
    _, first, second = branches
    guided(first, second, torch.ones(1, 4, 4))
    for branch in (first, second):
        assert RUN not in branch.model_options["transformer_options"]


def test_branches_of_different_models_are_refused(branches):
    _, first, _ = branches
    with pytest.raises(PatchError, match="same loaded model"):
        RegionBlendGuider(first, model(seed=3), torch.ones(1, 4, 4))
    with_lora = first.clone()
    with_lora.add_patches({"diffusion_model.out.2.weight": ("diff", (torch.zeros(4, 32, 3, 3),))}, 1.0)
    with pytest.raises(PatchError, match="same LoRAs"):
        RegionBlendGuider(first, with_lora, torch.ones(1, 4, 4))
