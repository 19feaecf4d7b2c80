"""PCDMs' prior: the published numbers, its null condition, its sampling, its node on small weights."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.prior_sampling import sample_embedding
from mannequin.model_patches.unclip import MEAN, STD, guided, unclip, unclip_timesteps
from mannequin.model_patches.weight_kinds import check, recognise
from mannequin.model_patches.weight_kinds.pcdms_prior import HEADS_KEY, PCDMS_PRIOR, PREFIX, PRIOR
from mannequin.nodes import pcdms_prior
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pcdms_prior import MannequinPCDMsPrior
from mannequin.preprocessors.coordinates import pose_coordinates
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.keypoints import Frame, to_pose_keypoint
from small import difference, dino_output, random

from devtools import parity, untrained


def test_parity(golden, capsys):
    """Through the loader."""
    assert parity.main([str(golden("pcdms_stage1.safetensors"))]) == 0
    assert '"kind": "pcdms_stage1"' in capsys.readouterr().out


def test_the_published_file_is_of_this_shape(golden):
    shapes = json.loads(golden("checkpoint_keys/pcdms_stage1.json").read_text())
    with torch.device("meta"):
        ours = untrained.Prior(untrained.PRIOR).state_dict()
    assert {key: list(tensor.shape) for key, tensor in ours.items()} == shapes


@pytest.fixture(scope="module")
def prior():
    with torch.inference_mode():
        state, header = untrained.prior_state()
        # What training starts from at zero would hide which token is at which place.
        state[f"{PREFIX}positional_embedding"] = random(1, 6, 32, seed=8)
        return load_weights(PCDMS_PRIOR, state, "prior", header)[0]


def frame(seed: int = 0, people: int = 1, width: int = 200, height: int = 300) -> Frame:
    places = torch.rand(people, 18, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([width, height])
    return Frame(torch.cat([places, torch.ones(people, 18, 1)], -1), width, height)


def poses(*seeds: int) -> list:
    return to_pose_keypoint([frame(seed) for seed in seeds])


def vector(rows: int = 1, width: int = 64) -> SimpleNamespace:
    return SimpleNamespace(image_embeds=random(rows, width, seed=4))


def run(prior, embedding=None, source=None, target=None, seed: int = 3, steps: int = 4, **options) -> torch.Tensor:
    given = embedding or vector(), source or poses(1), target or poses(2)
    return MannequinPCDMsPrior.execute(prior, *given, seed, steps, **options).result[0]["image_embeds"]


class TestSampling:
    def test_timesteps(self):
        assert unclip_timesteps(4) == [999, 666, 333, 0]
        assert unclip_timesteps(20)[:3] == [999, 946, 894] and unclip_timesteps(20)[-1] == 0
        assert unclip_timesteps(1) == [999]

    @pytest.mark.parametrize("steps", [1, 2, 20, 1000])
    def test_it_ends_at_what_the_network_says(self, steps):
        clean = random(2, 8, seed=1)
        noise = random(steps, 2, 8, seed=2)
        made = unclip(lambda x, timestep: clean, noise[0], list(noise[1:]))
        # The published tables are in single precision.
        assert difference(made, clean * STD + MEAN) < 2e-3

    def test_the_marginal_of_a_step_is_that_of_the_schedule(self):
        """A sample of x₀ = 0 keeps variance 1 − ᾱ at every timestep."""
        seen = {}

        def predict(x, timestep):
            seen[timestep] = float(x.var())
            return torch.zeros_like(x)

        noise = random(11, 1, 200_000, seed=3)
        unclip(predict, noise[0], list(noise[1:]))
        for timestep, variance in seen.items():
            kept = math.cos(((timestep + 1) / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2
            kept /= math.cos(0.008 / 1.008 * math.pi / 2) ** 2
            assert variance == pytest.approx(1 - kept, rel=0.03, abs=1e-4), timestep

    def test_what_leaves_the_range_is_cut(self):
        made = unclip(lambda x, timestep: torch.full_like(x, 50), random(1, 8), [], clip_range=10)
        assert difference(made, torch.full_like(made, 10 * STD + MEAN)) < 1e-6

    def test_guidance(self):
        condition, null = torch.tensor([3.0]), torch.tensor([1.0])
        assert [float(guided(condition, null, scale)) for scale in (0, 1, 2)] == [1, 3, 5]


class TestNetwork:
    def test_source_and_target_are_not_the_same(self, prior):
        network, embedding = prior.model[PRIOR], vector().image_embeds
        one, other = (pose_coordinates([frame(seed)], "x") for seed in (1, 2))
        ways = [network.condition(embedding, *pair) for pair in ((one, other), (other, one))]
        results = [network(random(1, 64), torch.tensor([500]), way) for way in ways]
        assert difference(*results) > 1e-2

    def test_the_null_condition_knows_nothing(self, prior):
        network = prior.model[PRIOR]
        a, b = (network.condition(random(2, 64, seed=s), random(2, 36, seed=s), random(2, 36, seed=s)) for s in (1, 2))
        null = network.null(a)
        assert torch.equal(null, network.null(b)) and not null[:, :2].any()
        assert torch.equal(null[:, 2], network.embedding_proj.bias.expand(2, -1))


class TestNode:
    def test_as_published_it_is_the_condition_alone(self, prior):
        network = prior.model[PRIOR]
        noise = pcdms_prior._noise(1, 4, 64, 3)
        parts = vector().image_embeds, pose_coordinates([frame(1)], "s"), pose_coordinates([frame(2)], "t")
        condition = network.condition(*parts)
        plain = unclip(lambda x, t: network(x, torch.tensor([t]), condition), noise[0], list(noise[1:]))
        assert difference(run(prior), plain) < 1e-5
        assert difference(sample_embedding(network, *parts, noise), plain) < 1e-5

    def test_guidance_of_0_is_the_null_condition_alone(self, prior):
        alone = run(prior, cfg=0.0)
        elsewhere = run(prior, vector(), poses(5), poses(6), cfg=0.0)
        assert difference(alone, elsewhere) < 1e-5 < difference(alone, run(prior))

    def test_a_little_more_than_1_is_near_1(self, prior):
        assert difference(run(prior, cfg=1.0), run(prior, cfg=1.0001)) < 1e-2

    def test_queued_twice(self, prior):
        assert torch.equal(run(prior), run(prior)) and not torch.equal(run(prior), run(prior, seed=4))

    def test_targets_make_a_batch(self, prior):
        both = run(prior, target=poses(2, 7))
        assert both.shape == (2, 64)
        assert difference(both[:1], run(prior)) < 1e-5
        # The second has noise of its own, as in a sampler's batch.
        assert difference(both[1:], run(prior, target=poses(7))) > 1e-3

    def test_a_missing_joint(self, prior):
        points = frame(2)
        points.people[0, 4] = 0
        pose = to_pose_keypoint([points])
        assert difference(run(prior, target=pose), run(prior, target=pose, missing_joint=-1.0)) > 1e-4
        assert pose_coordinates([points], "x", -1.0)[0, 8:10].tolist() == [-1, -1]

    def test_coordinates_are_fractions(self):
        person = torch.zeros(1, 18, 3)
        person[0, 0], person[0, 17] = torch.tensor([50, 75, 1]), torch.tensor([200, 300, 0.5])
        numbers = pose_coordinates([Frame(person, 200, 300)], "x")
        assert numbers.shape == (1, 36)
        assert numbers[0, :2].tolist() == [0.25, 0.25] and numbers[0, -2:].tolist() == [1, 1]
        assert not numbers[0, 2:-2].any()

    def test_progress_and_interrupt(self, prior, monkeypatch):
        told = []

        def step():
            told.append(1)
            if len(told) == 3:
                raise KeyboardInterrupt

        monkeypatch.setattr(pcdms_prior, "per_picture", lambda total: told.append(total) or step)
        with pytest.raises(KeyboardInterrupt):
            run(prior, steps=9)
        assert told[0] == 9 and len(told) == 3

    @pytest.mark.parametrize(
        "given, sentence",
        [
            ({"embedding": vector(width=32)}, r"tensor of shape \[1, 32\]; one row of 64 numbers"),
            ({"embedding": SimpleNamespace()}, "The embedding is nothing"),
            ({"embedding": SimpleNamespace(image_embeds=torch.full((1, 64), math.nan))}, "not numbers"),
            ({"target": to_pose_keypoint([frame(1), Frame(torch.zeros(0, 18, 3), 9, 9)])}, "nobody in frame 2"),
            ({"source": to_pose_keypoint([frame(1, 2)])}, "The source pose shows 2 people .* Choose Person"),
            ({"source": poses(1, 2), "target": poses(1, 2, 3)}, "source_pose 2, target_pose 3"),
        ],
    )
    def test_bad_input_is_a_sentence(self, prior, given, sentence):
        with pytest.raises(NodeError, match=f"PCDMs Prior: .*{sentence}"):
            run(prior, **given)

    def test_an_embedding_of_dino(self, prior):
        with pytest.raises(NodeError, match="^PCDMs Prior: .* class token as it comes out of DINOv2.* CLIP these"):
            run(prior, dino_output(64))

    def test_no_frame(self):
        with pytest.raises(ConditionError, match="The target pose has no frame"):
            pose_coordinates([], "The target pose")

    def test_weights_of_other_joints(self):
        shape = untrained.PriorShape(64, 32, 4, 1, pose=34, pose_hidden=8, pose_features=8)
        state, header = untrained.prior_state(shape=shape)
        (other,) = load_weights(PCDMS_PRIOR, state, "x", header)
        with pytest.raises(NodeError, match="34 numbers for a pose, and OpenPose's 18 joints are 36"):
            run(other)


class TestFile:
    def test_it_is_recognised_by_its_stage(self):
        state, header = untrained.prior_state()
        assert recognise(state, header) is PCDMS_PRIOR
        _, inpainting = untrained.pcdms_state("inpainting")
        with pytest.raises(PatchError, match="load it with Load PCDMs Inpainting"):
            check(PCDMS_PRIOR, state, "x", inpainting)

    @pytest.mark.parametrize("key", ["proj_in.weight", "norm_out.bias", "transformer_blocks.1.ff.net.2.weight"])
    def test_an_incomplete_file(self, key):
        state, header = untrained.prior_state()
        state.pop(PREFIX + key)
        with pytest.raises(PatchError, match=key.replace(".", r"\.")):
            check(PCDMS_PRIOR, state, "x", header)

    def test_heads_that_cannot_share_the_width(self):
        state, header = untrained.prior_state()
        with pytest.raises(PatchError, match="32 wide, which 5 heads"):
            check(PCDMS_PRIOR, state, "x", header | {HEADS_KEY: "5"})
