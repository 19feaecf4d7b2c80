"""What an ONNX file takes and gives, read without its weights, which onnxruntime would load to say it."""

import mmap
from dataclasses import dataclass
from pathlib import Path

from .protobuf import inside, message, text

#: A length, or None where the file leaves it open.
Shape = tuple[int | None, ...]

#: Numbers of fields in ModelProto, GraphProto, TensorProto, ValueInfoProto, TypeProto, Tensor, TensorShapeProto and
#: Dimension.
_GRAPH, _INITIALIZER, _INPUT, _OUTPUT = 7, 5, 11, 12
_INITIALIZER_NAME, _NAME, _TYPE, _TENSOR, _SHAPE, _DIM, _DIM_VALUE = 8, 1, 2, 1, 2, 1, 1


@dataclass(frozen=True)
class Outline:
    """Shapes of a network's inputs and outputs; weights that old files list among the inputs are not among them."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]


def read_outline(path: Path) -> Outline:
    """The outline of an ONNX file.

    Raises:
        ValueError: it is another kind of file, or cut short.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise ValueError("an empty file")
        # Let go of with the last view into it.
        return _outline(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def _outline(data: memoryview) -> Outline:
    graphs = message(data)[_GRAPH]
    if len(graphs) != 1:
        raise ValueError("no network")
    graph = message(inside(graphs[0]))
    weights = {_field_text(entry, _INITIALIZER_NAME) for entry in graph[_INITIALIZER]}
    inputs = [_shape(entry) for entry in graph[_INPUT] if _field_text(entry, _NAME) not in weights]
    return Outline(tuple(inputs), tuple(_shape(entry) for entry in graph[_OUTPUT]))


def _field_text(entry: int | memoryview, number: int) -> str:
    return "".join(map(text, message(inside(entry))[number][:1]))


def _shape(entry: int | memoryview) -> Shape:
    shape = [inside(entry)]
    for number in (_TYPE, _TENSOR, _SHAPE):
        shape = [inside(value) for part in shape for value in message(part)[number][:1]]
    dims = [message(inside(dim)) for part in shape for dim in message(part)[_DIM]]
    lengths = (dim[_DIM_VALUE] for dim in dims)
    return tuple(value[0] if value and isinstance(value[0], int) and value[0] > 0 else None for value in lengths)
