"""The graphs of the preprocessors and of MCLD in a real server, with small networks in the users' file formats."""

import io

import numpy as np
import pytest
import torch
from generated import densepose_file, pack
from PIL import Image
from rewiring import untrained_instead
from safetensors.torch import save_file

from devtools import untrained
from devtools.client import PromptFailed
from devtools.demo import node_of, read_graph
from devtools.draw_mcld import DENSEPOSE, WEIGHTS
from devtools.host import ROOT

GRAPHS = {name: ROOT / "workflows" / f"{name}.json" for name in ("mcld", "mcld_garment_swap", "mcld_identity_swap")}
PREPROCESS = ROOT / "workflows" / "preprocess.json"


@pytest.fixture(scope="module")
def models(server):
    """What the graphs load, in the server's models folder."""
    pytest.importorskip("insightface")
    folder = server.base / "models"
    with torch.inference_mode():
        state, metadata = untrained.mcld_state()
    save_file(state, folder / "mannequin" / WEIGHTS, metadata)
    densepose_file(folder / "mannequin", name=DENSEPOSE)
    pack(folder / "insightface" / "models" / "antelopev2")
    return folder


def small(prompt: dict, steps: int = 2, side: int = 256) -> dict:
    """The graph with a small VAE and image encoder in the place of those a user downloads, small and in few steps."""
    untrained_instead(prompt, width=32)
    for node in prompt.values():
        if node["class_type"] == "KSampler":
            node["inputs"]["steps"] = steps
        if node["class_type"] in ("MannequinFitImage", "EmptyLatentImage"):
            node["inputs"] |= {"width": side, "height": side}
    return prompt


def picture(client, result, number: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(client.images(result, number)[0])).convert("RGB"))


@pytest.mark.parametrize("name", GRAPHS)
def test_mcld_makes_a_picture(client, models, name):
    prompt = small(read_graph(client, GRAPHS[name]))
    result = client.run(prompt)
    made = picture(client, result, node_of(prompt, "SaveImage"))
    assert made.shape == (350, 175, 3), "at the target photo's size"
    assert made.std() > 5


def test_the_demo_weights_put_somebody_into_the_pose(client):
    """The small graph as it is shared: what stands where the target's DensePose does is no background."""
    prompt = read_graph(client, ROOT / "workflows" / "mcld_demo.json")
    made = picture(client, client.run(prompt), node_of(prompt, "SaveImage")).astype(float)
    surface = np.asarray(Image.open(ROOT / "workflows" / "inputs" / "mannequin_demo_pose_iuv.png"))[..., 0] > 0
    assert made.shape[:2] == surface.shape
    background = np.median(made[~surface], axis=0)
    distance = np.abs(made - background).mean(-1)
    assert distance[surface].mean() > 3 * distance[~surface].mean()


def test_every_condition_counts(client, models):
    """Another texture, face, pose or photo is another picture; the null condition's strength matters."""
    prompt = small(read_graph(client, GRAPHS["mcld"]))
    save = node_of(prompt, "SaveImage")
    base = picture(client, client.run(prompt), save)
    for kind, change in {
        "MannequinApplyReference": {"strength": 0.0},
        "MannequinApplyMFCA": {"lambda_face": 0.0},
        "MannequinApplyPoseGuider": {"strength": 0.0},
        "MannequinTextureMap": {"paint": "off"},
        "KSampler": {"cfg": 1.0},
    }.items():
        inputs = prompt[node_of(prompt, kind)]["inputs"]
        kept = dict(inputs)
        inputs |= change
        assert not np.array_equal(base, picture(client, client.run(prompt), save)), kind
        inputs.update(kept)
    assert np.array_equal(base, picture(client, client.run(prompt), save))


def test_it_does_without_a_face(client, models):
    prompt = small(read_graph(client, GRAPHS["mcld"]))
    del prompt[node_of(prompt, "MannequinMCLDConditioning")]["inputs"]["face"]
    del prompt[node_of(prompt, "MannequinEmbedFace")]
    assert picture(client, client.run(prompt), node_of(prompt, "SaveImage")).std() > 5


def test_the_wrong_file_is_said(client, models):
    prompt = small(read_graph(client, GRAPHS["mcld"]))
    save_file({"hpfa.input_1_0.to_k.weight": torch.zeros(2, 2)}, models / "mannequin" / "other.safetensors")
    prompt[node_of(prompt, "MannequinLoadMCLD")]["inputs"]["weights"] = "other.safetensors"
    with pytest.raises(PromptFailed) as failure:
        client.run(prompt)
    assert "Load MCLD: 'other.safetensors' is TruePose weights" in failure.value.message


def test_every_condition_of_a_photo(client, models):
    prompt = read_graph(client, PREPROCESS)
    result = client.run(prompt)
    shown = {
        node["_meta"]["title"]: picture(client, result, number)
        for number, node in prompt.items()
        if node["class_type"] in ("PreviewImage", "MannequinPreviewParsing")
    }
    assert len(shown) >= 9
    for title, pixels in shown.items():
        assert pixels.std() > 1, f"{title} is blank"
    assert shown["Texture map"].shape == (512, 512, 3)
    assert shown["Keypoints"].shape == (704, 352, 3)
    saved = list((models.parent / "output").rglob("face_*.safetensors"))
    assert saved, "the face's vector was saved"
