"""``python -m training.evaluate`` from one end to the other, on a data set of six small pictures."""

import csv
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from preprocessors.labels import LIP_20
from training import evaluate
from training.autoencoders import TinyAutoencoder
from training.data.records import Pair, Record
from training.data.store import begin, files_of, left_to_do
from training.evaluation.pose_metric import PoseError
from training.training_free import Use

SIZE = (64, 56)


class Six:
    """Three people in two poses each: a coloured coat on the left, and on the right."""

    def __init__(self) -> None:
        self.names = [f"p{person}_{pose}" for person in range(3) for pose in range(2)]
        self.pairs = [Pair(f"p{n}_{a}", f"p{n}_{1 - a}") for n in range(3) for a in range(2)]

    def record(self, name: str) -> Record:
        person, pose = int(name[1]), int(name[3])
        labels = np.zeros(SIZE, np.uint8)
        labels[8:60, 8 + 20 * pose : 28 + 20 * pose] = LIP_20.index("Coat")
        image = np.random.default_rng(person).integers(200, 256, (*SIZE, 3), dtype=np.uint8)
        image[labels > 0] = (40 + 60 * person, 20, 90)
        keypoints = np.zeros((18, 3), np.float32)
        keypoints[0] = (18 + 20 * pose, 12, 1)
        fields = {"parsing": labels, "keypoints": keypoints}
        return Record(name, f"p{person}", "coat", image, fields)


@pytest.fixture
def store(tmp_path):
    """The six as ``python -m training.preprocess`` stores them."""
    root, people = tmp_path / "store", Six()
    begin(root, people, {}, "folder", 4)
    for unit in left_to_do(root, people.names, "folder", 4):
        files_of(root, "folder").write(unit.number, [people.record(name) for name in unit.names])
    return root


@pytest.fixture(autouse=True)
def _no_blazepose(monkeypatch):
    """Nobody is in these pictures; looking for people in each takes a second."""
    monkeypatch.setattr("training.evaluation.pose_metric.find_keypoints", lambda picture: np.zeros((18, 3)))


def run(store, out, *words: str) -> int:
    return evaluate.main([str(store), "--out", str(out), "--quiet", *words])


def rows(file) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def test_baselines_end_to_end(store, tmp_path, capsys):
    results = tmp_path / "elsewhere"
    results.mkdir()
    for pair in Six().pairs:
        picture = Image.fromarray(Six().record(pair.target).image).resize((112, 128), Image.Resampling.NEAREST)
        picture.save(results / f"{pair.source}_2_{pair.target}.png")
    words = [f"--predictor={text}" for text in ("copy", "garment-mean", f"folder:{results}", "target")]
    assert run(store, tmp_path / "out", *words, "--against", "garment means") == 0
    out = tmp_path / "out"
    text = capsys.readouterr().out
    assert text == (out / "table.md").read_text(encoding="utf-8")
    assert "**cfld**" in text and "6 pairs, 64 × 56 pixels" in text
    assert "| cfld, 6 pairs | copy of the source | garment means | elsewhere | the target itself |" in text
    for missing in ("LPIPS", "FID and KID", "face similarity"):
        assert f"{missing}" in text.split("- ", 1)[1]
    assert "--lpips-weights" in text and "--inception-weights" in text and "--face-pack" in text
    assert "Mean differences to “garment means”" in text
    found = {(row["predictor"], row["metric"]): row for row in rows(out / "table.csv")}
    assert float(found["garment means", "garment_colour"]["mean"]) == 0
    assert float(found["copy of the source", "garment_colour"]["mean"]) > 20
    assert float(found["the target itself", "ssim"]["mean"]) == 1
    assert found["the target itself", "psnr"]["mean"] == "inf"
    assert float(found["garment means", "psnr"]["mean"]) > float(found["copy of the source", "psnr"]["mean"])
    assert float(found["copy of the source", "garment_colour.Coat"]["mean"]) > 20
    assert float(found["copy of the source", "pose_found"]["mean"]) == 0
    pairs = rows(out / "per_pair.csv")
    assert len(pairs) == 24 and {row["protocol"] for row in pairs} == {"cfld"}
    copies = [float(row["psnr"]) for row in pairs if row["predictor"] == "copy of the source"]
    assert np.mean(copies) == pytest.approx(float(found["copy of the source", "psnr"]["mean"]), rel=1e-4)
    with Image.open(out / "sheet.png") as sheet:
        assert sheet.width > 7 * 200 and sheet.height > 6 * 256


def test_pidm_two_pairs_and_names(store, tmp_path, capsys):
    words = ["--predictor=copy", "--name=same", "--predictor=target", "--name=bound", "--pairs=2", "--protocol=pidm"]
    assert run(store, tmp_path, *words) == 0
    assert "| pidm, 2 pairs | same | bound |" in capsys.readouterr().out
    assert len(rows(tmp_path / "per_pair.csv")) == 4


def test_what_the_autoencoder_leaves_is_a_bound(store, tmp_path, capsys):
    torch.manual_seed(0)
    network, file = TinyAutoencoder(), tmp_path / "vae.safetensors"
    save_file(network.state_dict(), file)
    words = [f"--predictor={text}" for text in ("autoencoder", "copy", "garment-mean")]
    words += [f"--autoencoder={file}", "--against=copy of the source", "--save-images"]
    assert run(store, tmp_path / "out", *words) == 0
    means, differences = capsys.readouterr().out.split("Mean differences")
    assert "| cfld, 6 pairs | the target through the autoencoder | copy of the source | garment means |" in means
    assert "| cfld, 6 pairs | garment means |" in differences
    made = Image.open(tmp_path / "out" / "images" / "the_target_through_the_autoencoder" / "p0_0_to_p0_1.png")
    target = torch.from_numpy(Six().record("p0_1").image)[None].movedim(-1, 1) / 127.5 - 1
    again = (network.decode(network.encode(target)).clamp(-1, 1)[0].movedim(0, -1) + 1) * 127.5
    assert np.abs(np.asarray(made, np.float32) - again.numpy()).max() <= 0.5 + 1e-3


class Half:
    """A trained model: half of the source; stopped by the user at the given picture."""

    asked = 0

    def __init__(self, stop_at: int | None = None) -> None:
        self.name, self.stop_at = "half", stop_at

    def predict(self, pairs):
        type(self).asked += len(pairs)
        if self.stop_at is not None and type(self).asked > self.stop_at:
            raise KeyboardInterrupt
        return [source.image // 2 for source, _ in pairs]


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A weight file, and what ``training.sampling`` was asked for."""
    module, asked = ModuleType("training.sampling"), []

    def load_predictor(path, autoencoder, **options):
        asked.append((path, autoencoder, options))
        return Half(module.stop_at)

    module.load_predictor, module.stop_at, module.asked = load_predictor, None, asked
    monkeypatch.setitem(sys.modules, "training.sampling", module)
    monkeypatch.setattr("training.sampling", module, raising=False)
    monkeypatch.setattr(Half, "asked", 0)
    module.file = tmp_path / "weights.safetensors"
    module.file.write_bytes(b"weights")
    return module


def test_a_stopped_run_goes_on(store, tmp_path, model, capsys):
    words = ["--predictor", str(model.file), "--save-images", "--batch=2", "--steps=4", "--seed=3"]
    out, autoencoder = tmp_path / "out", tmp_path / "autoencoder.safetensors"
    assert run(store, out, *words) == 1
    assert "makes latents" in capsys.readouterr().err
    words.insert(0, f"--autoencoder={autoencoder}")
    model.stop_at = 4
    assert run(store, out, *words) == 130
    assert "Stopped. The same command goes on" in capsys.readouterr().err
    assert len(list((out / "images" / "half").glob("*.png"))) == 4 and not (out / "table.md").exists()
    model.stop_at = None
    Half.asked = 0
    assert run(store, out, *words) == 0
    assert Half.asked == 2 and model.asked == [(model.file, autoencoder, {"batch": 2, "seed": 3, "steps": 4})] * 2
    kept = np.array(Image.open(out / "images" / "half" / "p0_0_to_p0_1.png"))
    assert np.array_equal(kept, Six().record("p0_0").image // 2)
    assert run(store, out, *words[:-1], "--seed=4") == 1
    assert "were made otherwise: seed" in capsys.readouterr().err


def test_a_trained_model_has_a_column_for_every_number_of_steps(store, tmp_path, model, capsys):
    words = ["--predictor=copy", "--predictor", str(model.file), "--autoencoder=vae.safetensors", "--save-images"]
    assert run(store, tmp_path / "out", *words, "--steps=1,25", "--pairs=2") == 0
    assert "| cfld, 2 pairs | copy of the source | half, 1 step | half, 25 steps |" in capsys.readouterr().out
    assert [asked[2]["steps"] for asked in model.asked] == [1, 25]
    folders = {folder.name for folder in (tmp_path / "out" / "images").iterdir()}
    assert folders == {"copy_of_the_source", "half_1_step", "half_25_steps"}
    with pytest.raises(SystemExit):
        run(store, tmp_path / "again", *words, "--steps=4,4")


def test_a_node_without_training_is_set_on_the_command_line(store, tmp_path, model, monkeypatch, capsys):
    """By the names and values that the nodes have."""
    asked = []
    module = ModuleType("training.training_free")
    module.Use = Use
    module.load_training_free = lambda file, use: asked.append((file, use)) or file
    monkeypatch.setitem(sys.modules, "training.training_free", module)
    sampling = sys.modules["training.sampling"]
    sampling.Trained = lambda name, method, autoencoder, **options: Half()
    monkeypatch.setattr("training.autoencoders.load_autoencoder", lambda path: None)
    use = "use=hpfa,strength=0.8,sites=mid up,start_percent=0.2"
    words = ["--autoencoder=vae.safetensors", "--pairs=2", "--name=set so"]
    assert run(store, tmp_path / "out", f"--predictor=training-free:{model.file},{use}", *words) == 0
    assert asked == [(model.file, Use("hpfa", strength=0.8, sites="mid up", start_percent=0.2))]
    for wrong, said in (("use=hpfas", "Input should be"), ("power=1", "there is no 'power'")):
        assert run(store, tmp_path / "no", f"--predictor=training-free:{model.file},{wrong}", *words) == 1
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, said",
    [
        (["--predictor=copy", "--predictor=copy"], "Two predictors are called 'copy of the source'"),
        (["--predictor=copy", "--name=a", "--name=b"], "1 predictors and 2 names"),
        (["--predictor=autoencoder"], "'autoencoder' makes latents. Give the autoencoder"),
        (["--predictor=copies"], "no predictor 'copies', and no file"),
        (["--predictor=folder:/nowhere/at/all"], "no folder /nowhere/at/all"),
        (["--predictor=copy", "--against=nobody"], "--against 'nobody' is none of the predictors"),
        (["--predictor=copy", "--lpips-weights=/nowhere.pth"], "There is no file /nowhere.pth"),
        (["--predictor=copy", "--inception-weights=/nowhere.pth"], "There is no file /nowhere.pth"),
        (["--predictor=copy", "--face-pack=/nowhere"], "nowhere"),
        (["--predictor=copy", "--real=/nowhere"], "There is no folder '/nowhere'"),
    ],
)
def test_what_is_wrong_is_said(store, tmp_path, capsys, words, said):
    assert run(store, tmp_path / "out", *words) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error


def test_a_store_that_is_none(tmp_path, capsys):
    assert run(tmp_path / "none", tmp_path, "--predictor=copy") == 1
    assert run(tmp_path, tmp_path, "--predictor=copy") == 1
    assert "is no store" in capsys.readouterr().err


def test_small_pictures_leave_a_metric_out_and_say_so(monkeypatch, tmp_path, capsys):
    class Small(Six):
        def record(self, name):
            record = super().record(name)
            return Record(name, record.identity, record.outfit, record.image[:40], {})

    monkeypatch.setattr(evaluate, "open_data", lambda text: Small())
    assert run("small", tmp_path, "--predictor=copy") == 0
    text = capsys.readouterr().out
    assert "| SSIM ↑" not in text and "| SSIM-256 ↑" in text
    assert "- SSIM: undefined here; windows of 51 pixels" in text
    assert "- PSNR of the person, dB: undefined here; the data set has no parsing" in text
    assert f"- {', '.join(column.title for column in PoseError.columns)}: undefined here" in text
