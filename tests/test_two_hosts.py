"""One definition, two hosts: the same small weights in ComfyUI's UNet and in diffusers', HPFA and CAA on."""

from types import SimpleNamespace

import comfy.utils
import pytest
import torch
from diffusers import UNet2DConditionModel
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_sampling import open_run
from mannequin.model_patches.comfy_small_sd import build_truepose
from mannequin.model_patches.conditions import CAACondition, HPFACondition, ReferenceCondition
from small import DEFAULT, HEIGHT, SIZES, WIDTH, body_mask, difference, mcld_modules, mfca, model, random, source

from model_patches import conditions as standalone
from model_patches.networks.mcld import MCLD
from model_patches.networks.truepose import TruePose, TruePoseShape
from model_patches.source import width_of
from training import diffusers_binding

CONTEXT, LATENT = random(2, 7, 32), random(2, 4, HEIGHT, WIDTH, seed=2)
TIMESTEPS = torch.tensor([301.0, 301.0])


def in_diffusers(patcher) -> UNet2DConditionModel:
    """The host's UNet, weights and all, as diffusers knows it."""
    sizes = SIZES["sd15"]
    unet = UNet2DConditionModel(
        block_out_channels=tuple(sizes.width * m for m in (1, 2, 4, 4)),
        layers_per_block=2,
        cross_attention_dim=sizes.context_dim,
        attention_head_dim=sizes.heads,
    )
    names = comfy.utils.unet_to_diffusers(patcher.model.model_config.unet_config)
    state = patcher.model.diffusion_model.state_dict()
    unet.load_state_dict({theirs: state[ours] for theirs, ours in names.items() if theirs in unet.state_dict()})
    return unet.eval()


@pytest.fixture(scope="module")
def hosts():
    with torch.inference_mode():
        target, other = model(seed=0), model(seed=5)
        return target, other, in_diffusers(target), in_diffusers(other)


def in_comfy(patched) -> torch.Tensor:
    options = patched.model_options["transformer_options"] | {"cond_or_uncond": [0], "sigmas": torch.tensor([5.0])}
    with open_run(patched, options):
        return patched.model.diffusion_model(LATENT, TIMESTEPS, context=CONTEXT, transformer_options=options)


def both(module, weights) -> dict:
    """The conditions under test, of either copy of the module."""
    labels = body_mask().to(torch.uint8)
    labels[:, 40:] *= 2
    caa = module.CAACondition(labels, random(1, 4, 32, seed=7), weights=weights)
    return {
        "HPFA": [module.HPFACondition(body_mask(), weights=weights)],
        "HPFA and CAA": [module.HPFACondition(body_mask(), weights=weights), caa],
        "residual": [module.HPFACondition(body_mask(), weights=weights, fusion="residual"), caa],
        "block": [module.HPFACondition(body_mask(), weights=weights, hidden_space="block")],
        "reference": [module.ReferenceCondition()],
    }


@pytest.mark.parametrize("trained", [True, False], ids=["weights", "training-free"])
@pytest.mark.parametrize("kind", ["HPFA", "HPFA and CAA", "residual", "block", "reference"])
def test_the_hosts_agree(hosts, kind, trained):
    target, other, target_unet, other_unet = hosts
    weights = copied = None
    if trained:
        patcher = build_truepose(target, 32, seed=1)
        weights = patcher.model
        copied = TruePose(TruePoseShape.of(weights.state_dict()))
        copied.load_state_dict(weights.state_dict())
    net = source(other)
    patched = target
    for condition in both(SimpleNamespace(**CONDITIONS), weights)[kind]:
        patched = apply_condition(patched, condition, net, "all", DEFAULT)
    expected = in_comfy(patched)

    sites = list(diffusers_binding.transformer_blocks(target_unet))
    assert [tuple(site) for site in sites] == [tuple(site) for site in transformer_blocks(target)]
    scaled = target.model.process_latent_in(net.latent)
    memories = diffusers_binding.remember(
        other_unet,
        target_unet,
        [(condition, sites) for condition in both(standalone, copied)[kind]],
        scaled,
        torch.zeros(1, 1, 32),
    )
    with diffusers_binding.conditioned(target_unet, memories):
        ours = target_unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    plain = target_unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    assert difference(ours, expected) < 1e-4
    assert difference(plain, expected) > 1e-2, "the conditions do something, and are gone after the block"


def test_the_hosts_agree_on_mfca(hosts):
    """Tokens that differ between the UNet's parts, beside a prompt and reference features."""
    target, other, target_unet, other_unet = hosts
    modules = mcld_modules(target)
    copied = MCLD(modules.model.shape)
    copied.load_state_dict(modules.model.state_dict())
    net = source(other)
    patched = apply_condition(target, ReferenceCondition(), net, "all", DEFAULT)
    expected = in_comfy(mfca(patched, modules=modules))

    sites = list(diffusers_binding.transformer_blocks(target_unet))
    scaled = target.model.process_latent_in(net.latent)
    memories = diffusers_binding.remember(
        other_unet, target_unet, [(standalone.ReferenceCondition(), sites)], scaled, torch.zeros(1, 1, 32)
    )
    tokens = (random(1, count, 32, seed=seed) for count, seed in ((1, 11), (1, 12), (16, 13)))
    focal = diffusers_binding.project(target_unet, standalone.MFCACondition(*tokens, copied), sites, CONTEXT)
    with diffusers_binding.conditioned(target_unet, [*memories, focal]):
        ours = target_unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    with diffusers_binding.conditioned(target_unet, memories):
        without = target_unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    assert difference(ours, expected) < 1e-4 and difference(ours, without) > 1e-2


CONDITIONS = {cls.__name__: cls for cls in (HPFACondition, CAACondition, ReferenceCondition)}


def test_rows_without_the_condition_are_the_plain_unet(hosts):
    _, _, unet, other = hosts
    sites = list(diffusers_binding.transformer_blocks(unet))
    condition = standalone.HPFACondition(body_mask())
    memories = diffusers_binding.remember(
        other, unet, [(condition, sites)], random(1, 4, HEIGHT, WIDTH), torch.zeros(1, 1, 32)
    )
    with diffusers_binding.conditioned(unet, memories, keep=torch.tensor([True, False])):
        mixed = unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    plain = unet(LATENT, TIMESTEPS, encoder_hidden_states=CONTEXT).sample
    assert difference(mixed[1], plain[1]) < 1e-5 and difference(mixed[0], plain[0]) > 1e-2


def test_gradients_reach_source_and_modules(hosts):
    _, _, target, other = hosts
    with torch.inference_mode(False), torch.enable_grad():
        state = {name: tensor.clone() for name, tensor in target.state_dict().items()}
        unet, source_net = (
            UNet2DConditionModel.from_config(target.config),
            UNet2DConditionModel.from_config(other.config),
        )
        unet.load_state_dict(state)
        source_net.load_state_dict({name: tensor.clone() for name, tensor in other.state_dict().items()})
        blocks = diffusers_binding.transformer_blocks(unet)
        sites = list(blocks)
        widths = {site: width_of(block) for site, block in blocks.items()}
        weights = TruePose(TruePoseShape.full(widths, 32, 16, 32))
        latent, context = LATENT.clone(), CONTEXT.clone()
        # Two regions at every site: the softmax over one key has no gradient to give it.
        labels = torch.ones(1, 8 * HEIGHT, 8 * WIDTH, dtype=torch.uint8)
        labels[:, 4 * HEIGHT :] = 2
        conditions = [
            (standalone.HPFACondition(body_mask().clone(), weights=weights), sites),
            (standalone.CAACondition(labels, random(1, 3, 16).clone(), weights=weights), sites),
        ]
        memories = diffusers_binding.remember(source_net, unet, conditions, latent[:1], context[:1])
        with diffusers_binding.conditioned(unet, memories):
            unet(latent, TIMESTEPS.clone(), encoder_hidden_states=context).sample.square().mean().backward()
        gradients = {name: p.grad for name, p in weights.named_parameters() if not name.startswith("pose_encoder")}
        assert all(grad is not None and grad.abs().sum() > 0 for grad in gradients.values())
        assert source_net.conv_in.weight.grad.abs().sum() > 0
