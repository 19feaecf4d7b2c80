"""IMAGPose's scenarios as predictors: which pictures each of them sees, and that none sees what it is to make."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from imagpose_models import made, with_steps, write_vae
from safetensors.torch import save_file
from small_methods import OPTIONS
from training_people import NoisePeople, NoiseViews, store

from training.autoencoders import load_autoencoder
from training.errors import TrainingError
from training.evaluation.chosen import open_predictor
from training.evaluation.protocols import PROTOCOLS
from training.imagpose import SCENARIOS, IMAGPoseScenario
from training.methods.truepose import TruePose
from training.preprocessing.step import Setup
from training.sampling import Trained, options_metadata

STEPS = 2


@pytest.fixture(scope="module")
def vae(tmp_path_factory) -> Path:
    return write_vae(tmp_path_factory.mktemp("vae") / "vae.safetensors")


class Changed(NoiseViews):
    """The same people, but for one thing of some pictures."""

    def __init__(self, names: tuple[str, ...], what: str) -> None:
        super().__init__()
        self.changed, self.what = names, what

    def record(self, name: str):
        record = super().record(name)
        if name not in self.changed:
            return record
        if self.what == "image":
            return replace(record, image=255 - record.image)
        return replace(record, fields=record.fields | {self.what: record.fields[self.what][::-1].copy()})


def shown(vae: Path, scenario: str, people=None, method=None, **options) -> np.ndarray:
    """What is made of one pair."""
    people = people or NoiseViews()
    predictor = IMAGPoseScenario(method or made().eval(), load_autoencoder(vae), people, scenario, STEPS, **options)
    return predictor.predict([(people.record("p0-v0"), people.record("p1-v1"))])[0]


#: Of the pair's person.
OTHERS = ("p0-v1", "p1-v0")


@pytest.mark.parametrize(
    ("scenario", "sees"),
    [
        ("T1", {"source"}),
        ("T2", {"source"}),
        ("T3", {"source", "other pictures", "other poses"}),
        ("several", {"source", "other poses"}),
    ],
)
def test_what_each_scenario_sees(vae, scenario, sees):
    """In a plain autoencoder's pictures a change anywhere shows."""
    changes = {
        "source": Changed(("p0-v0",), "image"),
        "target": Changed(("p1-v1",), "image"),
        "other pictures": Changed(OTHERS, "image"),
        "other poses": Changed(OTHERS, "keypoints"),
    }
    plain = shown(vae, scenario)
    assert plain.shape == (64, 48, 3) and plain.dtype == np.uint8
    assert {what for what, people in changes.items() if not np.array_equal(plain, shown(vae, scenario, people))} == sees


def test_scenarios_differ(vae):
    pictures = [shown(vae, scenario).tobytes() for scenario in SCENARIOS]
    assert len(set(pictures)) == len(SCENARIOS)


def test_the_first_is_what_weights_alone_are(vae):
    """With latents that were computed before, as training has them."""
    people = with_steps(["latent", "views_latent", "large_latent"], Setup(vae=vae))
    trained = Trained("x", made().eval(), load_autoencoder(vae), STEPS)
    (ours,) = trained.predict([(people.record("p0-v0"), people.record("p1-v1"))])
    assert int(np.abs(ours.astype(int) - shown(vae, "T1").astype(int)).max()) <= 1


@pytest.mark.parametrize("scenario", ["T3", "several"])
def test_a_pairs_picture_does_not_depend_on_the_others(vae, scenario):
    people = NoiseViews()
    pairs = [(people.record(source), people.record(target)) for source, target in people.pairs[:3]]
    predictor = IMAGPoseScenario(made().eval(), load_autoencoder(vae), people, scenario, STEPS)
    together, alone = predictor.predict(pairs), [predictor.predict([pair])[0] for pair in pairs]
    assert max(int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in zip(together, alone, strict=True)) <= 1


def test_who_has_no_other_pictures_is_shown_with_what_there_is(vae):
    """Two pictures a person: T3 is T2, and several poses are T1."""
    people = NoisePeople()
    made_of = {
        scenario: IMAGPoseScenario(made().eval(), load_autoencoder(vae), people, scenario, STEPS).predict(
            [(people.record("p0-v0"), people.record("p0-v1"))]
        )[0]
        for scenario in SCENARIOS
    }
    assert np.array_equal(made_of["T3"], made_of["T2"]) and np.array_equal(made_of["several"], made_of["T1"])


def test_views_along_the_batch_take_several_poses_and_one_source(vae):
    options = {"views": "batch", "image": False, "texture": False}
    one, several = (shown(vae, scenario, method=made(**options).eval()) for scenario in ("T1", "several"))
    assert not np.array_equal(one, several)
    with pytest.raises(TrainingError, match="sees one: T1, or several"):
        shown(vae, "T3", method=made(**options).eval())


def test_the_command_knows_them(vae, tmp_path):
    file, other = tmp_path / "imagpose.safetensors", tmp_path / "truepose.safetensors"
    written(file, made())
    with torch.inference_mode(False):
        written(other, TruePose(OPTIONS["truepose"], 0))
    options = Namespace(
        store=str(store(NoiseViews(), tmp_path / "store")),
        autoencoder=vae,
        pattern=None,
        batch=2,
        seed=0,
        guidance=None,
    )
    predictor = open_predictor(f"imagpose:{file},T2", options, PROTOCOLS["cfld"], STEPS)
    assert (predictor.name, predictor.steps, predictor.batch) == ("IMAGPose, T2", STEPS, 2)
    people = NoiseViews()
    assert np.array_equal(predictor.predict([(people.record("p0-v0"), people.record("p1-v1"))])[0], shown(vae, "T2"))
    with pytest.raises(TrainingError, match="'T4' is no scenario of IMAGPose, which are: T1, T2, T3, several"):
        open_predictor(f"imagpose:{file},T4", options, PROTOCOLS["cfld"])
    with pytest.raises(TrainingError, match="is of truepose, and IMAGPose's weights are needed"):
        open_predictor(f"imagpose:{other},T1", options, PROTOCOLS["cfld"])


def written(file: Path, method) -> None:
    """As a run leaves it."""
    tensors, header = method.weights()
    tensors = {key: value.detach().clone() for key, value in tensors.items()}
    save_file(tensors, file, header | options_metadata(method.name, method.options))
