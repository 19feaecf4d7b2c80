"""``training.preprocess`` and ``training.evaluate`` over a cluster by its address, of which something is killed.

Nothing is lost, nothing is there twice, and the figures are those of one process.
"""

import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ray_cluster import Command, RayCluster
from reposedm_files import field_files
from safetensors.torch import save_file
from small_methods import OPTIONS
from training_people import NoisePeople, store

from training import evaluate, preprocess
from training.data.atomic import PARTIAL
from training.data.store import StoredPeople
from training.errors import INTERRUPTED, TrainingError
from training.methods import METHODS
from training.ray_workers import Workers, shared_out
from training.sampling import options_metadata

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Ray has no clusters on Windows")


@pytest.fixture(scope="module")
def cluster():
    """Two nodes."""
    made = RayCluster(2)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _one_thread():
    """As Ray's workers have it: sums of several threads differ in their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def contents(root: Path) -> dict[str, bytes]:
    """What is finished below a folder; workers of a command that was killed may still be writing."""
    files = [path for path in root.rglob("*") if path.is_file() and PARTIAL not in path.parts]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def photos(folder: Path, count: int) -> str:
    """Pictures of noise, two of everybody, as a source."""
    folder.mkdir()
    draws = np.random.default_rng(3)
    for number in range(count):
        pixels = draws.integers(0, 256, (64, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number // 2}_{number}.png")
    return f"folder:{folder},size=128x96"


def encoded(*words: str) -> list[str]:
    """What is computed of them: little, in many units, so that there is always something left to lose."""
    return ["--steps", "latent", "--vae", str(field_files()["decoder"]), "--unit", "1", *words]


def written(root: Path) -> int:
    """How many records a store of one-record units has so far."""
    return len([*root.glob("shard-*.tar"), *root.glob("records/*.json")])


def assert_same_store(root: Path, whole: Path, count: int) -> None:
    assert contents(root) == contents(whole)
    names = StoredPeople(root).names
    assert len(names) == len(set(names)) == count


@pytest.mark.slow
def test_a_worker_is_killed_while_it_computes(cluster, tmp_path):
    source, words = photos(tmp_path / "pictures", 160), encoded("--quiet")
    assert preprocess.main([source, str(tmp_path / "whole"), *words, "--workers", "0"]) == 0
    killed = tmp_path / "killed"
    command = Command(tmp_path / "log", "training.preprocess", source, killed, *words, "--address", cluster.address)
    command.wait_until(lambda: written(killed))
    cluster.kill_worker()
    assert written(killed) < 160
    assert command.status() == 0 and "160 records and is whole; 160 were computed now" in command.said, command.said
    assert_same_store(killed, tmp_path / "whole", 160)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["folder", "shards"])
def test_a_machine_goes_another_comes_and_the_command_is_killed(cluster, tmp_path, format):
    source, words = photos(tmp_path / "pictures", 400), encoded("--format", format)
    assert preprocess.main([source, str(tmp_path / "whole"), *words, "--workers", "0", "--quiet"]) == 0
    killed = tmp_path / "killed"
    line = ("training.preprocess", source, killed, *words, "--address", cluster.address)
    cluster.have(2)
    command = Command(tmp_path / "first", *line)
    command.wait_until(lambda: written(killed) >= 10)
    cluster.kill_node()
    command.wait_until(lambda: written(killed) >= 100)
    assert command.stop(signal.SIGKILL) == -signal.SIGKILL
    there = {name: data for name, data in contents(killed).items() if name.startswith(("shard", "records"))}
    command = Command(tmp_path / "second", *line)
    command.wait_until(lambda: written(killed) >= 200)
    cluster.have(2)
    command.wait_until(lambda: written(killed) >= 220)
    cluster.kill_worker()
    assert written(killed) < 400
    assert command.status() == 0, command.said
    assert "400 records and is whole" in command.said and "; 400 were computed now" not in command.said
    assert there.items() <= contents(killed).items(), "what was there is still there"
    assert_same_store(killed, tmp_path / "whole", 400)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return store(NoisePeople(6), tmp_path_factory.mktemp("evaluated") / "people")


@pytest.fixture(scope="module")
def words(tmp_path_factory, people) -> list[str]:
    """Of a command that asks for a sampler with noise, a baseline, and metrics with networks, of pairs and of sets."""
    from torchvision.models import inception_v3

    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    inception = inception_v3(weights=None, init_weights=False)
    for layer in inception.modules():
        if isinstance(layer, torch.nn.Conv2d):
            # Or nothing of the picture is left after ninety layers.
            torch.nn.init.kaiming_normal_(layer.weight)
    torch.save(inception.state_dict(), folder / "inception_v3_google-generated.pth")
    method = METHODS["truepose"](OPTIONS["truepose"], seed=0)
    tensors, header = method.weights()
    tensors = {key: value.detach().clone() for key, value in tensors.items()}
    save_file(tensors, folder / "model.safetensors", header | options_metadata("truepose", method.options))
    return [
        str(people),
        f"--predictor={folder / 'model.safetensors'}",
        "--predictor=copy",
        f"--autoencoder={field_files()['decoder']}",
        f"--estimator={field_files()['estimator']}",
        f"--inception-weights={folder / 'inception_v3_google-generated.pth'}",
        "--steps=3",
        "--batch=2",
        "--rows=3",
    ]


@pytest.fixture(scope="module")
def alone(tmp_path_factory, words) -> Path:
    """What one process writes."""
    out = tmp_path_factory.mktemp("alone") / "out"
    torch.set_num_threads(1)
    assert evaluate.main([*words, "--out", str(out), "--quiet"]) == 0
    return out


def measured(command: Command) -> int:
    """How many pictures its progress speaks of."""
    return max((int(count) for count in re.findall(r"(\d+)/36 ", command.said)), default=0)


@pytest.mark.slow
def test_a_worker_is_killed_while_it_measures(cluster, words, alone, tmp_path):
    """Figures, and the sheet, are to the bit those of one process."""
    cluster.have(2)
    command = Command(
        tmp_path / "log", "training.evaluate", *words, "--out", tmp_path / "out", "--address", cluster.address
    )
    command.wait_until(lambda: measured(command))
    cluster.kill_worker()
    assert measured(command) < 36
    assert command.status() == 0 and "36/36" in command.said, command.said
    found = contents(tmp_path / "out")
    assert found == contents(alone) and len(found) == 5
    for column in ("fid,", "kid_times_1000,", "pose_ap,", "pose_oks,", "garment_colour,", "pose_found,"):
        assert f",{column}".encode() in found["table.csv"], column
    assert len(set(found["per_pair.csv"].splitlines())) == 1 + 2 * 12


@pytest.mark.slow
def test_an_evaluation_goes_on(cluster, words, alone, tmp_path):
    """After Ctrl-C, after a kill, and without a machine: with a pair at a time to the bit, whatever was kept."""
    out = tmp_path / "out"
    words = [*words, "--batch=1"]
    assert evaluate.main([*words, "--out", str(tmp_path / "single"), "--save-images", "--quiet"]) == 0

    def kept() -> int:
        return len(list(out.rglob("images/*/*.png")))

    cluster.have(2)
    line = ("training.evaluate", *words, "--out", out, "--save-images", "--address", cluster.address)
    command = Command(tmp_path / "first", *line)
    command.wait_until(lambda: kept() >= 3)
    assert command.stop(signal.SIGINT) == INTERRUPTED
    assert "The same command goes on with the pictures made so far" in command.said, command.said
    there = kept()
    assert 3 <= there < 24 and not (out / "table.md").exists()
    command = Command(tmp_path / "second", *line)
    command.wait_until(lambda: kept() > there)
    assert command.stop(signal.SIGKILL) == -signal.SIGKILL
    times = {path: path.stat().st_mtime_ns for path in out.rglob("images/*/*.png")}
    command = Command(tmp_path / "third", *line)
    command.wait_until(lambda: measured(command) >= 2)
    cluster.kill_node()
    assert command.status() == 0, command.said
    assert all(path.stat().st_mtime_ns == time for path, time in times.items()), "what was kept was not made again"
    pictures = {name: data for name, data in contents(out).items() if not name.endswith("made_by.json")}
    single = {name: data for name, data in contents(tmp_path / "single").items() if not name.endswith("made_by.json")}
    assert pictures == single and sum(name.startswith("images/") for name in pictures) == 24


@pytest.mark.slow
def test_on_this_machine_alone(words, alone, tmp_path):
    command = Command(tmp_path / "log", "training.evaluate", *words, "--out", tmp_path / "out", "--workers", "1")
    assert command.status() == 0, command.said
    assert contents(tmp_path / "out") == contents(alone)


@pytest.mark.slow
def test_what_a_worker_finds_wrong_is_said(cluster, people, tmp_path):
    """In the words of one process; a folder without one of the results is found in the middle."""
    results = tmp_path / "results"
    results.mkdir()
    for pair in NoisePeople(6).pairs[:-1]:
        Image.new("RGB", (48, 64)).save(results / f"{pair.source}_to_{pair.target}.png")
    words = (people, f"--predictor=folder:{results}", "--out", tmp_path / "out", "--address", cluster.address)
    command = Command(tmp_path / "log", "training.evaluate", *words, "--quiet")
    assert command.status() == 1
    assert "has no result for the pair p5-v1 → p5-v0" in command.said and "Traceback" not in command.said


@pytest.mark.parametrize("module", [preprocess, evaluate])
def test_without_ray(module, people, tmp_path, capsys, monkeypatch):
    """What to install, or to do without."""
    monkeypatch.setitem(sys.modules, "ray", None)
    words = {
        preprocess: [f"stored:{people}", str(tmp_path / "out"), "--steps", ""],
        evaluate: [str(people), "--predictor=copy", "--out", str(tmp_path / "out")],
    }
    assert module.main([*words[module], "--workers", "2", "--quiet"]) == 1
    assert "pip install 'ray[data]', or give --workers 0" in capsys.readouterr().err


def test_who_gets_what_of_a_cluster():
    nothing, two, gpus = {}, {"CPU": 2.0}, {"CPU": 12.0, "GPU": 3.0}
    assert shared_out(Workers(), two) == (2, 0) and shared_out(Workers(7), two) == (7, 0)
    assert shared_out(Workers(on_gpus=True), gpus) == (3, 1) and shared_out(Workers(2, on_gpus=True), gpus) == (2, 1)
    assert shared_out(Workers(8, on_gpus=True), gpus) == (8, pytest.approx(1 / 3))
    assert shared_out(Workers(), gpus) == (12, 0)
    with pytest.raises(TrainingError, match="no GPU. Give --device cpu"):
        shared_out(Workers(on_gpus=True), two)
    with pytest.raises(TrainingError, match="no processor to work on"):
        shared_out(Workers(4), nothing)
