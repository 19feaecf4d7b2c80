"""Small networks of the true file formats, generated: what they find can be computed by hand."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

#: Vectors of the generated recogniser: mean colour of the aligned face in -1…1 (red, green, blue), times this.
COLOURS = torch.randn(3, 512, generator=torch.Generator().manual_seed(4)) * 5


def _network(nodes, inputs, outputs, constants, file: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "generated",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def scrfd(file: Path, side: int | None = None, points: bool = True) -> None:
    """A detector of SCRFD's format: nine outputs, two anchors a cell.

    Stride 32 finds faces of red, 128 pixels wide, and stride 8 faces of green, 48 wide, where one of their cells is
    brighter by far than the picture is on the whole: a face that fills the picture is not found.
    """
    from onnx import helper

    # ArcFace's template, so that the aligned face is the square of half a cell around the anchor.
    template = [38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041]
    constants = {
        "zero": np.float32(0),
        "steep": np.float32(8),
        "least": np.float32(-1.3),
        "flat": np.array([-1, 1]),
        "one_anchor": np.array([1, 0], np.float32).reshape(1, 2, 1, 1),
        "landmarks": np.float32([[(value - 56) / 112 for value in template]]),
    }
    nodes, outputs = [], {}

    def add(kind, arguments, result, **attributes):
        nodes.append(helper.make_node(kind, arguments, [result], **attributes))
        return result

    for stride, channel, distance in ((8, 1, 3.0), (16, 2, 1.0), (32, 0, 2.0)):
        constants[f"channel{stride}"] = np.array([channel])
        constants[f"box{stride}"] = np.full((1, 4), distance, np.float32)
        colour = add("Gather", ["image", f"channel{stride}"], f"colour{stride}", axis=1)
        cells = add("AveragePool", [colour], f"cells{stride}", kernel_shape=[stride] * 2, strides=[stride] * 2)
        overall = add("GlobalAveragePool", [colour], f"overall{stride}")
        contrast = add("Sub", [cells, overall], f"contrast{stride}")
        above = add("Add", [contrast, "least"], f"above{stride}")
        steep = add("Mul", [above, "steep"], f"steep{stride}")
        score = add("Sigmoid", [steep], f"likely{stride}")
        # Nothing is found at the middle stride.
        score = add("Mul", [score, "zero"], f"never{stride}") if stride == 16 else score
        anchors = add("Mul", [score, "one_anchor"], f"anchors{stride}")
        rows = add("Transpose", [anchors], f"rows{stride}", perm=[0, 2, 3, 1])
        outputs[f"score_{stride}"] = add("Reshape", [rows, "column"], f"score_{stride}")
        none = add("Mul", [f"score_{stride}", "zero"], f"none{stride}")
        add("Add", [none, f"box{stride}"], f"bbox_{stride}")
        add("Add", [none, "landmarks"], f"kps_{stride}")
    constants["column"] = np.array([-1, 1])
    kinds = (("score", 1), ("bbox", 4), ("kps", 10))[: 3 if points else 2]
    shapes = [(f"{kind}_{stride}", [f"n{stride}", width]) for kind, width in kinds for stride in (8, 16, 32)]
    _network(nodes, [("image", [1, 3, side or "height", side or "width"])], shapes, constants, file)


def arcface(file: Path, width: int = 512) -> None:
    """A recogniser of ArcFace's format: the mean colour, seen through a random matrix."""
    from onnx import helper

    nodes = [
        helper.make_node("GlobalAveragePool", ["face"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["colour"]),
        helper.make_node("MatMul", ["colour", "matrix"], ["vector"]),
    ]
    shapes = [("face", ["n", 3, 112, 112])], [("vector", ["n", width])]
    _network(nodes, *shapes, {"matrix": COLOURS[:, :width].numpy()}, file)


def pack(folder: Path) -> Path:
    """A folder of models under names of no meaning."""
    folder.mkdir(parents=True)
    scrfd(folder / "zz.onnx")
    arcface(folder / "aa.onnx")
    return folder


class TwoPeople(nn.Module):
    """A network of the true format that finds two people wherever it looks.

    The one in the left half is part 2 above and part 24 below, the one at the lower right is part 7. U runs along x, V
    is the mean of the first channel, and a quarter of each box on its right is background.
    """

    def __init__(self, people: int = 2):
        super().__init__()
        self.people = people
        self.register_buffer("pixel_mean", torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        height, width = float(picture.shape[1]), float(picture.shape[2])
        boxes = torch.tensor([[0.0, 0.0, width / 2, height], [width / 2, height / 2, width, height]])
        coarse = torch.zeros(2, 2, 28, 28)
        coarse[:, 1] = 1.0
        coarse[:, 1, :, 21:] = -1.0
        fine = torch.zeros(2, 25, 28, 28)
        fine[0, 2, :14] = 5.0
        fine[0, 24, 14:] = 5.0
        fine[1, 7] = 5.0
        u = torch.linspace(0.0, 1.0, 28).expand(2, 25, 28, 28).contiguous()
        # Channel 0 is blue for a network whose mean begins with blue.
        v = (picture[0].float().mean() / 255).expand(2, 25, 28, 28).contiguous()
        people = self.people
        return boxes[:people], coarse[:people], fine[:people], u[:people], v[:people]


def densepose_file(folder: Path, people: int = 2, name: str = "densepose_r50_fpn_dl.torchscript") -> Path:
    """The network above as the TorchScript file that users have."""
    file = folder / name
    torch.jit.script(TwoPeople(people)).save(str(file))
    return file
