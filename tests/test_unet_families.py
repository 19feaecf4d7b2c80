"""UNet families: what weights do not tell, said once, gives the same numbers in ComfyUI and in diffusers."""

import json
import re
from dataclasses import replace

import pytest
import torch
from diffusers import DDIMScheduler
from mannequin.model_patches.comfy_unet import load_unet
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.unet_family import (
    SD1,
    SD1_ZERO_SNR,
    SD2,
    ExtraLayers,
    Heads,
    NoiseSchedule,
    UNetFamily,
)
from mannequin.model_patches.unet_layout import VECTOR, UNetLayout, check_unet
from small import difference, random

from training.errors import TrainingError
from training.unets import heads_of, small_unet

#: MCLD's face projections and IMAGPose's cross-view attention, as they are published inside their UNets.
FACES = ExtraLayers("MFCA", re.compile(r".+\.processor\..+"))
CVA = ExtraLayers("CVA", re.compile(r"(down_blocks|mid_block|up_blocks)\..*motion_modules\.\d+\..+"))
PCDMS_2 = replace(SD2, class_embedding=True)
IMAGPOSE = replace(SD1_ZERO_SNR, extra=CVA)
VARIANCE = replace(SD1, learned_variance=True)
FOUR_HEADS = SD1.stated_in({"mannequin.heads": "4"})

SMALL = UNetLayout((64, 128, 128), (True, True, False), 1, 48, linear=False, in_channels=4)
SMALL_2 = replace(SMALL, linear=True)
XL = replace(SD1, generation="XL", heads=Heads(width=32))
SMALL_XL = UNetLayout((32, 64, 128), (False, True, True), 2, 48, True, 4, depths=(1, 2, 3), vector_dim=VECTOR)
UNETS = {
    "SD1": (SD1, SMALL),
    "SD1, zero terminal SNR": (SD1_ZERO_SNR, SMALL),
    "SD2": (SD2, SMALL_2),
    "PCDMs, stage 2": (PCDMS_2, replace(SMALL_2, in_channels=9, class_dim=24)),
    "PCDMs, stage 3": (SD2, replace(SMALL_2, in_channels=8)),
    "IMAGPose": (IMAGPOSE, replace(SMALL, in_channels=9, layers=2)),
    "a learned variance": (VARIANCE, replace(SMALL, in_channels=8, out_channels=8)),
    "SDXL": (XL, SMALL_XL),
    "IMAGPose on SDXL": (replace(IMAGPOSE, generation="XL", heads=XL.heads), replace(SMALL_XL, in_channels=9)),
    "four heads, sixteen latent channels": (FOUR_HEADS, replace(SMALL, in_channels=16, out_channels=16)),
}


@pytest.fixture(params=UNETS)
def unet(request):
    family, layout = UNETS[request.param]
    return family, layout, small_unet(layout, 0, family).eval()


def inputs(layout: UNetLayout) -> tuple[torch.Tensor, ...]:
    """Latents of odd sides, timesteps, context and class vectors of two rows."""
    noisy, context = random(2, layout.in_channels, 11, 7), random(2, 5, layout.context_dim, seed=1)
    return noisy, torch.tensor([301.0, 7.0]), context, random(2, layout.class_dim, seed=2) if layout.class_dim else None


def in_comfy(patcher, layout: UNetLayout) -> torch.Tensor:
    noisy, timesteps, context, classes = inputs(layout)
    if layout.vector_dim:
        # diffusers' is told by the size of what it is given.
        height, width = (8 * side for side in noisy.shape[-2:])
        classes = patcher.model.encode_adm(pooled_output=torch.zeros(len(noisy), 1280), height=height, width=width)
    return patcher.model.diffusion_model(noisy, timesteps, context=context, y=classes)


def in_diffusers(network, layout: UNetLayout) -> torch.Tensor:
    noisy, timesteps, context, classes = inputs(layout)
    return network(noisy, timesteps, encoder_hidden_states=context, class_labels=classes).sample


def test_both_hosts_agree(unet):
    family, layout, network = unet
    state = network.state_dict()
    assert UNetLayout.of(state) == layout and check_unet(state, family) == layout
    patcher = load_unet(state, "The UNet", family)
    ours, theirs = in_comfy(patcher, layout), in_diffusers(network, layout)
    if family.learned_variance:
        theirs = theirs[:, : layout.out_channels // 2]
    assert ours.shape == theirs.shape
    assert difference(ours, theirs) < 1e-5 * max(1, float(theirs.abs().max()))
    # The host would set its own inpainting up for more than four channels, over what we concatenate.
    assert not patcher.model.model_config.inpaint_model() and patcher.model.concat_keys == ()


@pytest.mark.parametrize("name", ["SD1", "SD2"])
def test_the_heads_rule_matters(name):
    """A number of heads where their width is the rule, and the other way about, gives other numbers."""
    family, layout = UNETS[name]
    network = small_unet(layout, 0, family).eval()
    other = replace(family, heads=Heads(width=32) if family.heads.number else Heads(number=8))
    patcher = load_unet(network.state_dict(), "The UNet", other)
    assert difference(in_comfy(patcher, layout), in_diffusers(network, layout)) > 1e-3


@pytest.mark.parametrize(
    "family, scheduler",
    [
        (SD1, {"beta_schedule": "scaled_linear"}),
        (SD2, {"beta_schedule": "scaled_linear"}),
        (SD1_ZERO_SNR, {"beta_schedule": "linear", "rescale_betas_zero_snr": True}),
        (replace(SD1, schedule=NoiseSchedule("linear", 1e-4, 0.02)), {"beta_schedule": "linear"}),
    ],
    ids=["SD1", "SD2", "zero SNR", "PIDM's"],
)
def test_the_schedule_is_diffusers(family, scheduler):
    layout = SMALL_2 if family.generation == 2 else SMALL
    patcher = load_unet(small_unet(layout, 0, family).state_dict(), "The UNet", family)
    sampling = patcher.get_model_object("model_sampling")
    theirs = DDIMScheduler(1000, beta_start=family.schedule.start, beta_end=family.schedule.end, **scheduler)
    ours = 1 / (1 + sampling.sigmas.double() ** 2)
    assert difference(ours, theirs.alphas_cumprod) < 1e-5
    expected = "V_PREDICTION" if family is SD1_ZERO_SNR else "EPS"
    assert patcher.model.model_type.name == expected and sampling.zsnr == family.schedule.zero_snr


@pytest.mark.parametrize("name, precision", [("SD1", None), ("SD2", torch.float32)])
def test_attention_is_as_precise_as_the_hosts(name, precision):
    """The second generation's logits overflow half precision."""
    family, layout = UNETS[name]
    patcher = load_unet(small_unet(layout, 0, family).half().state_dict(), "The UNet", family)
    attentions = [module for module in patcher.model.diffusion_model.modules() if hasattr(module, "attn_precision")]
    assert attentions and all(module.attn_precision == precision for module in attentions)


def test_extra_layers_are_passed_over():
    family, layout = UNETS["IMAGPose"]
    network = small_unet(layout, 0, family).eval()
    extra = {"down_blocks.0.motion_modules.0.temporal_transformer.norm.weight": torch.ones(64)}
    patcher = load_unet(network.state_dict() | extra, "The UNet", family)
    assert difference(in_comfy(patcher, layout), in_diffusers(network, layout)) < 1e-5
    with pytest.raises(PatchError, match="The UNet is no complete UNet of Stable Diffusion 1.x: 1 keys .*motion_mod"):
        load_unet(network.state_dict() | extra, "The UNet", SD1)


def test_a_headless_unet_needs_no_head():
    layout = replace(SMALL, in_channels=16, out_channels=16)
    state = {k: t for k, t in small_unet(layout, 0).state_dict().items() if not k.startswith(("conv_norm", "conv_out"))}
    head = load_unet(state, "ReferenceNet", SD1, headless=True).model.diffusion_model.out[2].weight
    assert head.shape[0] == 16 and not head.any()


@pytest.mark.parametrize(
    "family, layout, words",
    [
        (PCDMS_2, SMALL_2, "'class_embedding.linear_1.weight' is missing"),
        (SD2, replace(SMALL_2, class_dim=8), "Stable Diffusion 2.x: it has a class embedding"),
        (replace(SD1, heads=Heads(width=48)), SMALL, "a level 64 wide cannot be cut into heads 48 wide"),
        (replace(SD1, heads=Heads(number=7)), SMALL, "a level 64 wide cannot be cut into 7 heads"),
        (SD1, replace(SMALL, widths=(64, 96, 96)), "levels are 64, 96, 96 wide, and each must be a multiple of the"),
        (SD1, replace(SMALL, widths=(48, 96, 96)), "levels are 48, 96, 96 wide, and each must be a multiple of the"),
        (VARIANCE, replace(SMALL, out_channels=5), "it gives 5 channels, which are no prediction and its variance"),
    ],
    ids=["no class embedding", "a class embedding", "head width", "head number", "96", "48", "variance"],
)
def test_what_does_not_fit_a_family(family, layout, words):
    state = {key: torch.empty(shape, device="meta") for key, shape in layout.shapes().items()}
    with pytest.raises(PatchError, match=f"The UNet is no complete UNet of .*{words}"):
        load_unet(state, "The UNet", family)


@pytest.mark.parametrize("stated", ["0", "-8", "x", "", "8.0", "²", "9" * 5000])
def test_heads_that_no_header_can_state(stated):
    with pytest.raises(PatchError, match="for 'mannequin.heads', where a whole number above 0 belongs"):
        SD1.stated_in({"mannequin.heads": stated})


def test_heads_of_a_header():
    assert SD1.stated_in({}) == SD1
    assert SD2.stated_in({"mannequin.heads": "4"}).heads == Heads(number=4)
    assert SD1.stated_in({"mannequin.head_width": "32"}).heads == Heads(width=32)
    for heads in (Heads(number=8), Heads(number=4), Heads(width=64)):
        assert SD1.stated_in(heads.metadata()).heads == heads
    assert not Heads(number=8).metadata(), "the files there are say nothing of them"


def test_training_knows_its_unets_heads():
    assert heads_of(small_unet(SMALL, 0)).metadata() == {}
    assert heads_of(small_unet(SMALL, 0, FOUR_HEADS)).metadata() == {"mannequin.heads": "4"}
    assert heads_of(small_unet(SMALL_2, 0, SD2)).metadata() == {"mannequin.head_width": "64"}
    uneven = small_unet(SMALL, 0)
    uneven.register_to_config(attention_head_dim=(8, 4, 2))
    with pytest.raises(TrainingError, match="8, 4, 2 heads on levels 64, 128, 128 wide"):
        heads_of(uneven)


def test_values_that_contradict_themselves():
    with pytest.raises(ValueError, match="zero_snr needs v_prediction"):
        UNetFamily(schedule=NoiseSchedule(zero_snr=True))
    with pytest.raises(ValueError, match="a number or a width"):
        Heads(8, 64)


@pytest.mark.parametrize(
    "file, prefix, family, extra",
    [
        (
            "mcld_denoising_unet",
            "",
            replace(SD1_ZERO_SNR, extra=FACES),
            32,
        ),
        ("pcdms_stage2", "unet.", PCDMS_2, 0),
        ("pcdms_stage3", "unet.", SD2, 0),
        ("pcdms_simplified", "unet.", SD2, 0),
        ("imagpose_denoising_unet", "", IMAGPOSE, 588),
    ],
)
def test_families_describe_the_published_unets(golden, file, prefix, family, extra):
    """Key lists of full-size checkpoints."""
    listed = json.loads(golden(f"checkpoint_keys/{file}.json").read_text())
    state = {
        key.removeprefix(prefix): torch.empty(shape, device="meta")
        for key, shape in listed.items()
        if key.startswith(prefix)
    }
    layout = check_unet(state, family)
    assert layout.widths == (320, 640, 1280, 1280) and sum(family.has_extra(key) for key in state) == extra
    assert layout.class_dim == (1024 if file == "pcdms_stage2" else 0)
    assert family.heads.counts(layout.widths) == ((8,) * 4 if family.generation == 1 else (5, 10, 20, 20))
