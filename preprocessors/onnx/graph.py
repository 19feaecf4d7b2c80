"""The graph in an ONNX file, read without the ``onnx`` package: what ``onnx.proto3`` says of it, as far as ours go."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .protobuf import Message, integers, message, text

#: TensorProto.DataType.
KINDS = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16}

Attribute = int | list[int] | str


@dataclass(frozen=True, eq=False)
class Node:
    """One operator.

    Attributes:
        operator: its name, such as "Conv".
        inputs: names of tensors; one left out is "".
        output: name of the tensor it makes; ours make one each.
        attributes: by name.
    """

    operator: str
    inputs: list[str]
    output: str
    attributes: dict[str, Attribute]


@dataclass(frozen=True, eq=False)
class Graph:
    """A network.

    Attributes:
        nodes: in the order in which they run.
        weights: constant tensors by name.
        inputs: names of the tensors that go in.
        outputs: names of the tensors that come out.
    """

    nodes: list[Node]
    weights: dict[str, Tensor]
    inputs: list[str]
    outputs: list[str]


def read(content: bytes) -> Graph:
    """The graph of an ONNX file's content, with its weights."""
    model = message(memoryview(content))
    graph = message(model[7][0])
    inputs, outputs = ([text(message(entry)[1][0]) for entry in graph[number]] for number in (11, 12))
    return Graph([_node(message(data)) for data in graph[1]], dict(map(_weight, graph[5])), inputs, outputs)


def _node(node: Message) -> Node:
    inputs, (output,), (operator,) = ([text(name) for name in node[number]] for number in (1, 2, 4))
    return Node(operator, inputs, output, dict(map(_attribute, node[5])))


def _attribute(data: memoryview) -> tuple[str, Attribute]:
    """Its name and value, in whichever field that is; ours are no tensors and no fractions."""
    attribute = message(data)
    whole, words = attribute[3], attribute[4]
    return text(attribute[1][0]), whole[0] if whole else text(words[0]) if words else integers(attribute[8])


def _weight(data: memoryview) -> tuple[str, Tensor]:
    tensor = message(data)
    # Its bytes as they lie in memory; short lists of float32 have a field of their own, and the same bytes.
    values = np.frombuffer(bytearray(b"".join(tensor[9] or tensor[4])), KINDS[tensor[2][0]])
    return text(tensor[8][0]), torch.from_numpy(values.reshape(integers(tensor[1])))
