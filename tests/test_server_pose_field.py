"""The graph of RePoseSD in a real server, on the pack's untrained model and estimator."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from rewiring import untrained_instead
from safetensors.torch import save_file

from devtools import untrained
from devtools.client import PromptFailed
from devtools.demo import node_of, read_graph
from devtools.draw_reposedm import ESTIMATOR
from devtools.host import ROOT

#: The photo's aspect; a step of the field is a share of the picture, whatever the estimator.
CHANGES = {"width": 96, "height": 64, "steps": 3, "rule": "relative", "scale": 50.0}


@pytest.fixture
def prompt(client, server) -> dict:
    """The shared graph, small, its checkpoint and prompts ours."""
    with torch.inference_mode():
        state, metadata = untrained.estimator_state()
    save_file(state, server.base / "models" / "mannequin" / ESTIMATOR, metadata)
    prompt = read_graph(client, ROOT / "workflows" / "repose_text_to_image.json")
    checkpoint = node_of(prompt, "CheckpointLoaderSimple")
    prompt[checkpoint]["class_type"] = "MannequinLoadTruePoseModel"
    empty = {"class_type": "MannequinConditioning", "inputs": {"model": [checkpoint, 0]}, "_meta": {"title": ""}}
    prompts = [number for number, node in prompt.items() if node["class_type"] == "CLIPTextEncode"]
    for node in prompt.values():
        node["inputs"] |= {name: value for name, value in CHANGES.items() if name in node["inputs"]}
        for name, link in node["inputs"].items():
            if link == [checkpoint, 2]:
                node["inputs"][name] = ["vae", 0]
            elif isinstance(link, list) and link[0] in prompts:
                node["inputs"][name] = ["empty", 0]
    for number in prompts:
        del prompt[number]
    prompt |= {"empty": empty, "vae": {"class_type": "VAELoader", "inputs": {}, "_meta": {"title": ""}}}
    return untrained_instead(prompt)


def made(client, prompt: dict) -> np.ndarray:
    """The result's levels."""
    picture = client.images(client.run(prompt), node_of(prompt, "SaveImage"))[0]
    return np.asarray(Image.open(io.BytesIO(picture))).astype(int)


def test_the_field_moves_the_picture_and_off_is_off(client, prompt):
    """And everybody in the photo counts."""
    field = prompt[node_of(prompt, "MannequinPoseInteractionField")]["inputs"]
    guided = made(client, prompt)
    prompt[node_of(prompt, "MannequinDetectPose")]["inputs"]["on_several"] = "largest"
    by_one = made(client, prompt)
    field["scale"] = 0.0
    off = made(client, prompt)
    prompt[node_of(prompt, "KSampler")]["inputs"]["model"] = field["model"]
    assert np.array_equal(off, made(client, prompt))
    assert guided.shape == (64, 96, 3)
    assert min(np.abs(one - other).max() for one, other in ((guided, off), (guided, by_one))) > 10


def on_joint_picture(client, graph: str, joint: str) -> dict:
    """A demo's graph, whose joint picture is guided; IMAGPose's generates the two poses of a batch."""
    prompt = read_graph(client, ROOT / "workflows" / f"{graph}.json")
    if graph == "imagpose":
        photos = [node_of(prompt, "LoadImage", f"Target pose {number}") for number in (1, 2)]
        batch = {"image1": [photos[0], 0], "image2": [photos[1], 0]}
        prompt["batch"] = {"class_type": "ImageBatch", "inputs": batch, "_meta": {"title": ""}}
        prompt[node_of(prompt, "MannequinDetectPose", "Target pose 1: pose")]["inputs"]["image"] = ["batch", 0]
        views = prompt[node_of(prompt, joint)]["inputs"]
        del views["target_pose_2"], views["target_pose_3"]
    guided = read_graph(client, ROOT / "workflows" / "reposedm.json")
    estimator = guided[node_of(guided, "MannequinLoadPoseEstimator")]
    title = "Target pose 1: pose" if graph == "imagpose" else "Target pose: pose"
    field = {
        "pose": [node_of(prompt, "MannequinDetectPose", title), 0],
        "estimator": ["estimator", 0],
        "decoder": [node_of(prompt, "VAELoader"), 0],
        "tiles": [node_of(prompt, joint), {"MannequinJointViews": 5, "MannequinPCDMsJoint": 3}[joint]],
        **{"scale": 5.0, "rule": "relative", "start_percent": 0.0, "end_percent": 1.0, "every": 1},
    }
    sampler = next(
        node["inputs"]
        for node in prompt.values()
        if node["class_type"] == "KSampler" and "Refining" not in prompt[node["inputs"]["positive"][0]]["class_type"]
    )
    field["model"], sampler["model"] = sampler["model"], ["field", 0]
    kind = "MannequinPoseInteractionField"
    return prompt | {"estimator": estimator, "field": {"class_type": kind, "inputs": field, "_meta": {"title": ""}}}


@pytest.mark.parametrize("graph, joint", [("pcdms_demo", "MannequinPCDMsJoint"), ("imagpose", "MannequinJointViews")])
def test_joint_pictures_are_guided_tile_by_tile(client, graph, joint):
    """The demo's weights; without its tiles the field refuses such a MODEL."""
    prompt = on_joint_picture(client, graph, joint)
    pictures = client.images(client.run(prompt), node_of(prompt, "SaveImage"))
    prompt["field"]["inputs"]["scale"] = 0.0
    plain = client.images(client.run(prompt), node_of(prompt, "SaveImage"))
    levels = [[np.asarray(Image.open(io.BytesIO(each))).astype(int) for each in made] for made in (pictures, plain)]
    assert len(pictures) == (2 if graph == "imagpose" else 1)
    assert all(np.abs(ours - theirs).max() > 10 for ours, theirs in zip(*levels, strict=True))
    prompt["field"]["inputs"]["scale"] = 5.0
    del prompt["field"]["inputs"]["tiles"]
    with pytest.raises(PromptFailed, match="makes joint pictures, sources and targets side by side"):
        client.run(prompt)
