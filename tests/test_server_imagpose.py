"""IMAGPose in a real server: several poses and several sources, with small untrained weights in the users' format."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from devtools import untrained
from devtools.client import PromptFailed
from devtools.demo import node_of
from devtools.draw_imagpose import generated, loader
from devtools.draw_pcdms import person
from devtools.graph_drawing import Graph
from devtools.graph_format import ui_to_api

SIDE, STEPS = 128, 2
WEIGHTS = "imagpose.safetensors"


@pytest.fixture(scope="module")
def models(server):
    folder = server.base / "models" / "mannequin"
    with torch.inference_mode():
        state, metadata = untrained.imagpose_state()
        save_file(state, folder / WEIGHTS, metadata)
    return folder


def graph_of(client, sources: int, targets: int) -> dict:
    """Photos and poses to pictures, in the format the server queues."""
    info = client.object_info()
    graph = Graph(info)
    # An image encoder of CLIP's architecture stands in DINOv2's place.
    small = graph.add(0, "MannequinUntrainedModel", layout="SD1.5", width=32, seed=0)
    nets = {"vae": small["VAE"], "dino": small["CLIP_VISION"]} | loader(graph, WEIGHTS)
    source, target = (
        person(graph, title, photo, size=(SIDE, SIDE), style="IMAGPose")
        for title, photo in (("Source", "mannequin_source.png"), ("Target", "mannequin_pose.png"))
    )
    made = generated(graph, nets, [source] * sources, [target] * targets, (SIDE, SIDE), 64, steps=STEPS)
    graph.add(8, "SaveImage", "Result", images=made, filename_prefix="mannequin/imagpose")
    return ui_to_api(graph.json(), info)


@pytest.mark.parametrize("sources, targets", [(1, 3), (3, 1)])
def test_a_picture_for_every_pose(client, models, sources, targets):
    prompt = graph_of(client, sources, targets)
    result = client.run(prompt)
    pictures = [
        np.asarray(Image.open(io.BytesIO(each))) for each in client.images(result, node_of(prompt, "SaveImage"))
    ]
    assert [picture.shape for picture in pictures] == [(SIDE, SIDE, 3)] * targets
    assert all(picture.std() > 1 for picture in pictures)


def test_more_than_the_canvas_holds(client, models):
    with pytest.raises(PromptFailed, match="Joint Views: 3 sources and 2 target poses are 5 tiles"):
        client.run(graph_of(client, 3, 2))
