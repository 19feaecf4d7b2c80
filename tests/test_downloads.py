"""What a shared graph loads: it comes with the pack, or is made by the converter, or its front end can download it."""

import json
import re

import pytest
from project import relative

from devtools.downloads import SHA256
from devtools.host import ROOT

GRAPHS = sorted((ROOT / "workflows").glob("*.json"))
#: The host's model folder that each loader of a downloaded file reads.
FOLDERS = {
    "CheckpointLoaderSimple": "checkpoints",
    "CLIPVisionLoader": "clip_vision",
    "ControlNetLoader": "controlnet",
    "MannequinLoadDensePose": "mannequin",
    "MannequinLoadDINOv2": "clip_vision",
    "VAELoader": "vae",
}
WEIGHTS = re.compile(r"[\w.-]+\.(?:safetensors|torchscript|ckpt|onnx)")
#: Made once from published files, which nobody offers in this form.
CONVERTED = re.compile(r"(mcld|imagpose|higherhrnet|pcdms_\w+)\.safetensors")


def loaders(path) -> list[tuple[dict, str]]:
    """Nodes of a graph that load a weight file, and the file's name."""
    nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
    values = [(node, str((node.get("widgets_values") or [""])[0])) for node in nodes]
    return [(node, name) for node, name in values if WEIGHTS.fullmatch(name)]


def models(node: dict) -> list[dict]:
    return node["properties"].get("models", [])


@pytest.mark.parametrize("path", GRAPHS, ids=relative)
def test_every_file_of_a_graph_can_be_had(path):
    bundled = {file.name for file in (ROOT / "weights").rglob("*.safetensors")}
    for node, name in loaders(path):
        if name in bundled or CONVERTED.fullmatch(name):
            assert not models(node), f"{name} is not to be downloaded"
            continue
        (offered,) = models(node)
        assert offered["name"] == name and offered["directory"] == FOLDERS[node["type"]]
        hub, file = re.fullmatch(
            r"https://huggingface\.co/([\w.-]+/[\w.-]+)/resolve/main/(.+)", offered["url"]
        ).groups()
        assert (offered["hash"], offered["hash_type"]) == (SHA256[f"{hub}/{file}"], "SHA256")


def test_a_name_is_one_file_in_every_graph():
    """And no sum is kept of a file that no graph has."""
    offered = [entry for path in GRAPHS for node, _ in loaders(path) for entry in models(node)]
    assert len({entry["name"] for entry in offered}) == len({entry["url"] for entry in offered}) == len(SHA256)
    assert {entry["hash"] for entry in offered} == {*SHA256.values()}
    assert all(re.fullmatch(r"[0-9a-f]{64}", sum) for sum in SHA256.values())
