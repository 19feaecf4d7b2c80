"""Training as a command: several processes are one, and a killed run is an uninterrupted one."""

import csv
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from pydantic import TypeAdapter
from safetensors.torch import load_file
from small_methods import RUNS
from small_methods import recipe as small_recipe
from training_people import REGION_DIM, NoisePeople, store

from devtools.host import ROOT
from training import checkpoints, processes
from training.errors import TrainingError

Command = Callable[..., list[str]]

STEPS = 6
#: What is of a process's own pictures, and how far losses may be off by it: batch normalisation, the moments of the
#: autoencoder's latents, and in so small batches the correspondence's mean over the tokens that have a place.
OWN_PICTURES = {"estimator": 2e-2, "autoencoder": 2e-2, "imagpose": 5e-3}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    content = {
        "method": "truepose",
        "options": {
            "base": {"widths": [32, 32], "attends": [True, False], "layers": 1, "context_dim": REGION_DIM},
            "region_dim": REGION_DIM,
        },
        "data": {"people": str(store(NoisePeople(), folder / "people"))},
        "out": str(folder / "run"),
        "steps": STEPS,
        "batch": 4,
        "optimiser": {"learning_rate": 0.001},
        "log_every": 1,
        "checkpoint_every": 1,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def command(recipe, made_python) -> Command:
    """``command(out, …)``: what trains by the recipe."""

    def command(out: Path, *words: str) -> list[str]:
        return [made_python, "-m", "training.train", str(recipe), f"out={out}", *words]

    return command


def variables() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}


def losses(out: Path) -> list[float]:
    rows = list(csv.DictReader((out / "log.csv").open()))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    return [float(row["loss"]) for row in rows]


@pytest.fixture(scope="module")
def whole(command, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    subprocess.run(command(out), check=True, env=variables())
    return out


def test_two_processes_are_one_with_the_summed_batch(command, whole, tmp_path):
    """Losses agree to 1e-3 of themselves; what differs is the order in which gradients are summed."""
    done = subprocess.run(
        command(tmp_path, "--processes", "2"), check=True, env=variables(), capture_output=True, text=True
    )
    assert done.stdout == f"{tmp_path / 'weights.safetensors'}\n"
    assert losses(tmp_path) == pytest.approx(losses(whole), rel=1e-3)
    # Each has left where its random numbers stand.
    states = [path.name for path in checkpoints.latest(tmp_path).glob("random_states_*")]
    assert sorted(states) == ["random_states_0.pkl", "random_states_1.pkl"]


@pytest.mark.slow
def test_two_machines_are_one_with_the_summed_batch(command, whole, tmp_path):
    """As training/CLUSTER.md starts them, by accelerate's launcher, here both on this machine and without GPUs."""
    python, *training = command(tmp_path / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--multi_gpu", "--num_machines=2", "--num_processes=2", "--main_process_ip=127.0.0.1"]
    words += [f"--main_process_port={port}", "--mixed_precision=no", "--dynamo_backend=no"]
    launch = [python, "-m", "accelerate.commands.launch", *words]
    machines = [
        subprocess.Popen(
            [*launch, f"--machine_rank={rank}", *training], env=variables() | {processes.ON_PROCESSORS: "true"}
        )
        for rank in range(2)
    ]
    assert [machine.wait(600) for machine in machines] == [0, 0]
    assert losses(tmp_path / "out") == pytest.approx(losses(whole), rel=1e-3)
    states = [path.name for path in checkpoints.latest(tmp_path / "out").glob("random_states_*")]
    assert sorted(states) == ["random_states_0.pkl", "random_states_1.pkl"]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "people", "changes"), RUNS.values(), ids=RUNS)
def test_of_every_method_two_processes_are_one(made_python, tmp_path, method, people, changes):
    """As above."""
    wanted = small_recipe(tmp_path / "one", method, **changes | {"steps": STEPS, "ema": 0.0})
    content = TypeAdapter(type(wanted)).dump_python(wanted, mode="json", exclude_none=True)
    content["options"] = TypeAdapter(type(wanted.options)).dump_python(wanted.options, mode="json")
    content["data"]["people"] = str(store(people(), tmp_path / "people"))
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    for name, words in (("one", ()), ("two", ("--processes", "2"))):
        run = [made_python, "-m", "training.train", str(path), f"out={tmp_path / name}", *words]
        subprocess.run(run, check=True, env=variables())
    off = OWN_PICTURES.get(method, 1e-3)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=off)
    assert len(set(losses(tmp_path / "one"))) == STEPS, "every step has pairs and noise of its own"


def test_what_is_wrong_is_said_once(command, tmp_path):
    """Not by every process."""
    words = command(tmp_path, "--processes", "2", "batch=5")
    done = subprocess.run(words, env=variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "5 sources of a batch cannot be shared by 2 processes in 1 parts. Choose a multiple of 2.\n"


def test_the_status_is_that_of_the_process_that_failed(made_python):
    program = "from training.processes import launch; raise SystemExit(launch('json.tool', ['--no-such'], 2))"
    done = subprocess.run([made_python, "-c", program], env=variables(), capture_output=True, check=False)
    assert done.returncode == 2 and b"--no-such" in done.stderr


def test_processes_without_gpus_of_their_own_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.delenv(processes.ON_PROCESSORS, raising=False)
    with pytest.raises(
        TrainingError, match="^2 processes need a GPU each, and this machine has 1. Give --processes 1,"
    ):
        processes.launch("training.train", [], 2)


def kill_and_resume(command: Command, out: Path, moments: list[float]) -> int:
    """Start the run again and again, killed after so many seconds each, then let it end; how many were killed."""
    killed = 0
    for moment in moments:
        process = subprocess.Popen(command(out), env=variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
    subprocess.run(command(out), check=True, env=variables())
    return killed


def assert_same(out: Path, whole: Path) -> None:
    ours, theirs = (load_file(folder / "weights.safetensors") for folder in (out, whole))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert losses(out) == losses(whole)


@pytest.mark.parametrize("words", [(), pytest.param(("--processes", "2"), marks=pytest.mark.slow)])
def test_ctrl_c_ends_with_a_checkpoint(command, tmp_path, words):
    process = subprocess.Popen(
        command(tmp_path, *words, "checkpoint_every=0", "steps=10000"),
        env=variables(),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "log.csv").exists() or len((tmp_path / "log.csv").read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.count("goes on from here") == 1
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_lost(command, whole, tmp_path):
    """Twenty kills, from the first import on to the middle of a checkpoint."""
    begun = time.monotonic()
    subprocess.run(command(tmp_path / "timed"), check=True, env=variables())
    lasts = time.monotonic() - begun
    draw = random.Random(0)
    killed = 0
    for run in range(5):
        moments = sorted(draw.uniform(0.4, 1.0) * lasts for _ in range(4))
        killed += kill_and_resume(command, tmp_path / str(run), moments)
        assert_same(tmp_path / str(run), whole)
    assert killed >= 10
