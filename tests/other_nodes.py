"""Other people's nodes around a patched MODEL: the host's own, else small ones of the same convention."""

from collections.abc import Callable
from typing import NamedTuple

import comfy.cldm.cldm
import comfy.controlnet
import comfy.hooks
import comfy.ops
import comfy.samplers
import comfy_extras.nodes_custom_sampler as custom
import comfy_extras.nodes_freelunch as freelunch
import comfy_extras.nodes_hypertile as hypertile
import comfy_extras.nodes_pag as pag
import comfy_extras.nodes_perpneg as perpneg
import comfy_extras.nodes_sag as sag
import comfy_extras.nodes_tomesd as tomesd
import torch
from comfy.ldm.modules.attention import optimized_attention
from mannequin.model_patches.comfy_small_sd import seed_weights
from small import conditioning, random, sample
from torch import Tensor

from nodes import ControlNetApplyAdvanced, KSamplerAdvanced

#: Even and deep enough for every other node: self-attention guidance wants four tokens in the middle.
SIDE = 16
LORA_KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_k.weight"
Patcher = object


class CallbackReplace:
    """What IPAdapter and its kin put at a key of ``attn2_replace``: they ``add`` to what they find there."""

    def __init__(self, callback: Callable, **options):
        self.callbacks = [(callback, options)]

    def add(self, callback: Callable, **options) -> None:
        self.callbacks.append((callback, options))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        result = optimized_attention(q, k, v, extra["n_heads"])
        for callback, options in self.callbacks:
            result = result + callback(q, extra, **options)
        return result


def _image_tokens(q: Tensor, extra: dict, tokens: Tensor) -> Tensor:
    """Attention to image tokens, for the rows that are labelled as the condition."""
    size = q.shape[0] // len(extra["cond_or_uncond"])
    repeated = tokens[..., : q.shape[-1]].repeat(q.shape[0], 1, 1)
    seen = optimized_attention(q, repeated, repeated, extra["n_heads"])
    labels = torch.tensor([float(label == 0) for label in extra["cond_or_uncond"]]).repeat_interleave(size)
    return seen * labels.view(-1, 1, 1).to(seen)


def adapter_at(model: Patcher, key: tuple) -> None:
    """As IPAdapter sets itself: a new object at a free key, an ``add`` at a taken one."""
    options = model.model_options["transformer_options"]
    replaced = options.setdefault("patches_replace", {}).setdefault("attn2", {})
    arguments = {"tokens": random(1, 5, 2048, seed=21)}
    if key in replaced:
        replaced[key].add(_image_tokens, **arguments)
    else:
        replaced[key] = CallbackReplace(_image_tokens, **arguments)


def ipadapter(model: Patcher) -> Patcher:
    """On every block, under the two-part keys of SD1.5 and the three-part keys of SDXL."""
    model = model.clone()
    if model.model.adm_channels:
        sites = [("input", 4, 0), ("input", 7, 1), ("middle", 0, 0), ("output", 0, 2), ("output", 3, 1)]
    else:
        sites = [("input", 1), ("input", 4), ("middle", 0), ("output", 4), ("output", 9)]
    for key in sites:
        adapter_at(model, key)
    return model


def attention_couple(model: Patcher, regions: int = 3) -> Patcher:
    """Regional prompts inside cross-attention: conditional rows once for every region, merged behind it."""
    model = model.clone()
    prompts = [random(1, 77, 32, seed=31 + number) for number in range(regions)]

    def grow(n, context, value, extra):
        labels, rows, wider = extra["cond_or_uncond"], n.chunk(len(extra["cond_or_uncond"])), []
        contexts = []
        for label, row, words in zip(labels, rows, context.chunk(len(labels)), strict=True):
            wider += [row] * (regions if label == 0 else 1)
            contexts += [p.to(words).expand_as(words) for p in prompts] if label == 0 else [words]
        return torch.cat(wider), torch.cat(contexts), torch.cat(contexts)

    def shrink(n, extra):
        labels, merged, start = extra["cond_or_uncond"], [], 0
        size = n.shape[0] // sum(regions if label == 0 else 1 for label in labels)
        for label in labels:
            count = regions if label == 0 else 1
            merged.append(sum(n[start + i * size : start + (i + 1) * size] for i in range(count)) / count)
            start += count * size
        return torch.cat(merged)

    model.set_model_attn2_patch(grow)
    model.set_model_attn2_output_patch(shrink)
    return model


def words(length: int = 77, seed: int = 3, **extra) -> list:
    return conditioning(length, seed, **extra)


def plainly(model: Patcher, positive=None, negative=None, **options) -> Tensor:
    """A step of KSampler; what draws random numbers on the way draws the same."""
    torch.manual_seed(0)
    sizes = {"steps": 1, "height": SIDE, "width": SIDE}
    return sample(model, positive or words(), negative or words(seed=4), **sizes | options)


def by_guider(guider, sampler: str = "euler", steps: int = 1) -> Tensor:
    torch.manual_seed(0)
    latent = torch.zeros(1, 4, SIDE, SIDE)
    noise = comfy.sample.prepare_noise(latent, 5)
    sigmas = comfy.samplers.calculate_sigmas(guider.model_patcher.get_model_object("model_sampling"), "normal", steps)
    return guider.sample(noise, latent, comfy.samplers.sampler_object(sampler), sigmas, seed=5, disable_pbar=True)


def area(model: Patcher) -> Tensor:
    """Background and an area of its own prompt."""
    patch = words(seed=6, area=(SIDE // 2, SIDE, 0, 0), strength=1.0)
    return plainly(model, [*words(), *patch])


def mask_bounds(model: Patcher) -> Tensor:
    mask = torch.zeros(1, 8 * SIDE, 8 * SIDE)
    mask[:, : 4 * SIDE] = 1
    return plainly(model, words(seed=6, mask=mask, mask_strength=1.0, set_area_to_bounds=True))


def hooked(model: Patcher) -> Tensor:
    """A LoRA as a hook on the positive prompt."""
    width = 128
    lora = comfy.hooks.create_hook_lora({"a": 0}, 1.0, 1.0)
    hook = lora.hooks[0]
    hook.weights = {LORA_KEY: ("diff", (random(width, width, seed=8),))}
    hook.need_weight_init = False
    positive = comfy.hooks.set_hooks_for_conditioning(words(), lora)
    return plainly(model, positive)


def controlled(model: Patcher) -> Tensor:
    """A ControlNet of the UNet's own layout, with seeded weights, on both prompts."""
    config = dict(model.model.model_config.unet_config)
    del config["out_channels"]
    sizes = {"hint_channels": 3, "dtype": torch.float32, "operations": comfy.ops.disable_weight_init}
    network = seed_weights(comfy.cldm.cldm.ControlNet(**config | sizes), 41)
    control = comfy.controlnet.ControlNet(network, load_device=comfy.model_management.get_torch_device())
    hint = random(1, 8 * SIDE, 8 * SIDE, 3, seed=42)
    positive, negative = ControlNetApplyAdvanced().apply_controlnet(
        words(), words(seed=4), control, hint, 1.0, 0.0, 1.0
    )
    return plainly(model, positive, negative)


def perp_neg(model: Patcher) -> Tensor:
    guider = perpneg.Guider_PerpNeg(model)
    guider.set_conds(words(), words(seed=4), words(seed=9))
    guider.set_cfg(3.5, 1.0)
    return by_guider(guider)


def dual_cfg(model: Patcher) -> Tensor:
    guider = custom.Guider_DualCFG(model)
    guider.set_conds(words(), words(seed=9), words(seed=4))
    guider.set_cfg(3.5, 2.0)
    return by_guider(guider)


def cfg_pp(model: Patcher) -> Tensor:
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(words(), words(seed=4))
    guider.set_cfg(1.5)
    return by_guider(guider, "euler_cfg_pp", 2)


def in_two_parts(model: Patcher) -> Tensor:
    """KSamplerAdvanced: the second begins where the first has stopped."""
    torch.manual_seed(0)
    latent = {"samples": torch.zeros(1, 4, SIDE, SIDE)}
    common = (3, 3.5, "euler", "normal", words(), words(seed=4))
    run = KSamplerAdvanced().sample
    first = run(model, "enable", 5, *common, latent, 0, 2, "enable")[0]
    return run(model, "disable", 5, *common, first, 2, 3, "disable")[0]["samples"]


def hires_fix(model: Patcher) -> Tensor:
    """Small, then larger, in one graph."""
    first = plainly(model)
    larger = torch.nn.functional.interpolate(first, size=(2 * SIDE, 2 * SIDE), mode="bilinear")
    noise = comfy.sample.prepare_noise(larger, 6)
    arguments = (noise, 2, 3.5, "euler", "normal", words(), words(seed=4), larger)
    return comfy.sample.sample(model, *arguments, denoise=0.5, seed=6, disable_pbar=True)


def from_node(node: type, *values) -> Callable[[Patcher], Patcher]:
    """A node of the host that takes a MODEL first, in either of its forms."""
    run = node.execute if hasattr(node, "execute") else getattr(node(), node.FUNCTION)
    return lambda model: run(model, *values)[0]


class Other(NamedTuple):
    """Another node: what it does to a MODEL, and how that MODEL is sampled."""

    wear: Callable[[Patcher], Patcher] = lambda model: model
    run: Callable[[Patcher], Tensor] = plainly


OTHERS = {
    "PAG": Other(from_node(pag.PerturbedAttentionGuidance, 3.0)),
    "SAG": Other(from_node(sag.SelfAttentionGuidance, 0.5, 2.0)),
    "FreeU": Other(from_node(freelunch.FreeU, 1.1, 1.2, 0.9, 0.2)),
    "HyperTile": Other(from_node(hypertile.HyperTile, 32, 2, 1, False)),
    "ToMe": Other(from_node(tomesd.TomePatchModel, 0.5)),
    "IPAdapter": Other(ipadapter),
    "attention couple": Other(attention_couple),
    "area": Other(run=area),
    "mask bounds": Other(run=mask_bounds),
    "hook": Other(run=hooked),
    "ControlNet": Other(run=controlled),
    "PerpNeg": Other(run=perp_neg),
    "DualCFG": Other(run=dual_cfg),
    "CFG++": Other(run=cfg_pp),
    "KSamplerAdvanced in two parts": Other(run=in_two_parts),
    "hires fix": Other(run=hires_fix),
}
#: Merges tokens at the finest level only, where SDXL has no attention.
NOT_FELT = {("sdxl", "ToMe")}
