"""HigherHRNet: the published numbers and names, its conversion, people out of its maps, its nodes."""

import json

import pytest
import torch
from mannequin.model_patches.comfy_networks import host_operations
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.higherhrnet import HigherHRNet, HigherHRNetShape, sized_for
from mannequin.model_patches.weight_kinds import check, recognise
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET, estimator_metadata
from mannequin.nodes import pose_estimator
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pose_estimator import MannequinEstimatePose, MannequinLoadPoseEstimator
from mannequin.preprocessors.joint_grouping import estimate_poses, group
from mannequin.preprocessors.keypoints import from_pose_keypoint
from safetensors.torch import load_file
from small import difference, random

from devtools import parity, untrained
from training import convert


def test_parity(golden, capsys):
    """Through the loader."""
    assert parity.main([str(golden("higherhrnet.safetensors"))]) == 0
    assert '"kind": "higherhrnet"' in capsys.readouterr().out


@pytest.mark.parametrize("name, wide", [("w32_512", 32), ("w48_640", 48)])
def test_the_published_files_are_of_these_shapes(golden, name, wide):
    shapes = json.loads(golden(f"checkpoint_keys/higherhrnet_{name}.json").read_text())
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    shape = HigherHRNetShape.of(state)
    assert shape == HigherHRNetShape(tuple(wide * 2**level for level in range(4)), wide)
    assert recognise(state) is HIGHERHRNET
    check(HIGHERHRNET, state, name, None)


def test_in_half_precision_and_at_any_size():
    network = _network()
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    exact = network(picture)
    half = network(picture.bfloat16())
    assert half.fine.dtype == torch.bfloat16 and exact.fine.shape == (1, 17, 32, 48)
    assert difference(half.fine, exact.fine) < 0.1 * float(exact.fine.abs().max())
    assert sized_for(torch.zeros(1, 3, 100, 50)).shape[-2:] == (96, 64)
    assert sized_for(torch.zeros(1, 3, 100, 50), 128).shape[-2:] == (256, 128)


def test_the_normalisation_is_imagenets():
    """What is not normalised is what the network would have seen of another picture."""
    state, _ = untrained.estimator_state()
    ways = {normalised: _network(state, imagenet=normalised) for normalised in (True, False)}
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert difference(ways[True](picture).fine, ways[False]((picture - mean) / deviation).fine) < 1e-5


def _network(state=None, imagenet: bool = True) -> HigherHRNet:
    network = HigherHRNet(untrained.SMALL_ESTIMATOR, imagenet, operations=host_operations())
    network.load_state_dict(state or untrained.estimator_state()[0])
    return network.eval()


class TestConversion:
    @pytest.fixture
    def state(self):
        return untrained.estimator_state()[0]

    def run(self, state, tmp_path, *words: str) -> int:
        torch.save(state, tmp_path / "published.pth")
        return convert.main(
            ["higherhrnet", str(tmp_path / "published.pth"), str(tmp_path / "ours.safetensors"), *words]
        )

    @pytest.mark.parametrize("around", ["", "1.", "module.", "mmpose"])
    def test_every_naming_becomes_one(self, state, tmp_path, around):
        heads = ("final_layers.", "deconv_layers.")

        def published(key: str) -> str:
            if around == "mmpose":
                return ("keypoint_head." if key.startswith(heads) else "backbone.") + key
            return around + key

        saved = {published(key): tensor for key, tensor in state.items()}
        assert self.run({"meta": {}, "state_dict": saved} if around == "mmpose" else saved, tmp_path) == 0
        ours = load_file(tmp_path / "ours.safetensors")
        assert ours.keys() == state.keys() and all(torch.equal(ours[key], state[key]) for key in state)

    def test_half(self, state, tmp_path):
        assert self.run(state, tmp_path, "--half") == 0
        ours = load_file(tmp_path / "ours.safetensors")
        assert ours["conv1.weight"].dtype == torch.float16
        assert ours["bn1.num_batches_tracked"].dtype == torch.int64

    @pytest.mark.parametrize("name", ["w32_512", "w48_512"])
    def test_mmposes_names_are_known(self, golden, name):
        from model_patches.published_higherhrnet import our_name

        keys = json.loads(golden(f"checkpoint_keys/higherhrnet_{name}_mmpose.json").read_text())
        ours = json.loads(golden("checkpoint_keys/higherhrnet_w32_512.json").read_text())
        assert {our_name(key) for key in keys} == ours.keys()

    def test_what_is_wrong_is_said(self, state, tmp_path, capsys):
        assert self.run({key: tensor for key, tensor in state.items() if key != "bn2.weight"}, tmp_path) == 1
        assert "not a complete HigherHRNet weight file: 1 missing (bn2.weight)" in capsys.readouterr().err
        assert self.run({"decoder.conv_in.weight": torch.zeros(1)}, tmp_path) == 1
        assert "published.pth is a VAE; load it with Load VAE. Needed is a HigherHRNet" in capsys.readouterr().err
        assert self.run(state | {"backbone.bn2.weight": state["bn2.weight"]}, tmp_path) == 1
        assert "has a part twice" in capsys.readouterr().err
        assert not (tmp_path / "ours.safetensors").exists()
        assert self.run(state, tmp_path) == 0 and self.run(state, tmp_path) == 1
        assert "exists already" in capsys.readouterr().err


def _maps(people, height: int = 40, width: int = 60):
    """Maps in which people ``[17, 2]``, columns and rows of the fine maps, are peaks with a tag each."""
    fine, tags = torch.zeros(1, 17, height, width), torch.zeros(1, 17, height, width)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    for tag, person in enumerate(people):
        for joint, (column, row) in enumerate(person):
            bump = torch.exp(-((x - column) ** 2 + (y - row) ** 2) / 8)
            fine[0, joint] = torch.maximum(fine[0, joint], bump)
            tags[0, joint][bump > 0.1] = 5.0 * tag
    return fine, tags, fine


def _bodies(*corners):
    """Joints that lie 2 columns and a row apart, from these corners on."""
    return [[(left + 2 * (joint % 4), top + joint) for joint in range(17)] for left, top in corners]


class TestGrouping:
    def test_people_are_told_apart(self):
        bodies = _bodies((5, 5), (30, 10))
        found = group(*_maps(bodies))
        assert found.shape == (2, 17, 3)
        for person, body in zip(found[found[:, 0, 0].argsort()], bodies, strict=True):
            assert difference(person[:, :2], torch.tensor(body) + 0.5) <= 0.25

    def test_a_joint_that_is_not_seen(self):
        fine, tags, _ = _maps(_bodies((5, 5)))
        fine[0, 7] = 0
        (person,) = group(fine, tags, fine)
        assert person[7].tolist() == [0, 0, 0] and (person[:, 2] > 0).sum() == 16

    def test_a_threshold(self):
        maps = _maps(_bodies((5, 5)))
        assert len(group(*maps, threshold=0.9)) == 1
        assert len(group(*(0.5 * part for part in maps), threshold=0.9)) == 0

    def test_places_in_the_picture(self):
        """A map at half the picture's size: the first pixel's centre is at 1."""
        body = _bodies((5, 5))[0]
        (frame,) = estimate_poses(torch.zeros(1, 80, 120, 3), lambda picture: _maps([body]))
        assert (frame.width, frame.height) == (120, 80)
        nose, left_shoulder = frame.people[0, 0], frame.people[0, 5]
        assert nose.tolist() == pytest.approx([2 * 5.5, 2 * 5.5, 1], abs=0.6)
        assert left_shoulder.tolist() == pytest.approx([2 * 7.5, 2 * 10.5, 1], abs=0.6)

    def test_other_joints_than_cocos(self):
        maps = tuple(torch.zeros(1, 14, 8, 8) for _ in range(3))
        with pytest.raises(ValueError, match="The estimator has 14 joints and 14 tags; COCO's 17"):
            estimate_poses(torch.zeros(1, 16, 16, 3), lambda picture: maps)


class TestNodes:
    @pytest.fixture
    def files(self, monkeypatch):
        state, header = untrained.estimator_state()
        monkeypatch.setattr(pose_estimator, "read_weights", lambda name: (state, header))

    @pytest.mark.parametrize("choice, imagenet", [("auto", True), ("ImageNet", True), ("none", False)])
    def test_the_normalisation_can_be_chosen(self, files, choice, imagenet):
        (patcher,) = MannequinLoadPoseEstimator.execute("x", choice).result
        assert patcher.model.imagenet is imagenet

    def test_a_file_of_another_kind(self, monkeypatch):
        other = {"decoder.conv_in.weight": torch.zeros(1)}
        monkeypatch.setattr(pose_estimator, "read_weights", lambda name: (other, None))
        with pytest.raises(NodeError, match="^Load Pose Estimator: 'x' is a VAE; load it with Load VAE. A pose est"):
            MannequinLoadPoseEstimator.execute("x", "auto")

    def test_a_header_of_another_normalisation(self):
        state, _ = untrained.estimator_state()
        with pytest.raises(PatchError, match="Its header says 'grey' for 'mannequin.normalisation'"):
            check(HIGHERHRNET, state, "x", estimator_metadata("grey"))

    def test_people_come_out(self, files, monkeypatch):
        (patcher,) = MannequinLoadPoseEstimator.execute("x", "auto").result
        fine, tags, _ = _maps(_bodies((5, 5), (30, 10)))
        seen = []

        def maps(picture):
            seen.append(tuple(picture.shape))
            return patcher.model.heads(random(1, 4, 8, 8))._replace(coarse=fine, tags=tags, fine=fine)

        monkeypatch.setattr(patcher.model, "forward", maps)
        (pose,) = MannequinEstimatePose.execute(patcher, torch.zeros(1, 80, 120, 3), "error", "all", 0.1, 128).result
        assert seen == [(1, 3, 128, 192)]
        (frame,) = from_pose_keypoint(pose)
        assert len(frame.people) == 2 and (frame.width, frame.height) == (120, 80)
        with pytest.raises(NodeError, match="^Estimate Pose: 2 people were found"):
            MannequinEstimatePose.execute(patcher, torch.zeros(1, 80, 120, 3), "error", "error", 0.1, 128)
        fine.zero_()
        with pytest.raises(NodeError, match="^Estimate Pose: Nobody was found"):
            MannequinEstimatePose.execute(patcher, torch.zeros(1, 80, 120, 3), "error", "all", 0.1, 128)
