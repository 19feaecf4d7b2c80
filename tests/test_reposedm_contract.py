"""The contract of CONTRIBUTING.md on RePoseDM's MODEL, alone and under patches of attention."""

from functools import partial

import comfy.sample
import pytest
import torch
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_evaluation import NULL
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_networks import load_file
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_unet import load_unet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.conditions import HPFACondition, ReferenceCondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.scope import Scope
from mannequin.model_patches.unet_family import SD1
from mannequin.model_patches.weight_kinds.reposedm import REPOSEDM
from small import DEFAULT, HEIGHT, WIDTH, body_mask, difference, random

from devtools import untrained
from training.unets import small_unet

GUIDANCE = 2.0
LORA_KEY = "diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_k.weight"


@pytest.fixture(scope="module")
def patcher():
    with torch.inference_mode():
        state, metadata = untrained.reposedm_state()
        return load_weights(REPOSEDM, state, "reposedm", metadata)[0]


@pytest.fixture(scope="module")
def source() -> SourceNet:
    """An ordinary UNet of the same sizes, as Stable Diffusion 1.5 is beside RePoseDM."""
    with torch.inference_mode(False):
        state = small_unet(untrained.SMALL, 7, SD1).state_dict()
    with torch.inference_mode():
        return SourceNet(load_unet(state, "The UNet", SD1), random(1, 4, HEIGHT, WIDTH, seed=8))


def conditioning(rows: int = 1, sides: tuple[int, int] = (HEIGHT, WIDTH), **entries) -> tuple[list, list]:
    """Positive and negative, as the node gives them; ``entries`` go to both."""
    inputs, context = Inputs(random(rows, 4, *sides, seed=1)), random(rows, 12, 64, seed=4)
    null = {INPUTS: inputs.as_null(blank=True), NULL: True}
    return [[context, {INPUTS: inputs} | entries]], [[torch.zeros_like(context), null | entries]]


def sampled(model, conditions, rows: int = 1, cfg: float = GUIDANCE, noise: torch.Tensor | None = None) -> torch.Tensor:
    """Two steps of the host's Euler, of the same noise for every row."""
    noise = (random(1, 4, HEIGHT, WIDTH, seed=5) if noise is None else noise).expand(rows, -1, -1, -1)
    arguments = (noise, 2, cfg, "euler", "normal", *conditions, torch.zeros_like(noise))
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True)


def over(patcher, source, scope: Scope = DEFAULT):
    """HPFA and reference attention on a MODEL."""
    patched = apply_condition(patcher, HPFACondition(body_mask()), source, "all", scope)
    return apply_condition(patched, ReferenceCondition(), source, "all", scope)


def test_patches_of_attention_go_on_top(patcher, source):
    """Each changes the picture, together both do, and a patch leaves no trace."""
    conditions, base = conditioning(), sampled(patcher, conditioning())
    first = sampled(apply_condition(patcher, HPFACondition(body_mask()), source, "all", DEFAULT), conditions)
    second = sampled(over(patcher, source), conditions)
    assert difference(first, base) > 1e-2 and difference(second, first) > 1e-2
    assert torch.equal(sampled(patcher, conditions), base)


def test_a_lora(patcher):
    width = patcher.model.state_dict()[LORA_KEY].shape[0]
    base, worn = sampled(patcher, conditioning()), patcher.clone()
    worn.add_patches({LORA_KEY: (random(width, width, seed=8),)}, 1.0)
    assert difference(sampled(worn, conditioning()), base) > 1e-3
    assert torch.equal(sampled(patcher, conditioning()), base)


@pytest.mark.parametrize(
    "scope",
    [Scope(strength=0.0), Scope(mask=torch.zeros(1, 20, 30)), Scope(start=0.6, end=0.5)],
    ids=["strength 0", "black region", "empty span"],
)
def test_off_is_exactly_the_unpatched_model(patcher, source, scope):
    assert torch.equal(sampled(over(patcher, source, scope), conditioning()), sampled(patcher, conditioning()))


@pytest.mark.usefixtures("cloning")
def test_twice_and_clones(patcher, source):
    conditions, options = conditioning(), repr(patcher.model_options)
    for model in (patcher, over(patcher, source)):
        first = sampled(model, conditions)
        assert torch.equal(first, sampled(model, conditions))
        assert torch.equal(first, sampled(model.clone().clone(), conditions))
    assert repr(patcher.model_options) == options


def test_the_null_condition_knows_no_pose(patcher):
    """With a guidance of 0 it is all that counts: zeros beside the noise."""
    positive, negative = conditioning()
    inputs = negative[0][1][INPUTS]
    other = Inputs(inputs.latent.flip(-1)).as_null(blank=True)
    assert torch.equal(
        sampled(patcher, (positive, negative), cfg=0.0),
        sampled(patcher, (positive, [[negative[0][0], {INPUTS: other, NULL: True}]]), cfg=0.0),
    )
    shown = [[negative[0][0], {INPUTS: inputs.as_null(), NULL: True}]]
    made = sampled(patcher, (positive, shown), cfg=0.0)
    assert difference(made, sampled(patcher, (positive, negative), cfg=0.0)) > 1e-3


def test_rows_are_of_their_own(patcher):
    """Two rows of conditions: each image of the batch is what its row gives alone."""
    (positive, negative), rows = conditioning(2), []
    for row in (slice(0, 1), slice(1, 2)):
        inputs = Inputs(positive[0][1][INPUTS].latent[row])
        alone = [[positive[0][0][row], {INPUTS: inputs}]]
        null = [[negative[0][0][row], {INPUTS: inputs.as_null(blank=True), NULL: True}]]
        rows.append(sampled(patcher, (alone, null)))
    together = sampled(patcher, (positive, negative), 2)
    assert difference(together, torch.cat(rows)) < 1e-5 * float(together.abs().max())
    assert difference(together[0], together[1]) > 1e-2
    with pytest.raises(PatchError, match="holds 2 images and the latent batch 3"):
        sampled(patcher, (positive, negative), 3)


@pytest.mark.parametrize("sides", [(8, 8), (5, 16)], ids=str)
def test_odd_sizes(patcher, sides):
    noise = random(1, 4, *sides, seed=6)
    assert sampled(patcher, conditioning(sides=sides), noise=noise).shape == (1, 4, *sides)
    with pytest.raises(PatchError, match="Sample the latent that this node gives"):
        sampled(patcher, conditioning(), noise=noise)


def test_the_host_can_make_another_copy(patcher):
    state, metadata = untrained.reposedm_state()

    def read(name: str) -> tuple:
        return {key: tensor.clone() for key, tensor in state.items()}, metadata

    first, _ = load_file(read, partial(load_weights, REPOSEDM), "reposedm")
    make, arguments = first.cached_patcher_init
    other = make(*arguments)
    assert other.model is not first.model
    assert torch.equal(sampled(other, conditioning()), sampled(patcher, conditioning()))
