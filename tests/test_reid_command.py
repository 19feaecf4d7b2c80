"""Re-identification's command from end to end, its data and its table."""

import csv
import itertools
import json

import numpy as np
import pytest
import torch
from small_reid import coloured

from devtools.host import ROOT
from training.data.records import Record
from training.data.sources import open_people
from training.data.store import StoredPeople, begin, files_of, left_to_do
from training.errors import TrainingError
from training.reid.__main__ import main
from training.reid.pictures import Pictures, camera_of, read_pictures
from training.reid.run import BotRun
from training.reid.table import ALONE, Outcome, markdown, over_seeds

pytestmark = pytest.mark.usefixtures("with_gradients")


def test_who_took_a_picture_is_in_its_name():
    assert [camera_of(name) for name in ("0002_c6s1_000451_03", "-1_c3s1_1_0", "train000001-c12-v0")] == [6, 3, 12]
    assert camera_of("a-c1-v0-as-b-c2-v1") == 1, "a synthesised picture is its source's camera's"
    with pytest.raises(TrainingError, match="'holiday' does not say which camera"):
        camera_of("holiday")


@pytest.mark.filterwarnings("ignore")
def test_synthetic_people_are_watched():
    pytest.importorskip("anny")
    options = "identities=2,cameras=2,views=1,size=64x32"
    train, query, gallery = (open_people(f"watched:split={split},{options}") for split in ("train", "query", "gallery"))
    assert train.names[:2] == ["train000000-c1-v0", "train000000-c2-v0"] and len(train.pairs) == 4
    assert query.names == [name.replace("-v0", "-q") for name in gallery.names]
    record = train.record(train.names[1])
    assert np.array_equal(open_people(f"watched:split=train,{options}").record(train.names[1]).image, record.image)
    assert record.image.shape == (64, 32, 3) and record.fields["parsing"].any()
    assert record.identity == record.outfit == "train000000"
    one, other = (people.record(people.names[0]) for people in (query, gallery))
    assert one.identity == other.identity == "test000000" and not np.array_equal(one.image, other.image)
    with pytest.raises(TrainingError, match="give 2 or more"):
        open_people("watched:cameras=1")
    with pytest.raises(TrainingError, match="no split 'test'"):
        open_people("watched:split=test")


def stored(folder, pictures: Pictures):
    """As ``training.preprocess`` would store them."""

    class People:
        names, pairs = pictures.names, ()

        def record(self, name: str) -> Record:
            place = self.names.index(name)
            return Record(name, pictures.people[place], pictures.people[place], pictures.images[place])

    begin(folder, People(), {}, "shards", 64)
    for unit in left_to_do(folder, pictures.names, "shards", 64):
        files_of(folder, "shards").write(unit.number, [People().record(name) for name in unit.names])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three stores of few people."""
    folder = tmp_path_factory.mktemp("reid")
    stored(folder / "train", coloured(6, 2, 3))
    stored(folder / "query", coloured(4, 2, 1, first=200, seed=1))
    stored(folder / "gallery", coloured(4, 2, 2, first=200))
    return folder


FAST = ["network=small:4", "size=[32,16]", "epochs=2", "epoch_steps=2", "people=4", "each=2"]


def run(data, out, *words: str) -> int:
    return main([str(data), *FAST, "--out", str(out), "--quiet", "--device", "cpu", *words])


def test_the_command_writes_the_table_and_does_nothing_twice(data, tmp_path, capsys, monkeypatch):
    words = ["--shares", "100,50", "--seeds", "2", "--synthesised", "4", "--predictor", "copy", "--name", "copies"]
    assert run(data, tmp_path, *words) == 0
    text = capsys.readouterr().out
    assert text == (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| Rank-1, % ↑ | real pictures | synthesised | real alone | copies | difference |" in text
    assert "| 50 % real | 18 |" in text and "8 trainings of BoT" in text
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text(encoding="utf-8").splitlines()))
    assert len(lines) == 8 and {line["steps"] for line in lines} == {"4"}
    assert [line["synthesised"] for line in lines if line["training"] == ALONE] == ["0"] * 4
    made = StoredPeople(tmp_path / "synthesised" / "copies" / "100-0")
    assert len(made.names) == 24
    source = StoredPeople(data / "train").record(made.names[0].split("-as-")[0])
    assert np.array_equal(made.record(made.names[0]).image, source.image)
    assert made.record(made.names[0]).identity == source.identity
    assert not list((tmp_path / "trainings").glob("*/checkpoint-*"))

    def again(*_):
        raise AssertionError("a training was done again")

    monkeypatch.setattr(BotRun, "_update", again)
    assert run(data, tmp_path, *words) == 0 and capsys.readouterr().out == text
    assert run(data, tmp_path, *words, "--steps", "3") == 1
    assert "was begun with other settings: steps" in capsys.readouterr().err
    assert run(data, tmp_path, *words, "neck=false") == 1
    assert "was trained otherwise: options differ" in capsys.readouterr().err


def test_a_stopped_command_goes_on(data, tmp_path, capsys, monkeypatch):
    words = ["--shares", "100", "--seeds", "2"]
    assert run(data, tmp_path / "whole", *words) == 0
    update, count = BotRun._update, itertools.count(1)

    def stopping(run, places):
        if next(count) == 6:
            raise KeyboardInterrupt
        return update(run, places)

    monkeypatch.setattr(BotRun, "_update", stopping)
    assert run(data, tmp_path / "stopped", *words) == 130
    assert "The same command goes on" in capsys.readouterr().err
    assert run(data, tmp_path / "stopped", *words) == 0
    for folder in sorted((tmp_path / "whole" / "trainings").iterdir()):
        scores = [
            json.loads((tmp_path / name / "trainings" / folder.name / "result.json").read_text())["outcome"]["scores"]
            for name in ("whole", "stopped")
        ]
        assert scores[0] == scores[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shares", "0"], "from 1 to 100"),
        (["--predictor", "nobody"], "no predictor 'nobody'"),
        (["--predictor", "copy", "--predictor", "copy"], "Two trainings are called"),
        (["--predictor", "copy", "--name", "a", "--name", "b"], "1 predictors and 2 names"),
        (["network=resnet51"], "no network 'resnet51'"),
        (["centre=[1]"], "BoT's options are not right"),
    ],
)
def test_what_is_wrong_is_said(data, tmp_path, capsys, words, said):
    assert run(data, tmp_path, *words) == 1
    assert said in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_texture_maps_are_of_the_size_that_is_asked_for(tmp_path):
    """An eighth of 64 pixels as latents."""
    pytest.importorskip("anny")
    source = "watched:identities=2,cameras=2,views=1,size=64x32"
    words = ["--prepare", "texture,texture_latent", "--texture-size", "64", "--shares", "100", "--seeds", "1"]
    assert run(source, tmp_path, *words, "--autoencoder", str(ROOT / "weights" / "vae" / "demo_vae.safetensors")) == 0
    people = StoredPeople(tmp_path / "data" / "train")
    assert people.record(people.names[0]).fields["texture_latent"].shape == (32, 8, 8)


def test_data_that_are_none(tmp_path, capsys, data):
    assert run(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "There is no folder" in capsys.readouterr().err
    assert run("watched:split=train", tmp_path / "out") == 1
    assert "names a split. Leave it out" in capsys.readouterr().err
    stored(tmp_path / "one" / "train", coloured(1, 2, 3))
    for split in ("query", "gallery"):
        (tmp_path / "one" / split).symlink_to(data / split)
    assert run(tmp_path / "one", tmp_path / "out") == 1
    assert "show 1 identity. Two are needed" in capsys.readouterr().err


def test_weights_of_another_kind(data, tmp_path, capsys):
    file = tmp_path / "half.pth"
    torch.save({"conv1.weight": torch.zeros(1)}, file)
    assert run(data, tmp_path / "out", "network=resnet18", f"weights={file}", "--shares", "100", "--seeds", "1") == 1
    assert "is of another network than resnet18" in capsys.readouterr().err


def test_pictures_of_another_size_are_stretched(data):
    pictures = read_pictures(StoredPeople(data / "query"), (16, 8))
    assert pictures.images.shape == (8, 16, 8, 3) and pictures.cameras[:2] == [1, 2]


# The table


def test_differences_are_paired_by_seed():
    """Alone 50 and 70, with others 52 and 74: the difference is 3 ± 12.7, however far apart the seeds are."""
    scores = {(ALONE, 0): 0.5, (ALONE, 1): 0.7, ("m", 0): 0.52, ("m", 1): 0.74}
    outcomes = [
        Outcome(
            20, seed, name, 10, 0 if name == ALONE else 5, 8, 1800, dict.fromkeys(("rank1", "rank5", "mean_ap"), value)
        )
        for (name, seed), value in scores.items()
    ]
    text = markdown(outcomes)
    assert "| 20 % real | 10 | 5 | 60.0 (" in text and "3.0 (-9.7 … 15.7) |" in text and "2.00 hours" in text


def test_students_interval():
    """Of 1, 2, 3: a deviation of 1, t of two degrees of freedom 4.3027."""
    figure = over_seeds([1, 2, 3])
    assert (figure.mean, figure.low) == pytest.approx((2, 2 - 4.3027 / 3**0.5), abs=1e-3)
    assert np.isnan(over_seeds([1]).low)
