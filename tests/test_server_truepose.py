"""The shared graphs through a real server: they run, twice the same, with progress, and stop when told to."""

import io
import json
import threading

import numpy as np
import pytest
from PIL import Image

from devtools.client import Client, PromptInterrupted
from devtools.demo import node_of, run_graph
from devtools.host import ROOT

SNAPSHOT = ROOT / "tests" / "object_info.json"
#: Inputs whose choices depend on what is installed.
VOLATILE = {
    ("MannequinLoadTruePose", "weights"),
    ("MannequinLoadTruePoseModel", "weights"),
    ("MannequinLoadSmallCLIPVision", "weights"),
    ("MannequinLoadMCLD", "weights"),
    ("MannequinLoadPCDMsInpainting", "weights"),
    ("MannequinLoadPCDMsRefining", "weights"),
    ("MannequinLoadPCDMsPrior", "weights"),
    ("MannequinLoadDINOv2", "weights"),
    ("MannequinLoadIMAGPose", "weights"),
    ("MannequinLoadCVA", "weights"),
    ("MannequinLoadRePoseDM", "weights"),
    ("MannequinLoadRePoseSD", "weights"),
    ("MannequinLoadPoseEstimator", "weights"),
    ("MannequinLoadDensePose", "weights"),
    ("MannequinLoadParser", "weights"),
    ("MannequinLoadFaceAnalysis", "pack"),
    ("MannequinLoadFaceEmbedding", "face"),
    ("MannequinLoadPose", "saved_pose"),
}


def pixels(client: Client, result, number: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(client.images(result, number)[0])).convert("RGB"))


@pytest.mark.parametrize("name", ["truepose", "style_transfer"])
def test_a_shared_graph_makes_a_picture(client, name):
    prompt, result = run_graph(client, ROOT / "workflows" / f"{name}.json")
    picture = pixels(client, result, node_of(prompt, "SaveImage"))
    assert picture.shape == (128, 96, 3) and picture.std() > 5
    assert {node for node, *_ in result.progress} >= {
        node_of(prompt, "KSampler" if name == "truepose" else "SamplerCustomAdvanced")
    }


def test_the_same_graph_twice_is_the_same_picture_without_the_cache(client):
    first_prompt, first = run_graph(client, ROOT / "workflows" / "truepose.json")
    before = pixels(client, first, node_of(first_prompt, "SaveImage"))
    client.free()
    second = client.run(first_prompt)
    assert np.array_equal(before, pixels(client, second, node_of(first_prompt, "SaveImage")))


def test_another_seed_or_another_source_is_another_picture(client):
    prompt, result = run_graph(client, ROOT / "workflows" / "truepose.json")
    save = node_of(prompt, "SaveImage")
    first = pixels(client, result, save)
    prompt[node_of(prompt, "KSampler")]["inputs"]["seed"] = 1
    assert not np.array_equal(first, pixels(client, client.run(prompt), save))
    prompt[node_of(prompt, "KSampler")]["inputs"]["seed"] = 0
    prompt[node_of(prompt, "LoadImage", "Source")]["inputs"]["image"] = "mannequin_portrait.jpg"
    assert not np.array_equal(first, pixels(client, client.run(prompt), save))


def test_strength_0_is_the_unpatched_picture(client):
    prompt, _ = run_graph(client, ROOT / "workflows" / "truepose.json")
    save, sampler = node_of(prompt, "SaveImage"), node_of(prompt, "KSampler")
    for kind in ("MannequinApplyHPFA", "MannequinApplyCAA", "MannequinApplyPoseEncoder"):
        prompt[node_of(prompt, kind)]["inputs"]["strength"] = 0.0
    off = pixels(client, client.run(prompt), save)
    prompt[sampler]["inputs"]["model"] = [node_of(prompt, "MannequinLoadTruePoseModel"), 0]
    assert np.array_equal(off, pixels(client, client.run(prompt), save))


def test_an_interrupt_in_mid_sampling_stops_and_the_next_prompt_runs(client):
    prompt, result = run_graph(client, ROOT / "workflows" / "truepose.json")
    save, sampler = node_of(prompt, "SaveImage"), node_of(prompt, "KSampler")
    expected, shared = pixels(client, result, save), dict(prompt[sampler]["inputs"])
    prompt[sampler]["inputs"] |= {"steps": 500, "seed": 5}
    once = threading.Event()

    def stop(kind, data):
        if kind == "progress" and data["node"] == sampler and not once.is_set():
            once.set()
            client.interrupt()

    with pytest.raises(PromptInterrupted):
        client.run(prompt, stop)
    assert once.is_set()
    prompt[sampler]["inputs"] |= shared
    client.free()
    assert np.array_equal(expected, pixels(client, client.run(prompt), save))


def test_node_signatures_are_as_committed(client):
    """A changed signature breaks saved graphs: change the snapshot deliberately (README of tests)."""
    ours = {name: entry for name, entry in client.object_info().items() if name.startswith("Mannequin")}
    for node, name in VOLATILE:
        kind, *rest = ours[node]["input"]["required"][name]
        ours[node]["input"]["required"][name] = [
            "COMBO",
            {k: v for k, v in (rest[0] if rest else {}).items() if k != "options"},
        ]
    signatures = {
        name: {key: entry[key] for key in ("input", "input_order", "output", "output_name", "display_name", "category")}
        for name, entry in sorted(ours.items())
    }
    if not SNAPSHOT.exists():
        lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in signatures.items())
        SNAPSHOT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        pytest.fail(f"{SNAPSHOT.name} was missing and has been written; look at it and commit it")
    assert signatures == json.loads(SNAPSHOT.read_text(encoding="utf-8")), (
        f"If the change is meant, delete {SNAPSHOT.name}, run this test and commit what it writes."
    )
