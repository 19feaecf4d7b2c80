"""The pose interaction field through the UNet: its gradient at y_t, and what stands in its way."""

import comfy.hooks
import comfy.samplers
import pytest
import torch
from mannequin.model_patches.comfy_pose_field import FIELD, Memory
from mannequin.model_patches.comfy_small_sd import build_vae
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.guidance.pose_interaction_field import pose_field
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pose_field import MannequinPoseInteractionFieldGuider
from pose_field_parts import WIDGETS, estimator, pose
from small import conditioning, difference, model, patched, random

CFG = 2.0
#: Of finite differences, in σ.
STEP = 0.001


@pytest.fixture(scope="module")
def parts():
    """MODEL, estimator and VAE."""
    with torch.inference_mode():
        return model(), estimator(), build_vae(3)


def guider(parts, patcher=None, positive=None, **options):
    base, net, vae = parts
    conds = positive or conditioning(), conditioning(seed=4), CFG
    given = (patcher or base, *conds, pose(), net, vae)
    return MannequinPoseInteractionFieldGuider.execute(*given, **(WIDGETS | options)).result[0]


def sampled(guider, steps: int = 2, sampler: str = "euler") -> torch.Tensor:
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", steps)
    noise = random(1, 4, 8, 12)
    chosen = comfy.samplers.sampler_object(sampler)
    return guider.sample(noise, torch.zeros_like(noise), chosen, sigmas, seed=5, disable_pbar=True)


def plain(patcher) -> comfy.samplers.CFGGuider:
    unguided = comfy.samplers.CFGGuider(patcher)
    unguided.set_conds(conditioning(), conditioning(seed=4))
    unguided.set_cfg(CFG)
    return unguided


def test_the_gradient_is_that_of_the_whole_way(parts):
    """What a step is moved by is w · s · σ² · ∂G/∂x: Eq. 15 at y_t, x = √(1 + σ²) y_t; by finite differences."""
    ours = guider(parts, scale=1e4, rule="Eq. 15")
    predicted, slopes = ours.predict_noise, []

    def watch(x, timestep, model_options={}, seed=None):
        guided = predicted(x, timestep, model_options, seed)
        unguided = super(type(ours), ours).predict_noise(x, timestep, model_options, seed)
        sigma = float(timestep[0])
        gradient = (unguided - guided) / (CFG * 1e-2 * sigma**2)
        distance = _distance(ours, x, timestep, model_options, seed)
        along = gradient / gradient.norm()
        step = STEP * sigma
        ends = [distance(x + sign * step * along) for sign in (-1, 1)]
        slopes.append((float(gradient.norm()), (ends[1] - ends[0]) / (2 * step)))
        return guided

    ours.predict_noise = watch
    sampled(ours, steps=3)
    # At the last, lowest noise level such a step is lost in rounding.
    for measured, expected in slopes[:2]:
        assert measured == pytest.approx(expected, rel=0.02)


def _distance(ours, x, timestep, model_options, seed):
    """G of what the UNet makes of a noisy latent, with the W_h of ``x``."""
    memory, base = Memory(), ours.inner_model
    maps_of, target = ours.field.looked_at(x, base, memory)

    def clean(noisy):
        return comfy.samplers.calc_cond_batch(base, [ours.conds["positive"]], noisy, timestep, model_options)[0]

    fine = maps_of(clean(x)).fine
    return lambda noisy: float(pose_field(maps_of(clean(noisy))._replace(fine=fine), target).distance)


def test_it_guides_and_repeats(parts):
    unguided = sampled(plain(parts[0]))
    ours = sampled(guider(parts))
    assert difference(ours, unguided) > 1e-2 and torch.isfinite(ours).all()
    assert torch.equal(ours, sampled(guider(parts)))
    assert torch.equal(unguided, sampled(plain(parts[0])))
    assert torch.equal(unguided, sampled(guider(parts, scale=0.0)))
    assert FIELD not in parts[0].model_options["transformer_options"]


def test_nobody_in_the_picture(parts, caplog):
    """No heat, no weight, no gradient: nothing moves, and nothing is said."""
    blind = estimator(bias=-10.0)
    unguided, ours = sampled(plain(parts[0])), sampled(guider((parts[0], blind, parts[2])))
    assert difference(ours, unguided) < 1e-4
    assert not [record for record in caplog.records if "not numbers" in record.getMessage()]


def test_on_a_patched_model_and_where_the_sampler_looks_behind_guidance(parts):
    attended = patched(parts[0], "hpfa", "reference")
    for sampler in ("euler", "euler_cfg_pp"):
        ours = sampled(guider(parts, attended), sampler=sampler)
        assert torch.isfinite(ours).all() and difference(ours, sampled(plain(attended), sampler=sampler)) > 1e-2


def test_in_half_precision(parts):
    half = model(dtype=torch.bfloat16), *parts[1:]
    exact, ours, unguided = sampled(guider(parts)), sampled(guider(half)), sampled(plain(half[0]))
    assert difference(ours, exact) < difference(ours, unguided)


def test_what_stands_in_the_way(parts):
    group = comfy.hooks.create_hook_lora({}, 1.0, 1.0)
    group.hooks[0].weights, group.hooks[0].need_weight_init = {}, False
    hooked = comfy.hooks.set_hooks_for_conditioning(conditioning(), group)
    with pytest.raises(PatchError, match="^Pose Interaction Field Guider: A conditioning has hooks"):
        sampled(guider(parts, positive=hooked))
    scale = torch.ones(1)
    foreign = parts[0].clone()
    foreign.set_model_input_block_patch(lambda h, extra: h * scale)
    with pytest.raises(PatchError, match="^Pose Interaction Field Guider: Another network in this graph"):
        sampled(guider(parts, foreign))
    with pytest.raises(NodeError, match="^Pose Interaction Field Guider: Its input positive is"):
        guider(parts, positive="a person")
