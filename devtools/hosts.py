"""``python dev.py hosts FOLDER…``: which versions of ComfyUI the pack works on, as a Markdown table.

Every cell is a part of the test suite, run in that version's own environment under a time limit. What has been found
out is kept until the pack's sources change, so that a stopped run goes on where it was.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .environment import COMFYUI_VARIABLE, SetupError, ensure_host, host_home
from .host import LAZY_VARIABLE, ROOT, has_lazy_layers
from .say import say

#: What a cell's outcome depends on, besides the host.
SOURCES = ("*.py", "nodes/**/*.py", "model_patches/**/*.py", "preprocessors/**/*.py", "tests/*.py", "workflows/*.json")
#: A cell of a column that this version has not, and the beginning of one that came to its limit and is tried again.
NOT_THERE, OVER = "–", "over"


@dataclass(frozen=True)
class Column:
    """A part of the suite.

    Attributes:
        words: for pytest.
        lazy: with the layers that dynamic VRAM has, on versions that know them.
    """

    words: tuple[str, ...]
    lazy: bool = False

    def files(self) -> list[str]:
        """The words, with the folder before files' names."""
        return [f"tests/{word}" if word.startswith("test_") else word for word in self.words]


CONTRACT = ("test_contract.py", "test_conds.py", "test_joint_attention.py", "test_run_weights.py", "-k", "not sdxl")
WEIGHTS = ("test_trained_weights.py", "test_checkpoints.py", "test_nodes.py", "test_lazy_layers.py")
COLUMNS = {
    "import": Column(
        (
            "test_static.py::test_loading_the_pack_imports_no_library_the_host_has_not_loaded",
            "test_static.py::TestNode",
            "test_server_harness.py::test_pack_is_imported",
        )
    ),
    "contract": Column(CONTRACT),
    "other nodes": Column(("test_other_nodes.py", "-k", "not sdxl")),
    "methods": Column(("test_mcld.py", "test_guidance.py", "test_training_free.py")),
    "views and field": Column(
        (
            "test_comfy_cva.py",
            "test_imagpose.py",
            "test_pose_field.py",
            "test_pose_field_guider.py",
            "test_reposedm_contract.py",
            "test_reposesd.py",
        )
    ),
    "weights": Column((*WEIGHTS, "test_model_files.py")),
    "graphs": Column(("test_server_truepose.py", "test_server_workflows.py", "-k", "not front_end and not shared")),
    "lazy layers": Column((*WEIGHTS, *CONTRACT), lazy=True),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py hosts", description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="a ComfyUI of any version")
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=list(COLUMNS), help="default: all")
    parser.add_argument("--minutes", type=float, default=15, help="limit of each cell; default: 15")
    parser.add_argument("--again", action="store_true", help="also run what is known for these very sources")
    arguments = parser.parse_args()
    rows = {}
    try:
        for folder in arguments.folders:
            folder = folder.expanduser().resolve()
            for name, said in _cells(folder, arguments.columns, arguments.minutes, arguments.again):
                rows.setdefault(folder, {})[name] = said
    except KeyboardInterrupt:
        say("Stopped. The next start goes on from here.")
    say("\n" + table(rows, arguments.columns))
    return 0


def version_of(folder: Path) -> str:
    """What a ComfyUI says it is; its folder's name where it does not."""
    file = folder / "comfyui_version.py"
    found = re.search(r'__version__\s*=\s*"([^"]+)"', file.read_text(encoding="utf-8")) if file.is_file() else None
    return found[1] if found else folder.name


def table(rows: dict[Path, dict[str, str]], columns: list[str]) -> str:
    """Markdown, one line a version in the order given."""
    lines = [["ComfyUI", *columns], ["---"] * (len(columns) + 1)]
    lines += [[version_of(folder), *(row.get(name, NOT_THERE) for name in columns)] for folder, row in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(folder: Path, columns: list[str], minutes: float, again: bool) -> Iterator[tuple[str, str]]:
    """A version's columns and what they say, one after the other."""
    try:
        python, folder = ensure_host(ROOT, folder)
    except SetupError as error:
        say(str(error))
        yield from ((name, "no environment") for name in columns)
        return
    home, version = host_home(ROOT, folder), version_of(folder)
    for name in columns:
        column = COLUMNS[name]
        if column.lazy and not has_lazy_layers(folder):
            continue
        known = _known(home)
        key = hashlib.sha256(json.dumps([_sources(), column.words]).encode()).hexdigest()
        said = known[name]["said"] if known.get(name, {}).get("key") == key else None
        if again or said is None or said.startswith(OVER):
            say(f"{version}, {name} …")
            said = _run(python, folder, home / f"{name.replace(' ', '_')}.log", column, 60 * minutes)
            known[name] = {"key": key, "said": said}
            (home / "found.json").write_text(json.dumps(known, indent=1), encoding="utf-8")
        say(f"{version}, {name}: {said}")
        yield name, said


def _known(home: Path) -> dict[str, dict[str, str]]:
    file = home / "found.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _sources() -> str:
    digest = hashlib.sha256()
    for file in sorted(file for pattern in SOURCES for file in ROOT.glob(pattern)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _run(python: Path, folder: Path, log: Path, column: Column, seconds: float) -> str:
    """One cell: how many tests pass, and where to read on if some do not."""
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    lazy = "1" if column.lazy else ""
    variables = {COMFYUI_VARIABLE: str(folder), "PYTHONPATH": str(ROOT), LAZY_VARIABLE: lazy}
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *column.files()]
    started = time.monotonic()
    with log.open("wb") as file:
        try:
            # Servers that tests have started end with the process that is killed at the limit.
            subprocess.run(
                command,
                cwd=ROOT,
                env=os.environ | variables,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{OVER} {seconds / 60:g} min"
    outcome = outcome_of(report)
    say(f"  {time.monotonic() - started:.0f} s{'' if outcome.endswith('pass') else f', see {log}'}")
    return outcome


def outcome_of(report: Path) -> str:
    """What pytest's own report (JUnit's XML) comes to."""
    if not report.is_file():
        return "does not start"
    suite = ElementTree.parse(report).getroot().find("testsuite")
    total, skipped, failed, broken = (int(suite.get(key, 0)) for key in ("tests", "skipped", "failures", "errors"))
    if failed or broken:
        return f"**{failed + broken} of {total - skipped} fail**"
    return f"{total - skipped} pass" if total > skipped else "does not start"


if __name__ == "__main__":
    sys.exit(main())
