"""The shared graphs as programs queue them, and the program beside them that does."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devtools.client import Client
from devtools.demo import node_of, run_graph
from devtools.draw_workflows import API, WORKFLOWS
from devtools.graph_format import ui_to_api

GRAPHS = sorted(path.name for path in WORKFLOWS.glob("*.json"))


def run(url: str, folder: Path, *words: str) -> subprocess.CompletedProcess:
    """``run.py`` as in a terminal that stands in ``folder``."""
    variables = os.environ | {"COMFYUI": url, "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, str(API / "run.py"), *words]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=300)


def test_every_graph_is_there_in_both_forms():
    assert GRAPHS and GRAPHS == sorted(path.name for path in API.glob("*.json"))


@pytest.mark.parametrize("name", GRAPHS)
def test_both_forms_are_one_graph(client: Client, name: str):
    shared, queued = (json.loads((folder / name).read_text(encoding="utf-8")) for folder in (WORKFLOWS, API))
    assert ui_to_api(shared, client.object_info()) == queued


def test_the_program_makes_the_graphs_picture_of_other_photos(client: Client, tmp_path: Path):
    """And the very pixels of the same graph in the front end's form, where nothing is changed."""
    graph = WORKFLOWS / "truepose.json"
    prompt, result = run_graph(client, graph)
    expected = Image.open(io.BytesIO(client.images(result, node_of(prompt, "SaveImage"))[0]))
    # The server makes nothing twice that nothing was changed of.
    plain = run(client.url, tmp_path, str(API / graph.name), "Result.filename_prefix=by_program")
    assert plain.returncode == 0 and plain.stdout.startswith("by_program"), plain.stderr
    picture = Image.open(tmp_path / plain.stdout.strip())
    assert np.array_equal(np.asarray(picture), np.asarray(expected))

    photo = tmp_path / "mine ü.png"
    Image.open(WORKFLOWS / "inputs" / "mannequin_demo_reference.png").save(photo)
    other = run(client.url, tmp_path, str(API / graph.name), f"Source.image={photo}", "KSampler.steps=3")
    assert other.returncode == 0, other.stderr
    assert not np.array_equal(np.asarray(Image.open(tmp_path / other.stdout.strip())), np.asarray(expected))


@pytest.mark.parametrize(
    "words, said",
    [
        (["Nobody.image=x"], "No node 'Nobody' has an input 'image'. There is "),
        (["Source.image=nowhere.png"], "Invalid image file: nowhere.png"),
        (["KSampler.steps=0"], "Value 0 smaller than min of 1"),
    ],
)
def test_what_is_wrong_is_said(client: Client, tmp_path: Path, words: list[str], said: str):
    ended = run(client.url, tmp_path, str(API / "truepose.json"), *words)
    assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_same_again_is_said(client: Client, tmp_path: Path):
    words = [str(API / "truepose.json"), "KSampler.steps=2"]
    assert run(client.url, tmp_path, *words).returncode == 0
    again = run(client.url, tmp_path, *words)
    assert again.returncode == 1 and "has made these very pictures before" in again.stderr


def test_what_fails_in_a_node_is_said(client: Client, tmp_path: Path):
    """A photo of nobody."""
    photo = tmp_path / "grey.png"
    Image.new("RGB", (96, 128), "grey").save(photo)
    ended = run(client.url, tmp_path, str(API / "truepose.json"), f"Target pose.image={photo}")
    assert ended.returncode == 1 and "Detect Pose" in ended.stderr and "Traceback" not in ended.stderr
