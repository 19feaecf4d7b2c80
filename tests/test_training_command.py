"""``python dev.py training``: as a newcomer types it, in an environment that sees the packages of this one and no more.

Nothing of the tests' own set-up reaches these processes: what torchvision lacks is declared by the environment.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

import dev
from devtools import environment
from devtools.host import ROOT
from training import preprocess
from training.data.store import StoredPeople
from training.errors import INTERRUPTED
from training.small_clip import NODE_FILE, write_small_clip

#: What the tests are run with, and a newcomer has not.
OURS = ("PYTHONPATH", environment.COMFYUI_VARIABLE, environment.HOST_VARIABLE)
PEOPLE = "synthetic:identities=1,views=4,size=64x48"


# Which module


@pytest.mark.parametrize(
    ("words", "module", "rest"),
    [
        (
            ["preprocess", "folder:x", "out", "--workers", "1"],
            "training.preprocess",
            ["folder:x", "out", "--workers", "1"],
        ),
        (["train", "recipe.yaml", "steps=3"], "training.train", ["recipe.yaml", "steps=3"]),
        (["data.synthetic", "sheet", "out.png"], "training.data.synthetic", ["sheet", "out.png"]),
        (["small_clip", "--help"], "training.small_clip", ["--help"]),
    ],
)
def test_words_are_a_module_and_its_arguments(words, module, rest):
    assert dev.module_and_arguments("training", words) == (module, rest)


@pytest.mark.parametrize(
    ("command", "words", "said"),
    [
        ("training", [], "Which command of training? There is "),
        ("training", ["methods.truepose"], "'methods.truepose' is no command of training. There is "),
        ("training", ["--help"], "'--help' is no command of training. There is "),
        ("bench", ["training"], "'training' is no command of benchmarks. There is "),
    ],
)
def test_other_words_list_what_there_is(command, words, said):
    with pytest.raises(SystemExit) as stopped:
        dev.module_and_arguments(command, words)
    assert str(stopped.value).startswith(said)
    for name in dev.programs(ROOT / dev.COMMANDS[command][0]):
        assert f" {name}" in str(stopped.value)


def test_every_module_with_a_command_line_is_found():
    """And none beside: what has a ``main`` runs by itself."""
    found = dev.programs(ROOT / "training")
    assert {"convert", "data.synthetic", "evaluate", "preprocess", "release", "small_clip", "train"} <= set(found)
    folder = ROOT / "training"
    files = [path.relative_to(folder) for path in folder.rglob("*.py") if "\ndef main(" in path.read_text("utf-8")]
    assert found == sorted(".".join(path.with_suffix("").parts).removesuffix(".__main__") for path in files)


# In an environment


@pytest.fixture(scope="module")
def start(made_home, tmp_path_factory):
    """``start(*words)``: dev.py's training command, begun in a folder of the user's."""
    where = tmp_path_factory.mktemp("where")

    def start(*words: object) -> subprocess.Popen:
        bare = {name: value for name, value in os.environ.items() if name not in OURS}
        return subprocess.Popen(
            [sys.executable, str(ROOT / "dev.py"), "--env", str(made_home), "training", *map(str, words)],
            cwd=where,
            env=bare | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    start.where = where
    return start


@pytest.fixture(scope="module")
def clip(start) -> Path:
    """A small CLIP, made by the command."""
    process = start("small_clip", "clip")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0 and output == "clip\n", errors
    return start.where / "clip"


def test_small_clip_is_the_one_of_this_process(clip, tmp_path):
    write_small_clip(tmp_path)
    ours, theirs = load_file(tmp_path / NODE_FILE), load_file(clip / NODE_FILE)
    assert ours.keys() == theirs.keys() and all(ours[key].equal(theirs[key]) for key in ours)


def test_rays_workers_compute_what_this_process_does(clip, start, tmp_path):
    """CLIP's step imports transformers, and that torchvision, in the worker."""
    process = start("preprocess", PEOPLE, "people", "--steps", "clip", "--clip-vision", "clip", "--workers", 1)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "has 4 records and is whole; 4 were computed now" in output
    words = [PEOPLE, tmp_path / "alone", "--steps", "clip", "--clip-vision", clip, "--workers", 0, "--quiet"]
    assert preprocess.main([str(word) for word in words]) == 0
    ours, theirs = StoredPeople(tmp_path / "alone"), StoredPeople(start.where / "people")
    assert ours.names == theirs.names and len(ours.names) == 4
    for name in ours.names:
        one, other = ours.record(name), theirs.record(name)
        assert (one.image == other.image).all() and one.fields.keys() == other.fields.keys()
        assert one.fields["clip"].any() and (one.fields["clip"] == other.fields["clip"]).all()


def test_the_status_is_the_commands(start):
    process = start("preprocess", "folder:nowhere", "out")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "nowhere" in errors
    process = start("release")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and errors.startswith("usage: python -m training.release")


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C goes to a console's processes")
def test_ctrl_c_reaches_the_command(start):
    """It stops with its own sentence, and what is there is whole."""
    process = start("preprocess", "synthetic:identities=500,views=4,size=64x48", "many", "--steps", "", "--workers", 0)
    while process.poll() is None and not list((start.where / "many").glob("*.tar")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "Stopped. The same command goes on with 'many'" in errors
    assert 0 < len(StoredPeople(start.where / "many", partial=True).names) < 2000
