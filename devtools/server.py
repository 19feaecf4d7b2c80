"""A real ComfyUI server process with the pack installed, and a folder of its own."""

import contextlib
import importlib.metadata
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from .host import COMFYUI_VARIABLE, ROOT, comfyui_folder
from .launch import LEASH_VARIABLE

PACK = "mannequin-pose"
READY_SECONDS = 180
_IMPORT_TIME = re.compile(rf"([\d.]+) seconds( \(IMPORT FAILED\))?: .*{PACK}")
#: What a copy of the clone leaves out where no link can be made.
_NOT_COPIED = shutil.ignore_patterns(".git", ".mannequin", "__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache")


class ServerError(RuntimeError):
    """The server did not start, or died, or could not import the pack; the message ends with its last words."""


class Server:
    """``with Server() as server: …`` starts it and waits until it answers; leaving the block kills it.

    Attributes:
        url: where it listens, ``http://127.0.0.1:PORT``.
        base: its folder, with ``input``, ``output``, ``models`` and ``custom_nodes``.
        start_seconds: from the process's start until it answered.
    """

    def __init__(
        self,
        base: Path | None = None,
        port: int | None = None,
        extra: tuple[str, ...] = (),
        api_nodes: bool = False,
        published: bool = False,
    ):
        """
        Args:
            base: an existing or new folder to keep; default a temporary one, deleted at the end.
            port: default a free one.
            extra: further words for the host's command line.
            api_nodes: load the host's nodes for paid services too; it starts faster without.
            published: what a user has who installs the pack: a copy of what is published, and no photos of ours.
        """
        self._temporary = None if base else tempfile.TemporaryDirectory(prefix="mannequin-")
        self.base = Path(base or self._temporary.name).resolve()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start_seconds = 0.0
        self._published = published
        self._extra = extra if api_nodes else ("--disable-api-nodes", *extra)
        self._process: subprocess.Popen | None = None
        self._log = self.base / "server.log"

    def __enter__(self) -> "Server":
        for folder in ("input", "output", "temp", "user", "models/mannequin", "custom_nodes"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        place = self.base / "custom_nodes" / PACK
        if self._published:
            shutil.copytree(ROOT, place, ignore=_not_published)
        else:
            _install_pack(place)
            _offer_inputs(self.base / "input")
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "devtools.launch", *self._arguments()],
                cwd=self.base,
                env=os.environ | _VARIABLES | {COMFYUI_VARIABLE: str(comfyui_folder())},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
            )
        try:
            self._wait(started + READY_SECONDS)
            self._check_pack()
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the process; the temporary folder goes with it."""
        if self._process is not None:
            _stop(self._process)
            self._process = None
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def log(self) -> str:
        """All it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def memory(self) -> int:
        """Resident memory of its process and of what that has started, in bytes."""
        # One of the host's own requirements; starting a server needs nothing but the standard library.
        import psutil

        process = psutil.Process(self._process.pid)
        # On Windows the Python of a virtual environment starts another one, which is the server.
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))

    @property
    def pack_import_seconds(self) -> float | None:
        """What the host printed under "Import times for custom nodes", to a tenth."""
        match = _IMPORT_TIME.search(self.log)
        return float(match[1]) if match else None

    def tail(self, lines: int = 25) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.splitlines()[-lines:])

    def _arguments(self) -> list[str]:
        words = ["--base-directory", str(self.base), "--listen", "127.0.0.1", "--port", str(self.port)]
        words += ["--database-url", "sqlite:///:memory:", "--disable-auto-launch", "--use-pytorch-cross-attention"]
        if not _has_cuda():
            words.append("--cpu")
        return [*words, *self._extra]

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServerError(f"ComfyUI stopped while starting. Its last words:\n{self.tail()}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.url}/system_stats", timeout=5).close()
                return
            time.sleep(0.1)
        raise ServerError(f"ComfyUI did not answer within {READY_SECONDS} s. Its last words:\n{self.tail()}")

    def _check_pack(self) -> None:
        match = _IMPORT_TIME.search(self.log)
        if match and match[2]:
            raise ServerError(f"ComfyUI could not import the pack. Its last words:\n{self.tail(60)}")


#: Tests reach no model hub, and the server ends with this process (see launch.py).
_VARIABLES = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1", LEASH_VARIABLE: "1"}


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _has_cuda() -> bool:
    """Told without importing torch, which takes seconds that a caller may not need."""
    return shutil.which("nvidia-smi") is not None and "+cpu" not in importlib.metadata.version("torch")


def _install_pack(place: Path) -> None:
    """Put the clone among the custom nodes: a link where the system allows one, else a fresh copy."""
    if place.is_symlink():
        # Of an earlier run, perhaps of a clone that has moved since.
        place.unlink()
    elif place.exists():
        shutil.rmtree(place)
    try:
        place.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        shutil.copytree(ROOT, place, ignore=_NOT_COPIED)


def _not_published(folder: str, names: list[str]) -> set[str]:
    """What of a folder's names a published pack has not; the lines of ``.comfyignore`` are plain paths."""
    lines = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()
    left_out = {line.strip("/") for line in lines}
    here = {name: (Path(folder) / name).relative_to(ROOT).as_posix() for name in names}
    return {name for name, path in here.items() if path in left_out} | _NOT_COPIED(folder, names)


def _offer_inputs(folder: Path) -> None:
    """The photos and poses that the pack's workflows load; one that is there already is the user's."""
    for file in (ROOT / "workflows" / "inputs").glob("*"):
        if file.suffix in (".jpg", ".png", ".json") and not (folder / file.name).exists():
            shutil.copy(file, folder)


def _stop(process: subprocess.Popen) -> None:
    _signal(process, "SIGTERM")
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        _signal(process, "SIGKILL")
        process.wait()
    process.stdin.close()


def _signal(process: subprocess.Popen, name: str) -> None:
    """To the process and what it started; on Windows there is one way to end a process, whatever the name."""
    if os.name == "nt":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, getattr(signal, name))
