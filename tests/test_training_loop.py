"""The trainer: the same run whatever stops it, and whoever shares it."""

import csv
from pathlib import Path

import pytest
from safetensors.torch import load_file
from small_methods import RUNS, recipe
from training_people import NoisePeople

from training.draws import Draws
from training.examples import collate
from training.loop import Run
from training.recipe import Optimiser
from training.sampling import WEIGHTS

pytestmark = pytest.mark.usefixtures("with_gradients")


def difference(one: Path, other: Path) -> float:
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[key] - theirs[key]).abs().max()) for key in ours)


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / "log.csv").open())]


@pytest.mark.parametrize(("method", "people", "changes"), RUNS.values(), ids=RUNS)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, method, people, changes):
    whole = Run(recipe(tmp_path / "whole", method, **changes), people()).train()

    class Stopped(Exception):
        pass

    stopping = Run(recipe(tmp_path / "stopped", method, **changes), people())
    update, done = stopping._update, []

    def stop_in_the_third(*arguments):
        done.append(1)
        if len(done) == 3:
            raise Stopped
        return update(*arguments)

    stopping._update = stop_in_the_third
    with pytest.raises(Stopped):
        stopping.train()
    assert not (tmp_path / "stopped" / WEIGHTS).exists()
    resumed = Run(recipe(tmp_path / "stopped", method, **changes), people())
    assert resumed.step == 2
    assert difference(whole, resumed.train()) == 0.0
    logs = [list(csv.DictReader((tmp_path / name / "log.csv").open())) for name in ("whole", "stopped")]
    for rows in logs:
        assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]]


def test_micro_batches_are_one_batch(tmp_path):
    """The same losses; weights differ by what AdamW makes of rounding in gradients near zero."""
    for name, changes in {"whole": {}, "parts": {"accumulate": 2}, "other": {"seed": 1}}.items():
        Run(recipe(tmp_path / name, **changes), NoisePeople()).train()
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), abs=1e-4)
    assert losses(tmp_path / "other") != pytest.approx(losses(tmp_path / "whole"), abs=1e-2)


def test_it_learns(tmp_path):
    """One pair over and over: the loss falls to a fraction."""
    run = Run(
        recipe(tmp_path, steps=60, ema=0.0, optimiser=Optimiser(learning_rate=3e-3), checkpoint_every=0), NoisePeople(1)
    )
    run.train()
    curve = losses(tmp_path)
    assert sum(curve[-10:]) < 0.6 * sum(curve[:10])


def test_reference_layers_without_gradient_are_frozen(tmp_path):
    for method in ("truepose", "mcld"):
        run = Run(recipe(tmp_path / method, method), NoisePeople())
        batch = collate([run.examples[number] for number in range(4)])
        numbers = batch.pop("number").tolist()
        sum(run.bare(batch, Draws(0, numbers, 0)).values()).backward()
        idle = [name for name, p in run.bare.named_parameters() if p.requires_grad and p.grad is None]
        assert idle == []
