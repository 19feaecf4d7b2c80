"""Many commands of training by one: what runs, what is not run again, and how it stops."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devtools.host import ROOT
from training import study
from training.errors import INTERRUPTED, TrainingError

SHIPPED = sorted((ROOT / "training" / "studies").glob("*.yaml"))
#: The shipped studies' smallest.
SMALL = (
    *("identities=3", "pairs=3", "learners=3", "ablation_steps=2", "ablation_pairs=3"),
    *("watched=3", "synthesised=2", "seeds=1", "epochs=1", "epoch_steps=2"),
)
#: Four people, and a copy of the source measured on them.
COPY = """
about: What copying is worth.
values:
  people: 2
  source: synthetic:identities={people},views=2,size=64x48
  pairs: 2
parts:
  people: {minutes: 1, run: 'preprocess {source} {out}/people --steps "" --workers 0 --quiet'}
  copy:
    minutes: 200
    run: evaluate {out}/people --pairs {pairs} --out {out}/table --predictor copy --name "copied whole" --quiet
"""


@pytest.fixture
def written(tmp_path) -> Path:
    path = tmp_path / "copy.yaml"
    path.write_text(COPY, encoding="utf-8")
    return path


def test_parts_are_run_once_and_those_that_changed_again(written, tmp_path, capfd):
    """In a folder with a space in its name."""
    words = [str(written), "--out", str(tmp_path / "my study")]
    assert study.main(words) == 0
    said = capfd.readouterr().out
    assert "Left to do: 2 of 2 parts, about 3.4 h as measured." in said
    assert "[1/2] people, about 1 min:\n  training preprocess synthetic:identities=2,views=2,size=64x48" in said
    table = tmp_path / "my study" / "table" / "table.md"
    assert "copied whole" in table.read_text(encoding="utf-8")
    table.unlink()
    assert study.main(words) == 0
    assert "Left to do: 0 of 2 parts" in capfd.readouterr().out and not table.exists()
    assert study.main([*words, "pairs=1"]) == 0
    assert "[1/1] copy" in capfd.readouterr().out and table.is_file()
    table.unlink()
    assert study.main([*words, "pairs=1", "--only", "people"]) == 0 and not table.exists()


def test_a_part_that_fails_is_said_and_the_rest_is_left(written, tmp_path, capfd):
    words = [str(written), "--out", str(tmp_path / "out")]
    assert study.main([*words, "source=folder:nowhere"]) == 1
    said = capfd.readouterr().err
    assert "nowhere" in said and "The part 'people' failed, and says why above." in said
    assert not (tmp_path / "out" / "table").exists()
    assert study.main(words) == 0


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C goes to a console's processes")
def test_ctrl_c_is_the_parts_to_answer(written, tmp_path):
    """It finishes what it writes; then the study says that it stopped, and goes on."""
    words = [sys.executable, "-m", "training.study", str(written), "--out", str(tmp_path / "out"), "people=500"]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while process.poll() is None and not list((tmp_path / "out" / "people").glob("*.tar")):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    assert "The same command goes on with" in errors and errors.endswith(
        "Stopped. The same command goes on from here.\n"
    )
    assert not (tmp_path / "out" / study.DONE).exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("pears=3", "has no value 'pears'; it has people, source, pairs"),
        ("pairs='{people} {apples}'", "value 'pairs' names a value that is none before it: 'apples'"),
        ("pairs", "'pairs' changes nothing"),
    ],
)
def test_what_means_nothing_is_said(written, tmp_path, capsys, change, said):
    assert study.main([str(written), "--out", str(tmp_path / "out"), change]) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_an_unknown_part_is_said(written, tmp_path, capsys):
    assert study.main([str(written), "--out", str(tmp_path / "out"), "--only", "people,tables"]) == 1
    assert "The study has no part 'tables'; it has people, copy." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "is no list of names and values"),
        ("about: x\nvalues: {}\nparts: {one: {run: x}}", "parts.one.minutes: Field required"),
        ("about: x\nvalues: {}\nparts: {}\nhours: 3", "hours: Unexpected keyword"),
    ],
)
def test_a_file_that_is_no_study(tmp_path, text, said):
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=said):
        study.read_study(tmp_path / "study.yaml")


def test_a_broken_record_of_what_is_done(written, tmp_path, capsys):
    (tmp_path / study.DONE).write_text("[", encoding="utf-8")
    assert study.main([str(written), "--out", str(tmp_path)]) == 1
    assert "Remove it: every part is then looked at again" in capsys.readouterr().err


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_command_of_a_shipped_study_is_understood(path, tmp_path):
    """Its files are there, and its parser takes its words."""
    parts = study.commands(study.read_study(path), tmp_path, {})
    for name, (command, *words) in parts.items():
        package = importlib.util.find_spec(f"training.{command}").submodule_search_locations
        module = importlib.import_module(f"training.{command}.__main__" if package else f"training.{command}")
        module._options(words)
        files = [part for word in words for part in word.replace("=", ",").replace(":", ",").split(",")]
        for file in files:
            if file.startswith(str(ROOT)):
                assert Path(file).is_file(), (name, file)


@pytest.mark.slow
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_study_runs(path, tmp_path):
    assert study.main([str(path), "--out", str(tmp_path), *SMALL]) == 0
    assert set(json.loads((tmp_path / study.DONE).read_text("utf-8"))) == set(study.read_study(path).parts)
    for table in ("two_steps", "one_step", "ablations_imagpose", "reid"):
        assert (tmp_path / table / "table.md").read_text(encoding="utf-8").count("\n") > 3
