"""What an ONNX file takes and gives, read without its weights, which onnxruntime would load to say it.

The format is protocol buffers: fields one behind the other, each with a number and most with a length.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: A length, or None where the file leaves it open.
Shape = tuple[int | None, ...]

#: Of one message: SCHP's graph has some thousand nodes and weights.
MOST_FIELDS = 10**5
#: Numbers of fields in ModelProto, GraphProto, TensorProto, ValueInfoProto, TypeProto, Tensor, TensorShapeProto and
#: Dimension.
_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_INITIALIZER_NAME, _NAME, _TYPE, _TENSOR, _SHAPE, _DIM, _DIM_VALUE = 8, 1, 2, 1, 2, 1, 1
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class Outline:
    """Shapes of a network's inputs and outputs; weights that old files list among the inputs are not among them."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


@dataclass(frozen=True)
class _Field:
    number: int
    value: int
    start: int
    end: int


def read_outline(path: Path) -> Outline:
    """The outline of an ONNX file.

    Raises:
        ValueError: it is another kind of file, or cut short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        whole = _Field(0, 0, 0, path.stat().st_size)
        graphs = [field for field in _fields(file, whole) if field.number == _GRAPH]
        if len(graphs) != 1:
            raise ValueError("no network")
        weights, named = set(), {_INPUT: {}, _OUTPUT: {}}
        for field in _fields(file, graphs[0]):
            if field.number == _INITIALIZER:
                weights.add(_text(file, field, _INITIALIZER_NAME))
            elif field.number in named:
                named[field.number][_text(file, field, _NAME)] = _shape(file, field)
    inputs = (shape for name, shape in named[_INPUT].items() if name not in weights)
    return Outline(tuple(inputs), tuple(named[_OUTPUT].values()))


def _fields(file: io.BufferedReader, within: _Field) -> Iterator[_Field]:
    """The fields of a message, whose contents are passed over."""
    place = within.start
    for _ in range(MOST_FIELDS):
        if place == within.end:
            return
        file.seek(place)
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        value = _varint(file) if kind in (_VARINT, _LENGTH) else 0
        start = file.tell()
        sizes = {_VARINT: 0, _LENGTH: value, _EIGHT_BYTES: 8, _FOUR_BYTES: 4}
        if not number or kind not in sizes or start + sizes[kind] > within.end:
            raise ValueError("no ONNX file")
        place = start + sizes[kind]
        yield _Field(number, value, start, place)
    raise ValueError("more parts than a network has")


def _varint(file: io.BufferedReader) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return value
    raise ValueError("no ONNX file")


def _inner(file: io.BufferedReader, field: _Field, *numbers: int) -> _Field | None:
    """The first field of that number inside that of the number before; None where one of them is not there."""
    for number in numbers:
        field = next((inner for inner in _fields(file, field) if inner.number == number), None)
        if field is None:
            return None
    return field


def _text(file: io.BufferedReader, field: _Field, number: int) -> bytes:
    inner = _inner(file, field, number)
    if inner is None:
        return b""
    file.seek(inner.start)
    return file.read(inner.end - inner.start)


def _shape(file: io.BufferedReader, value: _Field) -> Shape:
    shape = _inner(file, value, _TYPE, _TENSOR, _SHAPE)
    dims = [] if shape is None else [field for field in _fields(file, shape) if field.number == _DIM]
    lengths = (_inner(file, dim, _DIM_VALUE) for dim in dims)
    return tuple(length.value if length and length.value else None for length in lengths)
