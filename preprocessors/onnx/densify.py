"""Write out the sparse weights of a tflite file, which converters to ONNX do not read: ``python densify.py IN OUT``.

Needs a throw-away environment with ``ai-edge-litert`` and ``flatbuffers``, not the pack's. TensorFlow Lite itself
unpacks the weights (its DENSIFY operators run once); they are stored where the operators stood.
"""

import sys
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType


def densify(sparse: Path, dense: Path) -> None:
    """The same network without DENSIFY operators."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(sparse.read_bytes(), 0))
    graph = model.subgraphs[0]
    unpacked = _run_once(sparse)
    kept = []
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.DENSIFY:
            kept.append(operator)
            continue
        values = unpacked.get_tensor(operator.outputs[0])
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
        graph.tensors[operator.outputs[0]].buffer = len(model.buffers) - 1
        packed = graph.tensors[operator.inputs[0]]
        packed.sparsity, packed.shape, packed.shapeSignature = None, np.array([1], np.int32), None
        model.buffers[packed.buffer].data = np.zeros(2, np.uint8)
    graph.operators = kept
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    dense.write_bytes(bytes(builder.Output()))


def _run_once(file: Path) -> Interpreter:
    interpreter = Interpreter(
        str(file),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    image = interpreter.get_input_details()[0]
    interpreter.set_tensor(image["index"], np.zeros(image["shape"], np.float32))
    interpreter.invoke()
    return interpreter


if __name__ == "__main__":
    densify(Path(sys.argv[1]), Path(sys.argv[2]))
