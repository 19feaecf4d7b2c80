"""The graphs of TruePose without training in a real server, on the pack's untrained model and a small ControlNet."""

import io

import comfy.cldm.cldm
import comfy.ops
import numpy as np
import pytest
from mannequin.model_patches.comfy_small_sd import SmallSD, seed_weights
from PIL import Image
from rewiring import untrained_instead
from safetensors.torch import save_file

from devtools.demo import node_of
from devtools.draw_bust import bust_to_full_body_sdxl
from devtools.draw_training_free import SD15, SDXL, training_free, training_free_sdxl
from devtools.graph_format import ui_to_api

GRAPHS = {
    "SD1.5": (training_free, SD15, "SD1.5"),
    "SDXL": (training_free_sdxl, SDXL, "SDXL"),
    "SDXL, a bust": (bust_to_full_body_sdxl, SDXL, "SDXL"),
}
WIDTH, HEIGHT = 96, 192
SIZES = {"width": WIDTH, "height": HEIGHT, "steps": 3, "expand": 4}


def save_control(file, xl: bool) -> None:
    """A ControlNet of an untrained UNet's sizes, as ComfyUI's own are written; what it gives is not zero."""
    config = SmallSD(width=64, context_dim=64, xl=xl).unet_config()
    del config["out_channels"]
    network = comfy.cldm.cldm.ControlNet(**config, hint_channels=3, operations=comfy.ops.disable_weight_init)
    save_file(seed_weights(network, 5).state_dict(), file)


@pytest.fixture(params=GRAPHS)
def prompt(request, client, server) -> dict:
    """A graph, small, its checkpoint and prompts ours; all else is as it is drawn."""
    draw, control, layout = GRAPHS[request.param]
    file = server.base / "models" / "controlnet" / control.name
    file.parent.mkdir(exist_ok=True)
    save_control(file, layout == "SDXL")
    info = client.object_info()
    prompt = ui_to_api(draw(info).json(), info)
    checkpoint = node_of(prompt, "CheckpointLoaderSimple")
    texts = [number for number, node in prompt.items() if node["class_type"] == "CLIPTextEncode"]
    for node in prompt.values():
        node["inputs"] |= {name: value for name, value in SIZES.items() if name in node["inputs"]}
        for name, link in node["inputs"].items():
            if isinstance(link, list) and link[0] in texts:
                node["inputs"][name] = ["empty", texts.index(link[0])]
            elif link == [checkpoint, 2]:
                node["inputs"][name] = ["vae", 0]
    for number in texts:
        del prompt[number]
    prompt[checkpoint]["class_type"] = "MannequinLoadTruePoseModel"
    prompt |= {
        "empty": {"class_type": "MannequinConditioning", "inputs": {"model": [checkpoint, 0]}, "_meta": {"title": ""}},
        "vae": {"class_type": "VAELoader", "inputs": {}, "_meta": {"title": ""}},
    }
    yield untrained_instead(prompt, layout=layout)
    file.unlink()


def made(client, prompt: dict) -> np.ndarray:
    """The result's levels."""
    picture = client.images(client.run(prompt), node_of(prompt, "SaveImage"))[0]
    return np.asarray(Image.open(io.BytesIO(picture))).astype(int)


def test_every_part_of_the_graph_is_in_the_picture(client, prompt):
    """And both patches at strength 0 are the plain checkpoint with its ControlNet."""
    whole = made(client, prompt)
    assert whole.shape == (HEIGHT, WIDTH, 3)
    parts = {kind: node_of(prompt, kind) for kind in ("MannequinApplyHPFA", "MannequinApplyCAA")}
    parts["control"] = node_of(prompt, "ControlNetApplyAdvanced")
    for number in parts.values():
        strength, prompt[number]["inputs"]["strength"] = prompt[number]["inputs"]["strength"], 0.0
        assert not np.array_equal(whole, made(client, prompt))
        prompt[number]["inputs"]["strength"] = strength
    for kind in ("MannequinApplyHPFA", "MannequinApplyCAA"):
        prompt[parts[kind]]["inputs"]["strength"] = 0.0
    off = made(client, prompt)
    prompt[node_of(prompt, "KSampler")]["inputs"]["model"] = prompt[parts["MannequinApplyHPFA"]]["inputs"]["model"]
    assert np.array_equal(off, made(client, prompt))


def test_the_photos_and_the_pose_are_in_the_picture(client, prompt):
    whole = made(client, prompt)
    others = {"LoadImage": ("image", "mannequin_portrait.jpg"), "MannequinPoseLibrary": ("pose", "Standing: T-pose")}
    for node in prompt.values():
        if node["class_type"] in others:
            name, other = others[node["class_type"]]
            shared, node["inputs"][name] = node["inputs"][name], other
            assert not np.array_equal(whole, made(client, prompt))
            node["inputs"][name] = shared
