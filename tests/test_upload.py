"""What one uploads: the released file, its card, its sum, and the entry by which graphs offer it."""

import hashlib
import json

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from devtools import untrained
from devtools.host import ROOT
from training.release import release
from training.sampling import METHOD_KEY, OPTIONS_KEY
from training.upload import main, offering

DEMO = ROOT / "weights" / "models" / "demo_pcdms_prior.safetensors"
WORDS = ["--address", "https://huggingface.co/me/it/", "--licence", "apache-2.0"]


def test_everything_is_there_and_true(tmp_path, capsys):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "compact.md").write_text("| dB | 16.1 |\n", encoding="utf-8")
    (tmp_path / "about.md").write_text("Of synthetic people.\n", encoding="utf-8")
    recipe = ROOT / "training" / "recipes" / "demo_pcdms_prior.yaml"
    out = tmp_path / "up"
    more = ["--base", "me/base", "--about", str(tmp_path / "about.md"), "--recipe", str(recipe)]
    more += ["--evaluation", str(tmp_path / "evaluation"), "--graph", str(ROOT / "workflows" / "pcdms_demo.json")]
    assert main([str(DEMO), str(out), "--name", DEMO.stem, *WORDS, *more]) == 0
    file = out / DEMO.name
    assert capsys.readouterr().out.splitlines()[0] == str(file)
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "SHA256SUMS",
        DEMO.name,
        "models.json",
        "pcdms_demo.json",
    ]
    release(DEMO, tmp_path / "released")
    uploaded, released = load_file(file), load_file(tmp_path / "released")
    assert uploaded.keys() == released.keys() and all(torch.equal(uploaded[key], released[key]) for key in released)
    total = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (out / "SHA256SUMS").read_text() == f"{total}  {DEMO.name}\n"
    (entry,) = json.loads((out / "models.json").read_text())
    assert entry == {
        "name": DEMO.name,
        "url": f"https://huggingface.co/me/it/resolve/main/{DEMO.name}",
        "directory": "mannequin",
        "hash": total,
        "hash_type": "SHA256",
    }
    card = (out / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "apache-2.0" and front["base_model"] == "me/base" and "pcdms" in front["tags"]
    with safe_open(file, "pt") as opened:
        options = json.loads(opened.metadata()[OPTIONS_KEY])
        assert opened.metadata()[METHOD_KEY] == "pcdms_prior"
    for said in (
        "Progressive Conditional Diffusion Models",
        "choose it in *Load PCDMs Prior*",
        f"| {file.stat().st_size} | `{total}` |",
        "| dB | 16.1 |",
        "Of synthetic people.",
        recipe.read_text(encoding="utf-8").strip(),
        json.dumps(options, indent=1),
    ):
        assert said in card, said


def test_a_graph_offers_it_where_it_is_named(tmp_path):
    entry = {"name": "a.safetensors", "url": "new"}
    inner = {"nodes": [{"widgets_values": ["a.safetensors", 1]}, {"widgets_values": None}, {}]}
    old = [{"name": "b", "url": "b"}, {"name": "a.safetensors", "url": "old"}]
    graph = {
        "nodes": [
            {"widgets_values": ["a.safetensors"], "properties": {"models": old, "x": 1}},
            {"widgets_values": ["b"]},
        ],
        "definitions": {"subgraphs": [inner]},
    }
    made = offering(graph, entry, "graph.json")
    assert made["nodes"][0]["properties"] == {"models": [{"name": "b", "url": "b"}, entry], "x": 1}
    assert "properties" not in made["nodes"][1]
    assert [node.get("properties") for node in inner["nodes"]] == [{"models": [entry]}, None, None]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--graph": "workflows/truepose.json"}, "No node of 'truepose.json' names 'mine.safetensors'"),
        ({"--graph": "workflows/api/truepose.json"}, "is no graph as the front end saves it"),
        ({"--graph": "README.md"}, "is no JSON"),
        ({"--about": "nowhere.md"}, "'nowhere.md' cannot be read"),
        ({"--evaluation": "nowhere"}, "compact.md' cannot be read"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, capsys, monkeypatch, change, said):
    monkeypatch.chdir(ROOT)
    words = [word for pair in change.items() for word in pair]
    assert main([str(DEMO), str(tmp_path / "up"), "--name", "mine", *WORDS, *words]) == 1
    assert said in capsys.readouterr().err


def test_other_weights_are_no_methods(tmp_path, capsys):
    state, _ = untrained.estimator_state()
    save_file({"x": next(iter(state.values()))}, tmp_path / "run.safetensors")
    assert main([str(tmp_path / "run.safetensors"), str(tmp_path / "up"), "--name", "mine", *WORDS]) == 1
    assert "is no weight file of a method" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.safetensors"), str(tmp_path / "up"), "--name", "mine", *WORDS]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_every_method_has_its_paper():
    from training.methods import METHODS
    from training.model_card import PAPERS, SAME_PAPER

    without = {"autoencoder", "estimator"}
    assert {SAME_PAPER.get(name, name) for name in METHODS.keys() - without} == PAPERS.keys()
