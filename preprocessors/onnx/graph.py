"""The graph in an ONNX file, read without the ``onnx`` package: what ``onnx.proto3`` says of it, as far as ours go.

An ONNX file is a protocol buffer: a message of fields, each a number and a value, which may be a message again.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

#: How many bytes a value has, by the lowest three bits of its key: 0 is an integer of any length, 2 says its length.
INTEGER, COUNTED, FIXED = 0, 2, {1: 8, 5: 4}
#: TensorProto.DataType.
KINDS = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16}

Message = dict[int, list[int | memoryview]]
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


def read(file: Path) -> Graph:
    """The graph of an ONNX file, with its weights."""
    model = _message(memoryview(file.read_bytes()))
    graph = _message(model[7][0])
    inputs, outputs = ([_text(_message(entry)[1][0]) for entry in graph[number]] for number in (11, 12))
    return Graph([_node(_message(data)) for data in graph[1]], dict(map(_weight, graph[5])), inputs, outputs)


def _node(node: Message) -> Node:
    inputs, (output,), (operator,) = ([_text(name) for name in node[number]] for number in (1, 2, 4))
    return Node(operator, inputs, output, dict(map(_attribute, node[5])))


def _attribute(data: memoryview) -> tuple[str, Attribute]:
    """Its name and value, in whichever field that is; ours are no tensors and no fractions."""
    attribute = _message(data)
    whole, text = attribute[3], attribute[4]
    return _text(attribute[1][0]), whole[0] if whole else _text(text[0]) if text else _integers(attribute[8])


def _weight(data: memoryview) -> tuple[str, Tensor]:
    tensor = _message(data)
    # Its bytes as they lie in memory; short lists of float32 have a field of their own, and the same bytes.
    values = np.frombuffer(bytearray(b"".join(tensor[9] or tensor[4])), KINDS[tensor[2][0]])
    return _text(tensor[8][0]), torch.from_numpy(values.reshape(_integers(tensor[1])))


def _text(value: memoryview) -> str:
    return bytes(value).decode()


def _integers(values: list[int | memoryview]) -> list[int]:
    """A list of integers: each a field, or all in one."""
    found = []
    for value in values:
        place, end = 0, 0 if isinstance(value, int) else len(value)
        found += [value] if isinstance(value, int) else []
        while place < end:
            number, place = _integer(value, place)
            found.append(number)
    return found


def _message(data: memoryview) -> Message:
    """All values of every field, by the field's number; a field that is not there has none."""
    fields, place = defaultdict(list), 0
    while place < len(data):
        key, place = _integer(data, place)
        if key & 7 == INTEGER:
            value, place = _integer(data, place)
        else:
            length, place = _integer(data, place) if key & 7 == COUNTED else (FIXED[key & 7], place)
            value, place = data[place : place + length], place + length
        fields[key >> 3].append(value)
    return fields


def _integer(data: memoryview, place: int) -> tuple[int, int]:
    """An integer of 64 bits with a sign, seven bits a byte, the lowest first; and the place behind it."""
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value - (value >> 63 << 64), place
