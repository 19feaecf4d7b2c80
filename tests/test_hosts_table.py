"""``dev.py hosts``: what a cell says, what is kept, and what the table looks like. No test needs another host."""

import subprocess
import sys
from pathlib import Path

import pytest

import dev
from devtools import environment, host, hosts

REPORT = '<testsuites><testsuite errors="{}" failures="{}" skipped="{}" tests="{}"/></testsuites>'


def make_host(folder: Path, version: str, lazy: bool = False) -> Path:
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "comfyui_version.py").write_text(f'# made\n__version__ = "{version}"\n', encoding="utf-8")
    (folder / "comfy" / "memory_management.py").write_text("aimdo_enabled = False" if lazy else "", encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "errors, failures, skipped, tests, said",
    [
        (0, 0, 0, 7, "7 pass"),
        (0, 0, 2, 7, "5 pass"),
        (0, 3, 0, 7, "**3 of 7 fail**"),
        (1, 3, 2, 7, "**4 of 5 fail**"),
        (1, 0, 0, 1, "**1 of 1 fail**"),
        (0, 0, 0, 0, "does not start"),
        (0, 0, 7, 7, "does not start"),
    ],
)
def test_what_a_cell_says(tmp_path: Path, errors, failures, skipped, tests, said):
    report = tmp_path / "report.xml"
    report.write_text(REPORT.format(errors, failures, skipped, tests), encoding="utf-8")
    assert hosts.outcome_of(report) == said


def test_a_cell_without_a_report(tmp_path: Path):
    assert hosts.outcome_of(tmp_path / "report.xml") == "does not start"


def test_a_cell_is_a_run_of_pytest_with_that_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hosts, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(
        f"import os\ndef test_it():\n    assert os.environ['{environment.COMFYUI_VARIABLE}'].endswith('host')\n"
        f"def test_lazy():\n    assert os.environ.get('{host.LAZY_VARIABLE}')\n",
        encoding="utf-8",
    )
    words = (Path(sys.executable), tmp_path / "host", tmp_path / "x.log")
    assert hosts._run(*words, hosts.Column(("test_x.py",)), 60) == "**1 of 2 fail**"
    assert hosts._run(*words, hosts.Column(("test_x.py",), lazy=True), 60) == "2 pass"
    assert "test_lazy" not in (tmp_path / "x.log").read_text(encoding="utf-8")


def test_a_cell_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hosts, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    words = (Path(sys.executable), tmp_path, tmp_path / "x.log", hosts.Column(("test_x.py",)))
    assert hosts._run(*words, 1.2) == "over 0.02 min"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the logs of cells that were run; each says how many came before it."""
    done = []

    def run(python, folder, log, column, seconds):
        done.append(f"{folder.name} {log.stem}")
        return f"{len(done)} pass"

    def home(root, folder):
        (tmp_path / "homes" / folder.name).mkdir(parents=True, exist_ok=True)
        return tmp_path / "homes" / folder.name

    monkeypatch.setattr(hosts, "_run", run)
    monkeypatch.setattr(hosts, "host_home", home)
    monkeypatch.setattr(hosts, "ensure_host", lambda root, folder: (Path(sys.executable), folder))
    monkeypatch.setattr(hosts, "_sources", lambda: "as they are")
    return done


def call(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["hosts", *map(str, words)])
    return hosts.main()


def test_the_table(tmp_path, monkeypatch, capsys, runs):
    folders = make_host(tmp_path / "old", "0.3.60"), make_host(tmp_path / "new", "0.33.0", lazy=True)
    assert call(monkeypatch, *folders, "--columns", "import", "lazy layers") == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "| ComfyUI | import | lazy layers |",
        "| --- | --- | --- |",
        "| 0.3.60 | 1 pass | – |",
        "| 0.33.0 | 2 pass | 3 pass |",
    ]
    assert runs == ["old import", "new import", "new lazy_layers"]


def test_what_was_found_is_kept_until_something_changes(tmp_path, monkeypatch, runs):
    words = (make_host(tmp_path / "old", "0.3.60"), "--columns", "import")
    call(monkeypatch, *words)
    call(monkeypatch, *words)
    assert len(runs) == 1
    call(monkeypatch, *words, "contract")
    assert runs[1:] == ["old contract"]
    call(monkeypatch, *words, "--again")
    assert len(runs) == 3
    monkeypatch.setattr(hosts, "_sources", lambda: "changed")
    call(monkeypatch, *words)
    assert len(runs) == 4


def test_a_stopped_run_shows_what_it_knows(tmp_path, monkeypatch, capsys, runs):
    def interrupted(python, folder, *others):
        if folder.name == "b":
            raise KeyboardInterrupt
        return "1 pass"

    monkeypatch.setattr(hosts, "_run", interrupted)
    folders = [make_host(tmp_path / name, name) for name in "ab"]
    call(monkeypatch, *folders, "--columns", "import")
    assert capsys.readouterr().out.endswith("| a | 1 pass |\n")


def test_a_cell_over_its_limit_is_tried_again(tmp_path, monkeypatch, runs):
    words = (make_host(tmp_path / "old", "0.3.60"), "--columns", "import")
    monkeypatch.setattr(hosts, "_run", lambda *words: runs.append("over") or f"{hosts.OVER} 15 min")
    call(monkeypatch, *words)
    call(monkeypatch, *words)
    assert runs == ["over", "over"]


def test_an_environment_that_cannot_be_made_is_a_row(tmp_path, monkeypatch, capsys, runs):
    def fails(root, folder):
        raise environment.SetupError("no such luck")

    monkeypatch.setattr(hosts, "ensure_host", fails)
    call(monkeypatch, make_host(tmp_path / "old", "0.3.60"), "--columns", "import")
    out = capsys.readouterr().out
    assert "no such luck" in out and out.endswith("| 0.3.60 | no environment |\n")


def test_a_folder_that_does_not_say_its_version(tmp_path):
    assert hosts.version_of(tmp_path) == tmp_path.name


def test_every_column_names_tests_that_exist():
    for name, column in hosts.COLUMNS.items():
        for word in column.files():
            if word.startswith("tests/"):
                file, _, test = word.partition("::")
                assert test.split("[")[0] in (host.ROOT / file).read_text(encoding="utf-8"), name


def test_sources_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(hosts, "ROOT", tmp_path)
    (tmp_path / "nodes").mkdir()
    before = hosts._sources()
    (tmp_path / "nodes" / "a.py").write_text("a = 1", encoding="utf-8")
    assert hosts._sources() != before


@pytest.mark.parametrize(
    "words, found",
    [
        (["-x", "--host", "/a", "-k", "b"], ("/a", ["-x", "-k", "b"])),
        (["--host=/a"], ("/a", [])),
        (["-q"], (None, ["-q"])),
        (["--ho", "/a"], (None, ["--ho", "/a"])),
    ],
)
def test_the_host_among_a_commands_words(monkeypatch, words, found):
    monkeypatch.delenv(environment.HOST_VARIABLE, raising=False)
    assert dev.take_host(words) == found


def test_the_host_in_a_variable(monkeypatch):
    monkeypatch.setenv(environment.HOST_VARIABLE, "/a")
    assert dev.take_host(["-q"]) == ("/a", ["-q"])
    assert dev.take_host(["--host", "/b"]) == ("/b", [])


def test_lazy_layers_where_there_are_none(tmp_path):
    """The variable must not be passed over."""
    folder = make_host(tmp_path / "old", "0.3.60")
    program = "from devtools import host; host._make_layers_lazy()"
    (folder / "comfy" / "model_patcher.py").touch()
    variables = {environment.COMFYUI_VARIABLE: str(folder), "PYTHONPATH": str(host.ROOT)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables, check=False)
    assert "has no dynamic VRAM. Take 0.16 or newer" in done.stderr
