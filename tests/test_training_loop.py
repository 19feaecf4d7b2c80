"""The trainer: the same run whatever stops it, and whoever shares it."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from reposedm_files import field_files
from safetensors.torch import load_file
from small_words import words_folder
from training_people import DINO_DIM, FACE_DIM, REGION_DIM, NoisePeople, NoiseViews, SpokenPeople

from devtools import untrained
from model_patches.networks.map_former import GLOBAL
from model_patches.networks.prior import PriorShape
from model_patches.networks.resampler import ResamplerShape
from training.crowds import Crowd
from training.draws import Draws
from training.examples import collate
from training.loop import Run
from training.methods.autoencoder import AutoencoderOptions
from training.methods.diffusion import SmallUNet
from training.methods.estimator import EstimatorOptions
from training.methods.imagpose_options import IMAGPoseOptions
from training.methods.mcld import MCLDOptions
from training.methods.pcdms_inpainting import PCDMsInpaintingOptions
from training.methods.pcdms_prior import PCDMsPriorOptions
from training.methods.pcdms_stage import PCDMsStageOptions
from training.methods.reposedm import RePoseDMOptions
from training.methods.reposesd import RePoseSDOptions
from training.methods.truepose import TruePoseOptions
from training.recipe import Data, Optimiser, Recipe
from training.sampling import WEIGHTS

UNET = SmallUNet((32, 32), (True, False), 1, REGION_DIM)
FACE = ResamplerShape(FACE_DIM, 32, 32, 4, 1, 4, 64, REGION_DIM)
STAGE = {"base": UNET, "dino_dim": DINO_DIM, "hidden": 16, "correspondence": 0.3, "background": 0.5}
ALIGNED = {
    "base": UNET,
    "background": 0.5,
    "correspondence": 0.3,
    "flow": 0.1,
    "field": 0.3,
    "rule": "relative",
    "features": 8,
    "hidden": 8,
    "radius": 1,
    "regions": (GLOBAL, 3),
    "octaves": 1,
}
OPTIONS = {
    "autoencoder": AutoencoderOptions(crop=(32, 16)),
    "estimator": EstimatorOptions(shape=untrained.SMALL_ESTIMATOR, crowd=Crowd((64, 64), 2)),
    "truepose": TruePoseOptions(base=UNET, region_dim=REGION_DIM),
    "mcld": MCLDOptions(base=UNET, face_projector=FACE, pose_widths=(8, 8, 8, 16)),
    "pcdms_prior": PCDMsPriorOptions(PriorShape(REGION_DIM, 32, 2, 1, 36, 16, 16), 0.0, 1.0),
    "pcdms_inpainting": PCDMsInpaintingOptions(**STAGE, pose_widths=(8, 8, 8, 16)),
    "pcdms_refining": PCDMsStageOptions(**STAGE),
    "reposedm": RePoseDMOptions(**ALIGNED, **field_files()),
    "reposesd": RePoseSDOptions(
        base=UNET, generation=1, text=words_folder(REGION_DIM), field=0.5, rule="Eq. 14", **field_files()
    ),
    "imagpose": IMAGPoseOptions(
        base=UNET,
        dino_dim=DINO_DIM,
        patch=4,
        pose_widths=(8, 8, 8, 16),
        drop_both=0.1,
        background=0.5,
        correspondence=0.3,
    ),
}
#: Four views of a person.
VIEWS = {"data": Data(people=Path("unused"), targets=3, drawn=True), "batch": 6}


@pytest.fixture(autouse=True)
def with_gradients():
    with torch.inference_mode(False), torch.enable_grad():
        yield


def recipe(out: Path, method: str = "truepose", **changes) -> Recipe:
    begun = Recipe(
        method=method,
        data=Data(people=Path("unused")),
        out=out,
        steps=4,
        batch=4,
        options=OPTIONS[method],
        optimiser=Optimiser(learning_rate=1e-3, warmup=2, decay="cosine"),
        ema=0.9,
        log_every=1,
        checkpoint_every=2,
    )
    return replace(begun, **changes)


def difference(one: Path, other: Path) -> float:
    ours, theirs = load_file(one), load_file(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[key] - theirs[key]).abs().max()) for key in ours)


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in csv.DictReader((folder / "log.csv").open())]


#: A run's method, people, and what its recipe changes.
RUNS = {
    **{method: (method, NoisePeople, {}) for method in OPTIONS if method not in ("imagpose", "reposesd")},
    "imagpose": ("imagpose", NoiseViews, VIEWS),
    "reposesd": ("reposesd", SpokenPeople, {}),
    "muon, three targets a source": (
        "truepose",
        NoiseViews,
        {
            "data": Data(people=Path("unused"), targets=3),
            "batch": 6,
            "optimiser": Optimiser(learning_rate=1e-3, muon=True, warmup=2, decay="cosine"),
        },
    ),
}


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
