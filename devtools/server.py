"""A real ComfyUI server process with the pack installed, and a folder of its own."""

import contextlib
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

from .host import ROOT

PACK = "mannequin-pose"
READY_SECONDS = 180
_IMPORT_TIME = re.compile(rf"([\d.]+) seconds.*{PACK}")


class ServerError(RuntimeError):
    """The server did not start, or died; the message ends with its last words."""


class Server:
    """``with Server() as server: …`` starts it and waits until it answers; leaving the block kills it.

    Attributes:
        url: where it listens, ``http://127.0.0.1:PORT``.
        base: its folder, with ``input``, ``output``, ``models`` and ``custom_nodes``.
        start_seconds: from the process's start until it answered.
    """

    def __init__(self, base: Path | None = None, port: int | None = None, extra: tuple[str, ...] = ()):
        self._temporary = None if base else tempfile.TemporaryDirectory(prefix="mannequin-")
        self.base = Path(base or self._temporary.name).resolve()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.start_seconds = 0.0
        self._extra = extra
        self._process: subprocess.Popen | None = None
        self._log = self.base / "server.log"

    def __enter__(self) -> "Server":
        for folder in ("input", "output", "temp", "user", "models/mannequin", "custom_nodes"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        _install_pack(self.base / "custom_nodes" / PACK)
        started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "devtools.launch", *self._arguments()],
                cwd=self.base,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=os.name != "nt",
            )
        try:
            self._wait(started + READY_SECONDS)
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - started
        return self

    def __exit__(self, *error) -> None:
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
    def pack_import_seconds(self) -> float | None:
        """What the host printed under "Import times for custom nodes"."""
        match = _IMPORT_TIME.search(self.log)
        return float(match[1]) if match else None

    def _arguments(self) -> list[str]:
        words = ["--base-directory", str(self.base), "--listen", "127.0.0.1", "--port", str(self.port)]
        words += ["--database-url", "sqlite:///:memory:", "--disable-auto-launch", "--disable-api-nodes"]
        words += ["--use-pytorch-cross-attention"]
        if shutil.which("nvidia-smi") is None:
            words.append("--cpu")
        return [*words, *self._extra]

    def _wait(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            if not self.alive:
                raise ServerError(f"ComfyUI stopped while starting. Its last words:\n{self._tail()}")
            with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.url}/system_stats", timeout=5).close()
                return
            time.sleep(0.2)
        raise ServerError(f"ComfyUI did not answer within {READY_SECONDS} s. Its last words:\n{self._tail()}")

    def _tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.splitlines()[-lines:])


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _install_pack(place: Path) -> None:
    """Put the clone among the custom nodes: a link where the system allows one, else a copy."""
    if place.exists():
        return
    try:
        place.symlink_to(ROOT, target_is_directory=True)
    except OSError:
        shutil.copytree(ROOT, place, ignore=shutil.ignore_patterns(".git", ".mannequin", "__pycache__"))


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        if os.name == "nt":
            process.terminate()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
