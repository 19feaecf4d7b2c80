"""What most users try first: HPFA and CAA on a checkpoint with a ControlNet, a LoRA and a text prompt in one graph."""

import comfy.cldm.cldm
import comfy.controlnet
import comfy.model_management
import pytest
import torch
from mannequin.model_patches.comfy_small_sd import seed_weights
from mannequin.nodes.reference import MannequinApplyReference
from mannequin.nodes.source import MannequinSourceNet
from mannequin.nodes.truepose import MannequinApplyCAA, MannequinApplyHPFA
from small import (
    APPLY,
    HEIGHT,
    HPFA,
    SIZES,
    WIDTH,
    body_mask,
    conditioning,
    difference,
    mcld_modules,
    mfca,
    model,
    random,
    sample,
)

from nodes import ControlNetApplyAdvanced

LORA_KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn2.to_q.weight"


def control_net(layout: str):
    """A small ControlNet of the host's own class."""
    config = SIZES[layout].unet_config()
    config = {key: value for key, value in config.items() if key not in ("out_channels", "transformer_depth_output")}
    network = comfy.cldm.cldm.ControlNet(hint_channels=3, **config)
    seed_weights(network, 11)
    device = comfy.model_management.get_torch_device()
    return comfy.controlnet.ControlNet(network, load_device=device)


def posed(layout: str):
    """Text conditioning under a ControlNet, as Apply ControlNet makes it."""
    hint = torch.rand(1, 8 * HEIGHT, 8 * WIDTH, 3, generator=torch.Generator().manual_seed(0))
    apply = ControlNetApplyAdvanced().apply_controlnet
    return apply(conditioning(77), conditioning(154, seed=4), control_net(layout), hint, 0.7, 0.0, 1.0)


def with_source(patcher, node, **values):
    source = MannequinSourceNet.execute(
        model=patcher, latent={"samples": random(1, 4, HEIGHT, WIDTH, seed=1)}, conditioning=conditioning(77)
    )[0]
    return node.execute(model=patcher, source=source, **values)[0]


@pytest.mark.parametrize("layout", ["sd15", "sdxl"])
def test_everything_in_one_graph(layout, cloning):
    base = model(layout)
    width = base.model.diffusion_model.middle_block[1].transformer_blocks[0].attn2.to_q.weight.shape[0]
    lora = base.clone()
    lora.add_patches({LORA_KEY: ("diff", (random(width, width, seed=8),))}, 0.5)
    labels = body_mask().to(torch.uint8)
    regions = (labels, random(1, 3, 32, seed=7))
    positive, negative = posed(layout)

    def result(patcher, *conditions) -> torch.Tensor:
        return sample(patcher, *conditions)

    everything = with_source(lora, MannequinApplyHPFA, parsing_mask=body_mask().float(), **HPFA, **APPLY)
    everything = with_source(everything, MannequinApplyCAA, regions=regions, count=2, sites="mid, up", **APPLY)
    whole = result(everything, positive, negative)
    assert torch.isfinite(whole).all()
    assert difference(whole, result(everything, positive, negative)) == 0.0

    # Leave one out: each of the four is felt.
    only_caa = with_source(lora, MannequinApplyCAA, regions=regions, count=2, sites="mid, up", **APPLY)
    only_hpfa = with_source(lora, MannequinApplyHPFA, parsing_mask=body_mask().float(), **HPFA, **APPLY)
    no_lora = with_source(base, MannequinApplyHPFA, parsing_mask=body_mask().float(), **HPFA, **APPLY)
    no_lora = with_source(no_lora, MannequinApplyCAA, regions=regions, count=2, sites="mid, up", **APPLY)
    others = {
        "HPFA": result(only_caa, positive, negative),
        "CAA": result(only_hpfa, positive, negative),
        "LoRA": result(no_lora, positive, negative),
        "ControlNet": result(everything, conditioning(77), conditioning(154, seed=4)),
    }
    for name, other in others.items():
        assert difference(whole, other) > 1e-4, f"{name} is not felt"


def test_hpfa_caa_and_mfca_beside_a_lora_and_a_controlnet(cloning):
    """MFCA on another checkpoint than MCLD's: the prompt, the ControlNet and the LoRA keep working beside it."""
    base = model()
    lora = base.clone()
    lora.add_patches({LORA_KEY: ("diff", (random(128, 128, seed=8),))}, 0.5)
    modules = mcld_modules(base)
    positive, negative = posed("sd15")
    labels = (body_mask().to(torch.uint8), random(1, 3, 32, seed=7))

    def built(patcher, *names: str) -> torch.Tensor:
        if "HPFA" in names:
            patcher = with_source(patcher, MannequinApplyHPFA, parsing_mask=body_mask().float(), **HPFA, **APPLY)
        if "CAA" in names:
            patcher = with_source(patcher, MannequinApplyCAA, regions=labels, count=2, sites="mid, up", **APPLY)
        return mfca(patcher, modules=modules) if "MFCA" in names else patcher

    names = ("HPFA", "CAA", "MFCA")
    whole = sample(built(lora, *names), positive, negative)
    assert difference(whole, sample(built(lora, *names), positive, negative)) == 0.0
    others = {name: built(lora, *(other for other in names if other != name)) for name in names}
    others["LoRA"] = built(base, *names)
    for name, other in others.items():
        assert difference(whole, sample(other, positive, negative)) > 1e-4, f"{name} is not felt"
    prompted = sample(built(lora, *names), conditioning(77), conditioning(154, seed=4))
    assert difference(whole, prompted) > 1e-4, "the ControlNet is not felt"


def test_reference_attention_from_its_node():
    base = model()
    patched = with_source(base, MannequinApplyReference, sites="down", **APPLY)
    assert difference(sample(patched), sample(base)) > 1e-3


def test_the_source_sees_its_caption():
    base = model()
    captioned = with_source(base, MannequinApplyHPFA, parsing_mask=body_mask().float(), **HPFA, **APPLY)
    silent_source = MannequinSourceNet.execute(model=base, latent={"samples": random(1, 4, HEIGHT, WIDTH, seed=1)})[0]
    silent = MannequinApplyHPFA.execute(
        model=base, source=silent_source, parsing_mask=body_mask().float(), **HPFA, **APPLY
    )[0]
    assert difference(sample(captioned), sample(silent)) > 1e-4
