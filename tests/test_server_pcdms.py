"""PCDMs' second and third stage in a real server, with small untrained weights in the users' file format."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from devtools import untrained
from devtools.client import PromptFailed
from devtools.demo import node_of
from devtools.draw_pcdms import (
    INPAINTING,
    REFINING,
    SIMPLIFIED,
    inpainted,
    inpainting_loader,
    person,
    refined,
    refining_loader,
)
from devtools.graph_drawing import Graph
from devtools.graph_format import ui_to_api

SIDE, STEPS = 128, 2
FILES = {"inpainting": INPAINTING, "refining": REFINING, "simplified": SIMPLIFIED}


@pytest.fixture(scope="module")
def models(server):
    """What the graphs load, in the server's models folder."""
    folder = server.base / "models" / "mannequin"
    with torch.inference_mode():
        for stage, file in FILES.items():
            state, metadata = untrained.pcdms_state(stage)
            save_file(state, folder / file, metadata)
    return folder


def graph_of(client, weights: str = INPAINTING) -> dict:
    """Photo and pose to a coarse picture and its refinement, in the format the server queues."""
    info = client.object_info()
    graph = Graph(info)
    small = graph.add(0, "MannequinUntrainedModel", layout="SD1.5", width=32, seed=0)
    # An image encoder of CLIP's architecture stands in DINOv2's place, and what it says of the target in the prior's.
    nets = {"vae": small["VAE"], "dino": small["CLIP_VISION"]}
    nets |= inpainting_loader(graph, weights) | refining_loader(graph)
    source = person(graph, "Source", "mannequin_source.png", size=(SIDE, SIDE))
    target = person(graph, "Target pose", "mannequin_pose.png", size=(SIDE, SIDE))
    known = graph.add(3, "CLIPVisionEncode", clip_vision=nets["dino"], image=target["photo"], crop="none")
    embedding = None if weights == SIMPLIFIED else known["CLIP_VISION_OUTPUT"]
    coarse = inpainted(graph, nets, source, target, embedding, (SIDE, SIDE), steps=STEPS)
    fine = refined(graph, nets, coarse, source["photo"], (SIDE, SIDE), steps=STEPS)
    for title, picture in (("Coarse", coarse), ("Result", fine)):
        graph.add(10, "SaveImage", title, images=picture, filename_prefix=f"mannequin/pcdms_{title}")
    return ui_to_api(graph.json(), info)


def pictures(client, prompt: dict) -> dict[str, np.ndarray]:
    result = client.run(prompt)
    return {
        title: np.asarray(
            Image.open(io.BytesIO(client.images(result, node_of(prompt, "SaveImage", title))[0])).convert("RGB")
        )
        for title in ("Coarse", "Result")
    }


def test_two_stages_make_a_picture_and_every_condition_counts(client, models):
    prompt = graph_of(client)
    base = pictures(client, prompt)
    for made in base.values():
        assert made.shape == (SIDE, SIDE, 3) and made.std() > 5
    changes = {
        "MannequinGuidanceRescale": ({"guidance_rescale": 0.0}, {"Result"}),
        "MannequinPCDMsConditioning": ({"pose_strength": 0.0}, {"Coarse", "Result"}),
        "CLIPVisionEncode": ({"crop": "center"}, {"Coarse", "Result"}),
    }
    for kind, (change, touched) in changes.items():
        inputs = prompt[node_of(prompt, kind)]["inputs"]
        kept = dict(inputs)
        inputs |= change
        made = pictures(client, prompt)
        assert {title for title in made if not np.array_equal(made[title], base[title])} == touched, kind
        inputs.update(kept)


def test_the_simplified_checkpoint_goes_through_the_same_nodes(client, models):
    made = pictures(client, graph_of(client, SIMPLIFIED))
    assert made["Coarse"].std() > 5


def test_swapped_files_are_named(client, models):
    prompt = graph_of(client)
    prompt[node_of(prompt, "MannequinLoadPCDMsInpainting")]["inputs"]["weights"] = REFINING
    with pytest.raises(PromptFailed) as failure:
        client.run(prompt)
    assert f"Load PCDMs Inpainting: '{REFINING}' is PCDMs' weights of refining" in failure.value.message
