"""The papers' ablations by one command: what each trains, that it goes on, and what stands side by side."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_methods import recipe
from training_people import REGION_DIM, NoisePeople, store

from training import ablations
from training.loop import Run
from training.sampling import load_method

CONTENT = {
    "method": "truepose",
    "options": {
        "base": {"widths": [32, 32], "attends": [True, False], "layers": 1, "context_dim": REGION_DIM},
        "region_dim": REGION_DIM,
        "schedule": {"betas": "linear", "prediction": "v_prediction", "zero_snr": True, "spacing": "trailing"},
    },
    "steps": 1,
    "batch": 2,
}


@pytest.fixture
def words(tmp_path) -> list[str]:
    people = NoisePeople()
    data, file = store(people, tmp_path / "store"), tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(CONTENT | {"data": {"people": str(data)}, "out": str(tmp_path / "unused")}))
    with torch.inference_mode(False), torch.enable_grad():
        autoencoder = Run(recipe(tmp_path / "autoencoder", "autoencoder", steps=1), people).train()
    return [str(file), str(data), "--out", str(tmp_path / "out"), "--autoencoder", str(autoencoder), "--pairs", "2"]


def run(*words: str) -> int:
    with torch.inference_mode(False), torch.enable_grad():
        return ablations.main([*words, "--quiet"])


def test_each_variant_is_trained_as_said_and_all_stand_side_by_side(tmp_path, words, capsys):
    assert run(*words, "--only", "B3,whole", "--steps", "1,2", "options.drop=0.25") == 0
    text = capsys.readouterr().out
    assert "| cfld, 2 pairs | B3, 1 step | B3, 2 steps | whole, 1 step | whole, 2 steps |" in text
    assert "Mean differences to “whole, 2 steps”" in text
    files = {name: tmp_path / "out" / name / "weights.safetensors" for name in ("B3", "whole")}
    made = {name: load_method(file).options for name, file in files.items()}
    assert (made["B3"].caa, made["whole"].caa) == (False, True)
    assert made["B3"].drop == made["whole"].drop == 0.25
    assert not (tmp_path / "unused").exists()


def test_what_is_done_is_not_done_again(tmp_path, words):
    assert run(*words, "--only", "whole", "--steps", "1") == 0
    file = tmp_path / "out" / "whole" / "weights.safetensors"
    marked = mark(file)
    assert run(*words, "--only", "whole", "--steps", "1,2") == 0
    assert torch.equal(load_file(file)["pose_encoder.conv_out.bias"], marked)


def mark(file: Path) -> torch.Tensor:
    """Weights that no training gives."""
    state = load_file(file)
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    state["pose_encoder.conv_out.bias"] = torch.full_like(state["pose_encoder.conv_out.bias"], 7.0)
    save_file(state, file, header)
    return state["pose_encoder.conv_out.bias"]


def test_pcdms_variants_are_stages(tmp_path, monkeypatch, capsys):
    """Fig. 8: two trainings, and what stands before and behind them."""
    content = {"method": "pcdms_inpainting", "steps": 1, "batch": 2, "data": {"people": "people"}, "out": "unused"}
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    trained, evaluated = [], []

    def training(options, name, changes):
        trained.append((name, changes))
        return tmp_path / f"{name}.safetensors"

    monkeypatch.setattr(ablations, "_trained", training)
    monkeypatch.setattr("training.evaluate.main", lambda words: evaluated.extend(words) or 0)
    words = [str(file), "store", "--out", str(tmp_path), "--autoencoder", "vae"]
    assert run(*words, "--prior", "P") == 1
    assert "'B3' needs the refining stage: give its weights with --refining FILE." in capsys.readouterr().err
    assert run(*words, "--prior", "P", "--refining", "R") == 0
    without, with_ = tmp_path / "B1.safetensors", tmp_path / "B2.safetensors"
    given = [evaluated[place + 1] for place, word in enumerate(evaluated) if word == "--predictor"]
    assert given == [str(without), f"pcdms:{with_},P", f"refined:R,{without}", f"refined:R,pcdms:{with_},P"]
    assert trained == [("B1", {"options.prior": False}), ("B2", {}), ("B1", {"options.prior": False}), ("B2", {})]
    assert run(*words, "--only", "B1") == 0, "which needs neither"


def test_what_is_wrong_is_said(words, tmp_path, capsys):
    assert run(*words, "--only", "B3,B9") == 1
    assert "'B9' is no ablation of truepose, which are: B1, B2" in capsys.readouterr().err
    other = tmp_path / "other.yaml"
    other.write_text(
        yaml.safe_dump({**CONTENT, "method": "autoencoder", "options": {}, "data": {"people": "x"}, "out": "y"})
    )
    assert run(str(other), *words[1:]) == 1
    assert "'autoencoder' has no ablations; those that have: truepose, mcld" in capsys.readouterr().err
