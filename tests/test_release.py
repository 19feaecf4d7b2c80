"""What is shipped of a run: half precision, and nothing of the machine it ran on."""

import json
import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from devtools.host import ROOT
from training.errors import TrainingError
from training.release import release
from training.sampling import OPTIONS_KEY

SHIPPED = sorted((ROOT / "weights").rglob("*.safetensors"))


def test_of_absolute_paths_the_names_are_left(tmp_path):
    options = {"decoder": "/home/me/vae.safetensors", "base": "models/sd", "regions": [0, 3], "rule": "Eq. 15"}
    options |= {"begin": ["/home/me/first.safetensors", "second"], "deeper": {"file": "/home/me/third"}}
    named = {"decoder": "vae.safetensors", "begin": ["first.safetensors", "second"], "deeper": {"file": "third"}}
    header = {OPTIONS_KEY: json.dumps(options), "mannequin.method": "x"}
    save_file({"a": torch.rand(4), "b": torch.tensor(0.1)}, tmp_path / "run.safetensors", header)
    release(tmp_path / "run.safetensors", tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        assert json.loads(file.metadata()[OPTIONS_KEY]) == options | named
        assert file.metadata()["mannequin.method"] == "x"
    state = load_file(tmp_path / "out.safetensors")
    assert (state["a"].dtype, state["b"].dtype) == (torch.float16, torch.float32)


def test_what_has_no_place_in_half_precision_is_said(tmp_path):
    save_file({"a": torch.tensor([1e6])}, tmp_path / "run.safetensors")
    with pytest.raises(TrainingError, match="'a' does not fit half precision"):
        release(tmp_path / "run.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_the_packs_own_weights_name_no_machine(file):
    with safe_open(file, "pt") as opened:
        text = json.dumps(opened.metadata() or {})
    assert not re.search(r'"(/|[A-Za-z]:\\|~)', text.replace('\\"', '"')), text


def test_the_packs_own_weights_are_small():
    assert len(SHIPPED) >= 5 and sum(file.stat().st_size for file in SHIPPED) < 54e6
