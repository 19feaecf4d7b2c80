"""Weight files that cannot be read, whichever reader the host has."""

import struct

import comfy.utils
import folder_paths
import pytest
import torch
from mannequin.model_patches.errors import PatchError
from mannequin.nodes import model_files
from mannequin.nodes.model_files import DEMO, WEIGHTS_FOLDER, read_weights
from safetensors import SafetensorError

ERRORS = [
    AttributeError("'list' object has no attribute 'items'"),
    KeyError("data_offsets"),
    OSError(22, "Invalid argument"),
    RuntimeError(""),
    RuntimeError("both buffer length (3) and count (-1) must not be 0"),
    SafetensorError("Error while deserializing header: header too small"),
    TypeError("list indices must be integers or slices, not str"),
    ValueError("The safetensors header is incomplete.\n\nFile path: /somewhere"),
    struct.error("unpack requires a buffer of 8 bytes"),
]


@pytest.fixture
def broken(tmp_path, monkeypatch) -> str:
    """Name of a file among the pack's weights that is none."""
    places, endings = folder_paths.folder_names_and_paths[WEIGHTS_FOLDER]
    monkeypatch.setitem(folder_paths.folder_names_and_paths, WEIGHTS_FOLDER, ([*places, str(tmp_path)], endings))
    (tmp_path / "broken.safetensors").write_bytes(b"\x80")
    return "broken.safetensors"


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_every_readers_error_becomes_the_sentence(broken, monkeypatch, error):
    def reader(*words, **named):
        raise error

    monkeypatch.setattr(model_files, "WHOLE", 0)
    monkeypatch.setattr(comfy.utils, "load_torch_file", reader)
    with pytest.raises(
        PatchError, match=r"^'broken.safetensors' cannot be read as safetensors \([^\n]+\)\. It is trunc"
    ):
        read_weights(broken)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\xff" * 8, b"\x02" + bytes(7) + b"[]", b"\x40" + bytes(7) + b"{"])
@pytest.mark.parametrize("whole", [0, 64], ids=["the host's reader", "whole"])
def test_a_broken_file(broken, tmp_path, monkeypatch, content, whole):
    monkeypatch.setattr(model_files, "WHOLE", whole)
    (tmp_path / broken).write_bytes(content)
    with pytest.raises(PatchError, match="cannot be read as safetensors"):
        read_weights(broken)


@pytest.mark.parametrize("name", sorted(path.name for path in (DEMO / "models").glob("*.safetensors")))
def test_read_whole_it_is_what_the_host_reads(monkeypatch, name):
    state, metadata = read_weights(name)
    monkeypatch.setattr(model_files, "WHOLE", 0)
    expected, stated = read_weights(name)
    assert metadata == stated and set(state) == set(expected)
    for key, tensor in state.items():
        assert tensor.dtype == expected[key].dtype and torch.equal(tensor, expected[key]), key


def test_a_file_that_is_not_there():
    """Said by us: some hosts ask the node before they look into its list."""
    there = "demo_truepose.safetensors"
    with pytest.raises(
        PatchError, match=rf"^There is no 'gone.safetensors' in models/mannequin, which holds .*{there}"
    ):
        read_weights("gone.safetensors")
