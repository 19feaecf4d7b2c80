"""RePoseSD through its nodes: its files, words and poses together, one picture in both hosts, bad input."""

from dataclasses import replace
from functools import cache

import comfy.sd
import pytest
import torch
from host_ddim import STEPS, begun, sampled
from mannequin.model_patches.comfy_inputs import INPUTS
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.weight_kinds import recognise
from mannequin.model_patches.weight_kinds.kind import PREDICTION_KEY
from mannequin.model_patches.weight_kinds.pcdms_unets import PCDMS_REFINING
from mannequin.model_patches.weight_kinds.reposesd import GENERATION_KEY, REPOSESD, SCHEDULE_KEY
from mannequin.nodes.errors import NodeError
from mannequin.nodes.reposesd import MannequinRePoseSDConditioning
from reposedm_files import field_files
from safetensors.torch import load_file
from small import difference, random
from small_methods import OPTIONS

from training.autoencoders import load_autoencoder
from training.methods.reposesd import RePoseSD
from training.objectives import Schedule

HEIGHT, WIDTH, GUIDANCE = 64, 48, 3.0
SCHEDULES = {
    "Stable Diffusion's": Schedule(),
    "v": Schedule(prediction="v_prediction"),
    "linear": Schedule("linear"),
    "zero SNR": Schedule("scaled_linear", "v_prediction", True, "trailing"),
}


@cache
def trained(name: str = "Stable Diffusion's", generation: int = 1) -> RePoseSD:
    options = replace(OPTIONS["reposesd"], schedule=SCHEDULES[name], generation=generation, field=0.0)
    with torch.inference_mode(False):
        return RePoseSD(options, seed=0).eval()


@cache
def vae():
    return comfy.sd.VAE(sd=load_file(field_files()["decoder"]), dtype=torch.float32)


def loaded(method: RePoseSD, **header: str):
    state, metadata = method.weights()
    with torch.inference_mode():
        (model,) = load_weights(REPOSESD, state, "x", {**metadata, **header})
    return model


def drawn(rows: int = 1, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.rand(rows, height, width, 3, generator=torch.Generator().manual_seed(seed))


def words(method: RePoseSD, text: str) -> list:
    with torch.inference_mode():
        return [[method.words(method.words.tokens(text)[None]), {"spoken": text}]]


def conditions(method: RePoseSD, pose: torch.Tensor, positive: str = "two people", negative: str = "") -> tuple:
    given = (words(method, text) for text in (positive, negative))
    return MannequinRePoseSDConditioning.execute(*given, vae(), pose).result


class TestFile:
    def test_it_is_told_from_the_others(self):
        state, metadata = trained().weights()
        assert recognise(state, metadata) is REPOSESD
        with pytest.raises(PatchError, match="'x' is RePoseSD, .* load it with Load RePoseSD"):
            load_weights(PCDMS_REFINING, state, "x", metadata)

    @pytest.mark.parametrize(
        "key, text", [(GENERATION_KEY, "3"), (SCHEDULE_KEY, "cosine"), (SCHEDULE_KEY, ""), (GENERATION_KEY, "")]
    )
    def test_a_header_that_says_not_enough(self, key, text):
        with pytest.raises(PatchError, match="'x' cannot be loaded. Its header does not say of which Stable Diffusion"):
            loaded(trained(), **{key: text})

    def test_a_header_that_contradicts_itself(self):
        with pytest.raises(PatchError, match="'x' cannot be loaded. Its header contradicts itself: Noise cannot be"):
            loaded(trained("zero SNR"), **{PREDICTION_KEY: "epsilon"})

    def test_something_else_in_it(self):
        state, metadata = trained().weights()
        with pytest.raises(PatchError, match=r"'x' is not a complete RePoseSD weight file: 1 unexpected \(pose\)"):
            load_weights(REPOSESD, state | {"pose": torch.zeros(1)}, "x", metadata)


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("name", SCHEDULES)
def test_one_picture_of_one_noise_in_both_hosts(name, generation):
    method = trained(name, generation)
    model, pose, noise = loaded(method), drawn(2), random(2, 4, HEIGHT // 8, WIDTH // 8, seed=5)
    positive, negative, latent = conditions(method, pose)
    assert latent["samples"].shape == noise.shape
    with torch.inference_mode():
        batch = {
            "pose_latent": load_autoencoder(field_files()["decoder"]).encode(pose.movedim(-1, 1) * 2 - 1),
            "caption": method.words.tokens("two people")[None].expand(2, -1),
        }
        ours = method.sample(batch, begun(model, noise), STEPS, GUIDANCE)
    theirs = sampled(model, positive, negative, noise, GUIDANCE)
    assert difference(ours, theirs) < 1e-3 * float(ours.std())
    for other in (conditions(method, drawn(2, seed=1)), conditions(method, pose, "nobody")):
        assert difference(sampled(model, other[0], negative, noise, GUIDANCE), theirs) > 1e-2 * float(ours.std())


class TestConditioning:
    def test_the_negative_sees_no_pose(self):
        """Eq. 16: words and poses were dropped together, so ∅ is the same whatever is drawn."""
        method = trained()
        model, noise = loaded(method), random(1, 4, HEIGHT // 8, WIDTH // 8, seed=5)
        positive, negative, _ = conditions(method, drawn())
        other = conditions(method, drawn(seed=1))[1]
        assert negative[0][1][INPUTS].blank and not positive[0][1][INPUTS].blank
        made = sampled(model, positive, negative, noise, GUIDANCE)
        assert torch.equal(made, sampled(model, positive, other, noise, GUIDANCE))
        assert difference(made, sampled(model, positive, positive, noise, GUIDANCE)) > 1e-3

    def test_what_other_nodes_said_is_kept(self):
        positive, negative, _ = conditions(trained(), drawn(), negative="worse")
        assert positive[0][1]["spoken"] == "two people" and negative[0][1]["spoken"] == "worse"
        assert torch.equal(negative[0][0], words(trained(), "worse")[0][0])


class TestBadInput:
    def test_nobody_in_the_pose(self):
        with pytest.raises(NodeError, match="^RePoseSD Conditioning: Picture 2 of the pose is black: nobody was"):
            conditions(trained(), torch.cat([drawn(), torch.zeros(1, HEIGHT, WIDTH, 3)]))

    def test_sides_that_no_latent_has(self):
        with pytest.raises(NodeError, match="^RePoseSD Conditioning: The pose is 50×64, and sides that are multiples"):
            conditions(trained(), drawn(width=50))

    def test_no_conditioning(self):
        with pytest.raises(NodeError, match="^RePoseSD Conditioning: positive is a conditioning without an entry"):
            MannequinRePoseSDConditioning.execute([], words(trained(), ""), vae(), drawn())

    def test_the_model_without_poses(self):
        method, noise = trained(), random(1, 4, HEIGHT // 8, WIDTH // 8, seed=5)
        with pytest.raises(PatchError, match="brings no picture. .* or RePoseSD Conditioning"):
            sampled(loaded(method), words(method, "x"), words(method, ""), noise, GUIDANCE)
