"""The host in this process, one real server for the suite, and where golden files lie."""

import os
import sys
from pathlib import Path

import pytest

from devtools.host import ROOT, import_host

import_host()
# For what tests share (small.py): pytest's importlib mode leaves their folder off the path.
sys.path.append(str(Path(__file__).parent))

GOLDEN_VARIABLE = "MANNEQUIN_GOLDEN"


@pytest.fixture(autouse=True)
def _inference_mode():
    """As the host runs nodes; a test that needs gradients opens ``torch.inference_mode(False)`` itself."""
    import torch

    with torch.inference_mode():
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
        pytest.skip(f"{name} is not at hand; set {GOLDEN_VARIABLE} to the folder that has it")

    return find


@pytest.fixture(params=["patches are copied", "patches are shared"])
def cloning(request, monkeypatch):
    """Both ways in which versions of the host clone a model."""
    from small import share_patches

    share_patches(monkeypatch, request.param == "patches are shared")
