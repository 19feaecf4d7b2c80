"""Under whose weights keys and values are made: hooks, LoRAs, merges, copies of the network; and in which numbers."""

import copy

import comfy.hooks
import comfy.model_management
import pytest
import torch
from mannequin.model_patches.attention.hpfa import Reweighting, reweighted_self_attention
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_pose import apply_pose
from mannequin.model_patches.comfy_sampling import open_run
from mannequin.model_patches.comfy_small_sd import build_truepose
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.conditions import HPFACondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.scope import Scope
from mannequin.model_patches.source import context_width_of, width_of
from other_nodes import SIDE, plainly, words
from small import DEFAULT, body_mask, conditions, difference, mcld_modules, mfca, model, random, source
from torch import nn

KINDS = ["hpfa", "caa", "reference", "mfca"]


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        yield model()


def delta(base, scale: float = 1.0) -> dict:
    """A LoRA's differences on every attention projection of the UNet."""
    names = [
        f"{attention}.{layer}" for attention in ("attn1", "attn2") for layer in ("to_q", "to_k", "to_v", "to_out.0")
    ]
    state = base.model.state_dict()
    keys = [key for key in state if any(key.endswith(f"{name}.weight") for name in names)]
    return {key: ("diff", (scale * random(*state[key].shape, seed=8) / state[key].shape[1] ** 0.5,)) for key in keys}


def worn(patcher, kind: str, net):
    if kind == "mfca":
        return mfca(patcher, modules=mcld_modules(patcher))
    return apply_condition(patcher, conditions()[kind], net, "all", DEFAULT)


def hook(weights: dict, strengths: tuple[tuple[float, float], ...] = ()) -> comfy.hooks.HookGroup:
    """A LoRA as a hook, with keyframes ``(start percent, strength)``."""
    group = comfy.hooks.create_hook_lora({}, 1.0, 1.0)
    group.hooks[0].weights, group.hooks[0].need_weight_init = weights, False
    if strengths:
        frames = comfy.hooks.HookKeyframeGroup()
        for start, strength in strengths:
            frames.add(comfy.hooks.HookKeyframe(strength=strength, start_percent=start))
        group.set_keyframes_on_hooks(frames)
    return group


def hooked(group, seed: int = 3) -> list:
    return comfy.hooks.set_hooks_for_conditioning(words(seed=seed), group)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lora_as_a_hook_is_the_lora(base, kind):
    net = source(base, height=SIDE, width=SIDE)
    lora = base.clone()
    lora.add_patches(delta(base), 1.0)
    expected = plainly(worn(lora, kind, net), cfg=1.0)
    as_hook = plainly(worn(base, kind, net), hooked(hook(delta(base))), cfg=1.0)
    assert difference(as_hook, expected) < 1e-4 * float(expected.std())
    assert difference(expected, plainly(worn(base, kind, net), cfg=1.0)) > 1e-2 * float(expected.std())


@pytest.mark.parametrize("kind", KINDS)
def test_two_hooked_prompts_do_not_share_keys(base, kind):
    """Whichever runs first: each has what it has alone."""
    patched = worn(base, kind, source(base, height=SIDE, width=SIDE))
    first, second = hooked(hook(delta(base))), hooked(hook(delta(base, -1.0)), seed=6)
    results = [plainly(patched, both, cfg=1.0) for both in ([*first, *second], [*second, *first])]
    alone = [plainly(patched, each, cfg=1.0) for each in (first, second)]
    assert difference(*results) < 1e-4 * float(results[0].std())
    # Prompts over one area are averaged.
    assert difference(results[0], (alone[0] + alone[1]) / 2) < 1e-3 * float(results[0].std())


def test_keyframes_of_a_hook_are_followed(base):
    """Strength 0 from the second half on: the last steps are those of the model without the LoRA."""
    net = source(base, height=SIDE, width=SIDE)
    patched, lora = worn(base, "reference", net), base.clone()
    lora.add_patches(delta(base), 1.0)
    lora = worn(lora, "reference", net)
    seen = {}

    def look(name):
        return lambda step, denoised, x, total: seen.setdefault(name, []).append((x.clone(), denoised.clone()))

    group = hook(delta(base), ((0.0, 1.0), (0.5, 0.0)))
    plainly(patched, hooked(group), cfg=1.0, steps=4, callback=look("hook"))
    plainly(lora, cfg=1.0, steps=4, callback=look("LoRA"))
    assert difference(seen["hook"][0][1], seen["LoRA"][0][1]) < 1e-4 * float(seen["LoRA"][0][1].std())
    x, denoised = seen["hook"][-1]
    sigmas = comfy.samplers.calculate_sigmas(base.get_model_object("model_sampling"), "normal", 4)
    again = comfy.sample.sample_custom(
        patched,
        torch.zeros_like(x),
        1.0,
        comfy.samplers.sampler_object("euler"),
        sigmas[-2:],
        words(),
        words(seed=4),
        x.cpu() / 0.18215,
        disable_pbar=True,
        seed=5,
    )
    assert difference(again, denoised / 0.18215) < 1e-3 * float(again.std())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [((0.0, 1.0), (0.5, 0.0)), ((0.0, 0.5), (0.4, 1.0))], ids=str)
def test_keys_are_of_the_step_at_which_a_keyframe_changes(base, kind, frames):
    """The new strength from that very step on: every step's prediction is that of the LoRA at the step's strength."""
    patched, seen = worn(base, kind, source(base, height=SIDE, width=SIDE)), []

    def evaluated(arguments):
        group = arguments["cond"][0]["hooks"]
        seen.append((arguments["input"], float(arguments["sigma"][0]), group.hooks[0].strength, arguments["denoised"]))
        return arguments["denoised"]

    patched.set_model_sampler_post_cfg_function(evaluated)
    plainly(patched, hooked(hook(delta(base), frames)), cfg=1.0, steps=5)
    assert len({strength for _, _, strength, _ in seen}) == 2
    # The first step starts from noise of another scale than its σ.
    for x, sigma, strength, denoised in seen[1:]:
        lora = base.clone()
        lora.add_patches(delta(base), strength)
        expected = predicted(worn(lora, kind, source(base, height=SIDE, width=SIDE)), x, sigma)
        assert difference(denoised, expected) < 1e-3 * float(expected.std())


def predicted(patcher, x: torch.Tensor, sigma: float) -> torch.Tensor:
    """A MODEL's prediction at one noise level, by the host's sampler."""
    seen, latent = [], torch.zeros_like(x)
    patcher.set_model_sampler_post_cfg_function(lambda given: seen.append(given["denoised"]) or given["denoised"])
    euler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([sigma, 0.0])
    comfy.sample.sample_custom(
        patcher, x / sigma, 1.0, euler, sigmas, words(), words(), latent, disable_pbar=True, seed=5
    )
    return seen[0]


@pytest.mark.parametrize("kind", [*KINDS, "hpfa, residual"])
def test_a_source_in_another_precision(base, kind):
    """The host computes two networks in two dtypes as it likes."""
    half = model()
    half.set_model_compute_dtype(torch.bfloat16)
    latent = random(1, 4, SIDE, SIDE, seed=1)
    expected = plainly(worn(base, kind, SourceNet(model(), latent)))
    assert difference(plainly(worn(base, kind, SourceNet(half, latent))), expected) < 0.1 * float(expected.std())


def test_the_hosts_precision_of_attention_is_handed_on(base):
    """SD2.x asks for single precision."""
    blocks, asked = transformer_blocks(base).values(), []

    def override(function, *arguments, **options):
        asked.append(options.get("attn_precision"))
        return function(*arguments, **options)

    patched = worn(worn(base, "hpfa", source(base, height=SIDE, width=SIDE)), "reference", source(base))
    patched.model_options["transformer_options"]["optimized_attention_override"] = override
    for block in blocks:
        block.attn1.attn_precision = block.attn2.attn_precision = block.attn_precision = torch.float32
    try:
        plainly(patched)
    finally:
        for block in blocks:
            block.attn1.attn_precision = block.attn2.attn_precision = block.attn_precision = None
    assert asked and set(asked) == {torch.float32}


@pytest.mark.parametrize("kind", ["hpfa", "caa", "reference"])
def test_sources_own_lora_counts(base, kind):
    """SourceNet's MODEL of the same checkpoint with a LoRA is what a network with those weights is."""
    latent = random(1, 4, SIDE, SIDE, seed=1)
    lora = base.clone()
    lora.add_patches(delta(base), 1.0)
    baked = model()
    state = baked.model.state_dict()
    for key, (_, (difference_of,)) in delta(base).items():
        state[key].copy_(state[key] + difference_of)
    expected = plainly(worn(base, kind, SourceNet(baked, latent)))
    assert difference(plainly(worn(base, kind, SourceNet(lora, latent))), expected) < 1e-4 * float(expected.std())
    if kind != "caa":
        # Of SourceNet, CAA keeps which regions are neglected and nothing else.
        assert difference(plainly(worn(base, kind, SourceNet(base, latent))), expected) > 1e-3 * float(expected.std())
    # And the target's own stays out of SourceNet.
    target = base.clone()
    target.add_patches(delta(base), 1.0)
    apart = plainly(worn(target, kind, SourceNet(base, latent)))
    twin = plainly(worn(target, kind, SourceNet(model(), latent)))
    assert difference(apart, twin) < 1e-4 * float(twin.std())


def test_what_is_sampled_is_asked_and_not_what_was_patched(base):
    """The host samples another instance: compiled, on another card, deep-copied for hooks."""
    net = source(base, height=SIDE, width=SIDE)
    patched = worn(worn(base, "hpfa", net), "caa", net)
    expected = plainly(patched)
    other = patched.clone()
    # Seeded alike: a copy, on every version of the host.
    other.model = model().model
    calls = []
    handles = [
        block.attn1.to_k.register_forward_pre_hook(lambda *a: calls.append(1))
        for block in transformer_blocks(base).values()
    ]
    try:
        assert difference(plainly(other), expected) == 0.0
    finally:
        for handle in handles:
            handle.remove()
    assert not calls, "the network that was patched is not called"


def test_packed_weights_are_asked_for_their_features():
    """Four bits a weight: the tensor's shape says nothing."""

    class Packed(nn.Linear):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.weight = nn.Parameter(torch.zeros(self.weight.numel() // 8, 1))

    block = nn.Module()
    block.attn1, block.attn2 = nn.Module(), nn.Module()
    block.attn1.to_k, block.attn2.to_k = Packed(32, 64), Packed(24, 64)
    assert width_of(block) == 64 and context_width_of(block) == 24


# numbers


@pytest.mark.parametrize("dtype, allowed", [(torch.bfloat16, 2**-7), (torch.float16, 2**-10)], ids=str)
def test_equation_7_in_half_precision_is_the_equation_on_rounded_numbers(dtype, allowed):
    q, k, v = ((3 * random(1, 200, 32, seed=seed)).to(dtype) for seed in range(3))
    mask = random(1, 200, seed=9) > 0
    exact = reweighted_self_attention(q.double().float(), k.float(), v.float(), 4, mask)
    ours = reweighted_self_attention(q, k, v, 4, mask)
    assert ours.dtype == dtype
    assert difference(ours, exact) <= allowed * float(exact.abs().max())


def test_logits_beyond_half_precision_are_no_nan():
    q = k = torch.full((1, 4, 8), 160.0, dtype=torch.float16)
    assert float((q.float() @ k.float().mT).max()) * 8**-0.5 * 1.6 > torch.finfo(torch.float16).max
    v = random(1, 4, 8).half()
    mask = torch.ones(1, 4, dtype=torch.bool)
    ours = reweighted_self_attention(q, k, v, 1, mask, Reweighting())
    assert difference(ours, v.mean(1, keepdim=True).expand_as(v)) < 1e-3


@pytest.mark.parametrize("kind", [*KINDS, "hpfa, residual", "pose"])
def test_gradients_go_through_a_patched_unet(base, kind):
    """Guidance takes them inside a run, which the host opens in inference mode."""
    net = source(base, height=SIDE, width=SIDE)
    scope = Scope(mask=torch.rand(1, 8, 8) + 0.1)
    if kind == "pose":
        patched = apply_pose(base, build_truepose(base, 32, seed=1), torch.rand(1, 3, 40, 24), scope)
    elif kind == "mfca":
        patched = mfca(base, scope, modules=mcld_modules(base))
    else:
        patched = apply_condition(base, conditions()[kind], net, "all", scope)
    options = dict(patched.model_options["transformer_options"])
    options |= {"cond_or_uncond": [0], "sigmas": torch.tensor([5.0])}
    latent, context = random(1, 4, SIDE, SIDE), random(1, 7, 32)
    with open_run(patched, options), torch.inference_mode():
        unet, arguments = base.model.diffusion_model, {"transformer_options": options}
        before = unet(latent, torch.ones(1), context=context, **arguments)
        with torch.inference_mode(False), torch.enable_grad():
            weights = {
                name: tensor.detach().clone() for name, tensor in [*unet.named_parameters(), *unet.named_buffers()]
            }
            x = latent.clone().requires_grad_()
            given = (x, torch.ones(1), context.clone())
            result = torch.func.functional_call(unet, weights, given, arguments)
            (gradient,) = torch.autograd.grad(result.square().sum(), x)
    assert difference(result.detach(), before) < 1e-3 * float(before.std())
    assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0


def test_everything_of_a_memory_moves():
    part = KeyValues(random(1, 3, 4), random(1, 3, 4), torch.ones(1, 3, dtype=torch.bool))
    moved = part.to(torch.empty(1, device="meta", dtype=torch.float16))
    assert {t.device.type for t in (moved.key, moved.value, moved.exists)} == {"meta"}
    assert moved.key.dtype == torch.float16 and moved.exists.dtype == torch.bool


@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_is_as_it_was_after_a_run(base, kind):
    patched = worn(base, kind, source(base, height=SIDE, width=SIDE))
    (binding,) = patched.model_options["transformer_options"]["patches"]["mannequin"]
    before = dict(vars(binding.condition))
    plainly(patched)
    assert vars(binding.condition).keys() == before.keys()
    assert all(vars(binding.condition)[name] is value for name, value in before.items())


def test_a_pack_may_copy_the_options_in_mid_run(base):
    """Deep copies are the same patches of the same run: no network is copied, and nothing changes."""
    net = source(base, height=SIDE, width=SIDE)
    patched = worn(worn(base, "hpfa", net), "caa", net)
    expected = plainly(patched)

    def copying(arguments):
        options = copy.deepcopy(arguments["model_options"]["transformer_options"])
        again = arguments["model_options"] | {"transformer_options": options}
        conds = [arguments["cond"], arguments["uncond"]]
        return comfy.samplers.calc_cond_batch(arguments["model"], conds, arguments["input"], arguments["sigma"], again)[
            0
        ]

    plain = plainly(patched, cfg=1.0)
    patched.set_model_sampler_post_cfg_function(copying)
    assert difference(plainly(patched), plain) < 1e-4 * float(plain.std())
    assert difference(plain, expected) > 1e-3 * float(plain.std())


# errors while sampling


def test_errors_while_sampling_begin_with_the_nodes_name(base):
    net = source(base, batch=2, height=SIDE, width=SIDE)
    wide = apply_condition(base, HPFACondition(body_mask(2)), net, "all", DEFAULT, node="Apply HPFA")
    with pytest.raises(PatchError, match="^Apply HPFA: The condition holds 2 images and the latent batch 3"):
        plainly(wide, batch=3)
    weights = build_truepose(base, 32, seed=1)
    posed = apply_pose(base, weights, torch.rand(2, 3, 40, 24), DEFAULT, node="Apply Pose Encoder")
    with pytest.raises(PatchError, match="^Apply Pose Encoder: The pose holds 2 images and the latent batch 3"):
        plainly(posed, batch=3)


@pytest.mark.parametrize("kind", [*KINDS, "hpfa, residual", "pose"])
@pytest.mark.parametrize("rows, batch", [(2, 1), (2, 3)])
def test_a_region_of_another_batch_is_named(base, kind, rows, batch):
    scope, net = Scope(mask=torch.ones(rows, 8, 8)), source(base, height=SIDE, width=SIDE)
    if kind == "pose":
        weights = build_truepose(base, 32, seed=1)
        patched = apply_pose(base, weights, torch.rand(1, 3, 40, 24), scope, node="Apply X")
    elif kind == "mfca":
        patched = mfca(base, scope, modules=mcld_modules(base))
    else:
        patched = apply_condition(base, conditions()[kind], net, "all", scope, node="Apply X")
    with pytest.raises(PatchError, match=f"The region holds {rows} images and the latent batch {batch}"):
        plainly(patched, batch=batch)


@pytest.mark.parametrize("apply", ["condition", "pose"])
def test_a_model_that_is_no_stable_diffusion(apply):
    class Transformer(nn.Module):
        pass

    other = model()
    other.add_object_patch("diffusion_model", Transformer())
    with pytest.raises(PatchError, match="This MODEL is a Transformer.*Load one of those"):
        if apply == "pose":
            apply_pose(other, build_truepose(model(), 32, seed=1), torch.rand(1, 3, 8, 8), DEFAULT)
        else:
            apply_condition(other, conditions()["reference"], source(model()), "all", DEFAULT)
