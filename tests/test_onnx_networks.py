"""The bundled networks by onnxruntime and by PyTorch, and what is said where onnxruntime is missing."""

import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import onnx as reference
import pytest
import torch
from generated import arcface
from mannequin.preprocessors import onnx, schp
from mannequin.preprocessors.antelopev2 import load_analyser
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.faces import find_faces
from mannequin.preprocessors.onnx import graph, runtime
from mannequin.preprocessors.onnx.torch_network import TorchNetwork
from mannequin.preprocessors.people import detect_poses
from PIL import Image

from devtools.host import ROOT

#: Of every network: shape of its input, what black is in it (white is 1), and the largest difference allowed, in parts
#: of an output's largest value: in float32 both ways are as far from float64 as from one another.
NETWORKS = {
    "blazepose_detector": ((1, 224, 224, 3), -1, 1e-5),
    "blazepose_detector_mediapipe": ((1, 224, 224, 3), -1, 1e-5),
    "blazepose_landmark_full": ((1, 256, 256, 3), 0, 2e-4),
    "blazeface_full_range": ((3, 192, 192, 3), -1, 1e-5),
    "hand_recrop": ((1, 256, 256, 3), 0, 1e-5),
    "hand_landmark_full": ((1, 224, 224, 3), 0, 2e-4),
}
PHOTOS = sorted(path for path in (ROOT / "workflows" / "inputs").glob("mannequin_*.*g") if "iuv" not in path.name)


def photo(path) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255)


@pytest.fixture
def without(monkeypatch):
    """No onnxruntime in this process."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    onnx.free()
    yield
    onnx.free()


@pytest.mark.parametrize("name", NETWORKS)
def test_both_ways_give_the_same(name):
    shape, black, tolerance = NETWORKS[name]
    image = Image.open(ROOT / "workflows" / "inputs" / "mannequin_group.jpg").convert("RGB")
    crops = [image.crop((150 * i, 0, 150 * i + 600, 600)).resize(shape[1:3]) for i in range(shape[0])]
    batch = np.stack([np.asarray(crop, np.float32) / 255 * (1 - black) + black for crop in crops])
    expected = onnx.run(name, batch)
    found = TorchNetwork(onnx.read(name))(batch)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype == np.float32
        assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_keypoints_and_faces_of_photos_are_the_same(path, monkeypatch):
    image = photo(path)
    seen = {}
    for way in ("onnxruntime", "torch"):
        if way == "torch":
            monkeypatch.setitem(sys.modules, "onnxruntime", None)
        onnx.free()
        (frame,), faces = detect_poses(image[None], "skip", "all"), find_faces(image)
        assert isinstance(onnx.network("blazepose_detector"), TorchNetwork) == (way == "torch")
        seen[way] = frame.people, torch.stack([face.points for face in faces])
    onnx.free()
    (people, points), (torch_people, torch_points) = seen.values()
    assert people.shape == torch_people.shape and len(people)
    # In pixels, of pictures of 350 to 900; which keypoints are seen is the same.
    assert torch.equal(people[..., 2] > 0, torch_people[..., 2] > 0)
    assert (people - torch_people)[..., :2].abs().max() / max(image.shape[:2]) < 2e-5
    assert (points - torch_points).abs().max() / max(image.shape[:2]) < 2e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_is_read_as_onnx_reads_it(name):
    model = onnx.read(name)
    ours, theirs = graph.read(model), reference.load_from_string(model).graph
    assert ours.inputs == [entry.name for entry in theirs.input]
    assert ours.outputs == [entry.name for entry in theirs.output]
    for node, other in zip(ours.nodes, theirs.node, strict=True):
        assert (node.operator, node.inputs, [node.output]) == (other.op_type, list(other.input), list(other.output))
        values = {entry.name: reference.helper.get_attribute_value(entry) for entry in other.attribute}
        assert node.attributes == {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}
    assert ours.weights.keys() == {tensor.name for tensor in theirs.initializer}
    for tensor in theirs.initializer:
        expected = reference.numpy_helper.to_array(tensor)
        found = ours.weights[tensor.name].numpy()
        assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_tensors_nobody_needs_any_more_are_let_go():
    network = TorchNetwork(onnx.read("blazeface_full_range"))
    made = {node.output for node in network._nodes} | {network._input}
    assert set().union(*network._spent) == made - set(network._outputs)


def test_the_same_bits_twice(without):
    image = photo(PHOTOS[0])[None]
    first, second = (detect_poses(image)[0].people for _ in range(2))
    assert torch.equal(first, second)


# Where there is none


MISSING = (
    r"needs onnxruntime, which is not installed: install onnxruntime, or onnxruntime-gpu for an NVIDIA card, one of"
)


def test_schp_without_onnxruntime(without, tmp_path):
    file = tmp_path / "blazepose_detector.onnx"
    file.write_bytes(onnx.read(file.stem))
    with pytest.raises(ConditionError, match=f"^'blazepose_detector.onnx' {MISSING}") as raised:
        schp.load(file)
    assert sys.executable in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.skipif(find_spec("insightface") is None, reason="insightface is not installed")
def test_insightface_without_onnxruntime(without, tmp_path):
    arcface(tmp_path / "x.onnx")
    with pytest.raises(ConditionError, match=f"^insightface {MISSING}"):
        load_analyser("antelopev2", tmp_path)


def test_what_is_left_of_an_uninstalled_build(monkeypatch):
    """The folder they shared, empty: Python imports it, and there is nothing in it."""
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    assert not runtime.found()
    with pytest.raises(ConditionError, match="cannot be loaded .*: remove both and install onnxruntime"):
        runtime.needed("SCHP")


@pytest.mark.parametrize(
    "known, expected",
    [
        (["CPUExecutionProvider"], ["CPUExecutionProvider"]),
        (
            ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
            ["CUDAExecutionProvider", "CPUExecutionProvider"],
        ),
        (["DmlExecutionProvider", "CPUExecutionProvider"], ["CPUExecutionProvider"]),
    ],
    ids=["cpu", "gpu", "directml"],
)
def test_any_build_is_known_by_its_module(monkeypatch, known, expected):
    """Which distribution it came from is never asked."""
    build = ModuleType("onnxruntime")
    build.InferenceSession, build.get_available_providers = object, lambda: known
    monkeypatch.setitem(sys.modules, "onnxruntime", build)
    assert runtime.found() and runtime.needed("SCHP") is build and runtime.providers() == expected
