"""A network of an ONNX file in PyTorch: the operators (opset 15) that the networks of the pack use, and no others."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import graph
from .graph import Attribute, Node

Attributes = dict[str, Attribute]
#: Where a Cast goes, by TensorProto.DataType.
TYPES = {1: torch.float32, 6: torch.int32, 7: torch.int64}


class TorchNetwork:
    """A network with one input, on the processor; of an ONNX file's content."""

    def __init__(self, model: bytes):
        read = graph.read(model)
        (self._input,), self._outputs = read.inputs, read.outputs
        constants, self._nodes = dict(read.weights), []
        for node in read.nodes:
            # Weights lie there in half precision, a Cast behind each: what needs no input is computed once.
            if constants.keys() >= set(node.inputs):
                constants[node.output] = _result(node, constants)
            else:
                self._nodes.append(node)
        used = {name: place for place, node in enumerate(self._nodes) for name in node.inputs}
        self._weights = {name: constants[name] for name in used.keys() & constants.keys()}
        kept = self._weights.keys() | set(self._outputs)
        # The tensors of which each node is the last to need them: of a batch, all together would be a gigabyte.
        self._spent = [
            {name for name in node.inputs if used[name] == place} - kept for place, node in enumerate(self._nodes)
        ]

    @torch.inference_mode()
    def __call__(self, image: np.ndarray) -> list[np.ndarray]:
        """All outputs for its input, float32."""
        values = self._weights | {self._input: torch.from_numpy(image)}
        for node, spent in zip(self._nodes, self._spent, strict=True):
            values[node.output] = _result(node, values)
            for name in spent:
                del values[name]
        return [values[name].numpy() for name in self._outputs]


def _result(node: Node, values: dict[str, Tensor]) -> Tensor:
    return OPERATORS[node.operator](node.attributes, *(values[name] for name in node.inputs))


def _convolution(attributes: Attributes, image: Tensor, *weights: Tensor) -> Tensor:
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    padding = (top, left)
    if padding != (bottom, right):
        image, padding = F.pad(image, (left, right, top, bottom)), 0
    return F.conv2d(image, *weights, stride=attributes["strides"], padding=padding, groups=attributes["group"])


def _depth_to_space(attributes: Attributes, image: Tensor) -> Tensor:
    """Channels are rows, columns and what is left, in this order; PyTorch's pixel_shuffle has another."""
    side = attributes["blocksize"]
    blocks = image.unflatten(1, (side, side, -1))
    return blocks.permute(0, 3, 4, 1, 5, 2).flatten(4).flatten(2, 3)


def _gemm(attributes: Attributes, rows: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    return rows @ (weights.T if attributes.get("transB") else weights) + bias


def _pad(_: Attributes, image: Tensor, pads: Tensor) -> Tensor:
    """Zeros around it. ONNX counts those before every axis, then those behind; PyTorch goes from the last axis."""
    return F.pad(image, pads.reshape(2, -1).T.flip(0).flatten().tolist())


def _resize(_: Attributes, image: Tensor, region: Tensor, scales: Tensor) -> Tensor:
    """Linear, by centres of pixels; the region is another mode's."""
    return F.interpolate(image, scale_factor=scales[2:].tolist(), mode="bilinear", align_corners=False)


def _slice(_: Attributes, values: Tensor, starts: Tensor, ends: Tensor, axes: Tensor) -> Tensor:
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True):
        places = range(*slice(start, end).indices(values.shape[axis]))
        values = values.narrow(axis, places.start, len(places))
    return values


#: Attributes and inputs to the result.
OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, some, other: some + other,
    "Cast": lambda attributes, values: values.to(TYPES[attributes["to"]]),
    "Clip": lambda _, values, low, high: values.clamp(low, high),
    "Concat": lambda attributes, *parts: torch.cat(parts, attributes["axis"]),
    "Conv": _convolution,
    "DepthToSpace": _depth_to_space,
    "Gather": lambda _, values, places: values[places],
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, image: image.mean((2, 3), keepdim=True),
    "MaxPool": lambda attributes, image: F.max_pool2d(image, attributes["kernel_shape"], attributes["strides"]),
    "PRelu": lambda _, values, slope: torch.where(values < 0, values * slope, values),
    "Pad": _pad,
    "Relu": lambda _, values: values.relu(),
    "Reshape": lambda _, values, shape: values.reshape(shape.tolist()),
    "Resize": _resize,
    "Shape": lambda _, values: torch.tensor(values.shape),
    "Sigmoid": lambda _, values: values.sigmoid(),
    "Slice": _slice,
    "Squeeze": lambda _, values, axes: values.squeeze(axes.tolist()),
    "Transpose": lambda attributes, image: image.permute(attributes["perm"]),
}
