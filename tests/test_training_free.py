"""Training-free use in training's own host: as the nodes' conditions act, when they act, and on whom."""

from dataclasses import replace

import pytest
import torch
from small_methods import OPTIONS
from training_people import NoisePeople

from training.errors import TrainingError
from training.methods.truepose import TruePose
from training.sampling import read_pairs
from training.training_free import TrainingFree, Use


@pytest.fixture(scope="module")
def model():
    method = TruePose(replace(OPTIONS["truepose"], fusion="none", caa=False), 0)
    with torch.no_grad():
        method.denoising.conv_out.weight.normal_(0, 0.05)
    return method.eval()


def sampled(model, guidance: float = 1.0, other_source: bool = False, **use) -> torch.Tensor:
    people = NoisePeople()
    trained = TrainingFree(model, Use(**use))
    source = people.record("p1-v0" if other_source else "p0-v0")
    batch = read_pairs(trained, [(source, people.record("p0-v1"))])
    noise = torch.randn(1, 4, 8, 6, generator=torch.Generator().manual_seed(0))
    return trained.sample(batch, noise, 4, guidance)


@pytest.mark.parametrize("use", ["hpfa", "caa", "reference"])
def test_each_brings_something_of_the_source_as_far_as_its_strength(model, use):
    nothing = sampled(model, use="nothing")
    whole, half, off = (sampled(model, use=use, strength=strength) for strength in (1.0, 0.5, 0.0))
    assert torch.equal(off, nothing)
    assert float((whole - nothing).abs().max()) > float((half - nothing).abs().max()) > 1e-4
    assert float((whole - sampled(model, use=use, other_source=True)).abs().max()) > 1e-4
    assert torch.equal(nothing, sampled(model, use="nothing", other_source=True))


def test_it_acts_within_its_span_alone():
    assert [Use(start_percent=0.25, end_percent=0.5).acts(step) for step in (999, 750, 749, 500, 499)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    assert [Use().acts(step) for step in (999, 0)] == [True, True]


def test_a_span_beyond_the_last_step_changes_nothing(model):
    assert torch.equal(sampled(model, use="hpfa", start_percent=1.0), sampled(model, use="nothing"))


def test_sites_are_chosen_by_the_nodes_words(model):
    some, every = sampled(model, sites="mid"), sampled(model)
    assert float((some - every).abs().max()) > 1e-4
    assert float((some - sampled(model, use="nothing")).abs().max()) > 1e-5


def test_guidance_goes_beyond_what_the_source_brings(model):
    nothing, once, twice = (
        sampled(model, use=use, guidance=g) for use, g in (("nothing", 2), ("hpfa", 1), ("hpfa", 2))
    )
    assert float((twice - nothing).abs().max()) > float((once - nothing).abs().max())


def test_a_prompt_tells_what_the_target_wears(model):
    assert float((sampled(model, use="prompt") - sampled(model, use="nothing")).abs().max()) > 1e-4


def test_a_model_that_knows_a_source_is_refused():
    with pytest.raises(TrainingError, match="fusion 'hpfa'"):
        TrainingFree(TruePose(OPTIONS["truepose"], 0), Use())


def test_its_file_has_the_model_itself_for_a_source_net(model):
    tensors, _ = model.weights()
    ours = {key.removeprefix("reference_unet."): t for key, t in tensors.items() if key.startswith("reference_unet.")}
    assert len(ours) > 50
    assert all(torch.equal(tensor, model.denoising.state_dict()[key]) for key, tensor in ours.items())
