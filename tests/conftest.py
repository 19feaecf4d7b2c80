"""The host in this process, one real server for the suite, and where golden files lie."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devtools import environment
from devtools.host import ROOT, import_host

import_host()
# For what tests share (small.py): pytest's importlib mode leaves their folder off the path.
sys.path.append(str(Path(__file__).parent))

# In the background of a shell a process ignores Ctrl-C, and so would everything that tests start and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

GOLDEN_VARIABLE = "MANNEQUIN_GOLDEN"


def pytest_runtest_setup():
    """The same layers in every run: of an unlucky draw a small network is dead, and a test of it then fails.

    Before any fixture, so that those of a whole file are drawn alike too.
    """
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _inference_mode():
    """As the host runs nodes; a test that needs gradients opens ``torch.inference_mode(False)`` itself."""
    import torch

    with torch.inference_mode():
        yield


@pytest.fixture
def with_gradients():
    """Of a file whose tests train: ``pytestmark = pytest.mark.usefixtures("with_gradients")``."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        yield


@pytest.fixture(scope="session")
def server():
    """A real ComfyUI process with the pack, started by the first test that asks for it."""
    from devtools.server import Server

    with Server() as running:
        yield running


@pytest.fixture
def client(server):
    from devtools.client import Client

    return Client(server.url)


@pytest.fixture(scope="module")
def front_end(server):
    """The real front end in a browser, and every file that shared graphs name and only the converter makes.

    Tests that need it are skipped where there is no browser.
    """
    import torch
    from safetensors.torch import save_file

    from devtools import untrained
    from devtools.browser import NoBrowser, ensure_chromium
    from devtools.draw_pcdms import INPAINTING, PRIOR, REFINING, SIMPLIFIED
    from devtools.draw_reposedm import ESTIMATOR
    from devtools.screenshot import open_front_end

    try:
        ensure_chromium()
    except NoBrowser as error:
        pytest.skip(str(error))
    with torch.inference_mode():
        made = {"mcld.safetensors": untrained.mcld_state(), PRIOR: untrained.prior_state()}
        stages = {"inpainting": INPAINTING, "refining": REFINING, "simplified": SIMPLIFIED}
        made |= {file: untrained.pcdms_state(stage) for stage, file in stages.items()}
        made[ESTIMATOR] = untrained.estimator_state()
    for name, (state, metadata) in made.items():
        save_file(state, server.base / "models" / "mannequin" / name, metadata)
    with open_front_end(server.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def front(server):
    """The real front end in a window that is large enough for Pose Mannequin's editor."""
    from devtools.browser import NoBrowser, ensure_chromium
    from devtools.screenshot import open_front_end

    try:
        ensure_chromium()
    except NoBrowser as error:
        pytest.skip(str(error))
    with open_front_end(server.url, 1600, 1000) as opened:
        yield opened


@pytest.fixture
def opened(front):
    """``opened(text, …)``: mannequins' editors in a graph with a node for each text. The page must not complain."""
    import json

    from mannequin_editor import node, shown

    def opened(*texts):
        texts = [text if isinstance(text, str) else json.dumps(text) for text in texts]
        return shown(front, [node(number, text) for number, text in enumerate(texts, 1)])

    yield opened
    assert front._errors == []


@pytest.fixture
def editor(opened):
    """A mannequin's, of a node with ``mannequin_editor.SCENE``."""
    from mannequin_editor import SCENE

    return opened(SCENE)[0]


@pytest.fixture(scope="module")
def made_home(tmp_path_factory):
    """An environment as dev.py makes them, which sees the packages of this one and does not read its start-up files."""
    home = tmp_path_factory.mktemp("home")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "venv")], check=True)
    # Paths alone: the .pth files there are passed over.
    below = [entry for entry in sys.path if Path(entry).name == "site-packages"]
    own = environment._packages(environment._python(home))
    (own / "below.pth").write_text("\n".join(below), encoding="utf-8")
    (home / "comfyui").mkdir()
    (home / "comfyui" / "main.py").touch()
    (home / "ready").write_text(environment._fingerprint(ROOT, home / "comfyui"), encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def made_python(made_home):
    """That environment's Python, for commands of ``training`` in processes of their own."""
    python = environment._python(made_home)
    environment._declare_operators(environment._packages(python))
    return str(python)


@pytest.fixture
def golden():
    """``golden(name)``: path of a golden file; the test is skipped with a sentence where it is not at hand."""
    folders = [ROOT / "tests" / "golden", ROOT.parent / "shared" / "golden"]
    if os.environ.get(GOLDEN_VARIABLE):
        folders.insert(0, Path(os.environ[GOLDEN_VARIABLE]))

    def find(name: str) -> Path:
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
            if (folder / f"{name}.xz").is_file():
                return folder / f"{name}.xz"
        pytest.skip(f"{name} is not at hand; set {GOLDEN_VARIABLE} to the folder that has it")

    return find


@pytest.fixture(params=["patches are copied", "patches are shared"])
def cloning(request, monkeypatch):
    """Both ways in which versions of the host clone a model."""
    from small import share_patches

    share_patches(monkeypatch, request.param == "patches are shared")
