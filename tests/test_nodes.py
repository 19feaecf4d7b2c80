"""Nodes called as the host calls them: what the server tests cannot feed them."""

from dataclasses import dataclass

import pytest
import torch
from comfy_api.latest import io
from mannequin.nodes.errors import NodeError
from mannequin.nodes.guidance import MannequinRegionBlendGuider
from mannequin.nodes.host_features import search_aliases
from mannequin.nodes.pose import MannequinDetectPose, MannequinDrawPose
from mannequin.nodes.source import MannequinSourceNet
from mannequin.nodes.truepose import MannequinApplyHPFA, MannequinApplyPoseEncoder
from small import APPLY, HPFA, body_mask, conditioning, model, random, source


def test_nan_pixels():
    image = torch.full((1, 64, 64, 3), torch.nan)
    with pytest.raises(NodeError, match="^Detect Pose: The image has pixels that are not numbers.*--fp32-vae"):
        MannequinDetectPose.execute(image=image, on_no_person="error", on_several="largest", threshold=0.5)


def test_nan_latent():
    latent = torch.full((1, 4, 8, 8), torch.nan)
    with pytest.raises(NodeError, match="^SourceNet: The source latent holds values that are not numbers"):
        MannequinSourceNet.execute(model=model(), latent={"samples": latent})


def test_nan_mask():
    base = model()
    mask = body_mask().float() * torch.nan
    with pytest.raises(NodeError, match="^Apply HPFA: The parsing mask holds values that are not numbers"):
        MannequinApplyHPFA.execute(model=base, source=source(base), parsing_mask=mask, **HPFA, **APPLY)


@pytest.mark.parametrize("shape", [(1, 4, 0, 1), (1, 4, 1, 8, 8), (4, 8, 8)], ids=str)
def test_latents_of_another_kind(shape):
    with pytest.raises(NodeError, match="^SourceNet: The source latent has shape"):
        MannequinSourceNet.execute(model=model(), latent={"samples": torch.zeros(shape)})


def test_text_of_another_checkpoint():
    wide = [[random(1, 77, 99), {}]]
    with pytest.raises(NodeError, match="^SourceNet: The conditioning is 99 wide and this UNet takes 32"):
        MannequinSourceNet.execute(model=model(), latent={"samples": random(1, 4, 8, 8)}, conditioning=wide)


def test_a_pose_encoder_that_is_not_there():
    from mannequin.model_patches.comfy_networks import host_patcher
    from mannequin.model_patches.networks.truepose import TruePose, TruePoseShape

    weights = host_patcher(TruePose(TruePoseShape()))
    with pytest.raises(NodeError, match="^Apply Pose Encoder: The TruePose weights have no pose encoder"):
        MannequinApplyPoseEncoder.execute(model=model(), truepose=weights, pose=torch.zeros(1, 8, 8, 3), **APPLY)


@pytest.mark.parametrize("pose", [None, "pose", [], [3], [{"people": []}]], ids=repr)
def test_what_is_no_pose(pose):
    with pytest.raises(NodeError, match="^Draw Pose: "):
        MannequinDrawPose.execute(pose=pose, width=64, height=64)


def test_guider_of_two_models():
    text = conditioning()
    branches = {"positive": text, "negative": text, "reference_positive": text, "reference_negative": text}
    with pytest.raises(NodeError, match="^Region Blend Guider: .*same loaded model"):
        MannequinRegionBlendGuider.execute(
            model=model(), reference_model=model(), mask=torch.ones(1, 8, 8), cfg=1.0, **branches
        )


def test_a_span_that_ends_before_it_begins_is_off():
    base = model()
    values = HPFA | APPLY | {"start_percent": 0.8, "end_percent": 0.2}
    patched = MannequinApplyHPFA.execute(model=base, source=source(base), parsing_mask=body_mask().float(), **values)[0]
    assert "patches_replace" not in patched.model_options["transformer_options"]


def test_the_bundled_networks_can_be_freed():
    from mannequin.nodes.free import MannequinFreePreprocessors
    from mannequin.preprocessors import onnx

    onnx.network("blazepose_detector")
    assert onnx.network.cache_info().currsize
    anything = torch.zeros(1)
    assert MannequinFreePreprocessors.execute(anything=anything)[0] is anything
    assert not onnx.network.cache_info().currsize


def test_both_ways_of_cloning_are_tried(cloning, request):
    """Whichever of them is this host's own."""

    class Patch:
        pass

    first = model()
    first.set_model_attn1_patch(Patch())
    patches = [
        patcher.model_options["transformer_options"]["patches"]["attn1_patch"] for patcher in (first, first.clone())
    ]
    assert patches[0] is not patches[1]
    assert (patches[0][0] is patches[1][0]) == ("shared" in request.node.callspec.id)


class TestWhatNewerHostsShow:
    def test_inputs_of_experts_say_so_on_every_host(self):
        shown = {
            socket.id: socket.as_dict().get("advanced", False) for socket in MannequinApplyHPFA.GET_SCHEMA().inputs
        }
        expected = dict.fromkeys(shown, False)
        expected |= dict.fromkeys(["fusion", "hidden_space", "delta", "sigma", "mask_axis", "sites"], True)
        assert shown == expected

    def test_other_words_to_find_a_node_by(self, monkeypatch):
        @dataclass
        class Older:
            node_id: str

        @dataclass
        class Newer:
            node_id: str
            search_aliases: list

        for schema, expected in ((Older, {}), (Newer, {"search_aliases": ["openpose", "skeleton"]})):
            monkeypatch.setattr(io, "Schema", schema)
            assert search_aliases("openpose", "skeleton") == expected
