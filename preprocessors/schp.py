"""SCHP as an ONNX file: Li et al., "Self-Correction for Human Parsing", 2019, with LIP's, ATR's or Pascal's classes.

The whole picture is fitted into the network's square, its aspect kept and the rest black, so that the centres of the
longer side's outermost pixels lie on those of the square's; blue comes first. Scores come at a quarter of the size and
go back the same way (``simple_extractor.py`` of the published code).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError, reason
from .images import crop_square
from .label_sets import LABEL_SETS, SCHP_SETS, LabelSet, choose_label_set, largest_label
from .onnx import runtime
from .onnx.outline import read_outline

#: Of blue, green and red in 0–1.
MEAN, DEVIATION = (0.406, 0.456, 0.485), (0.225, 0.224, 0.229)
#: Sides of the networks as published, for a file whose size is free.
SIDES = {"LIP-20": 473, "ATR-18": 512, "Pascal-7": 512}
#: Numbers of classes among which an output of scores is looked for.
COUNTS = {len(LABEL_SETS[name].classes) for name in SCHP_SETS}


@dataclass(frozen=True, eq=False)
class SCHP:
    """A session and how to feed it.

    Attributes:
        session: onnxruntime's; memory goes with it.
        label_set: of its scores.
        side: of its square input, in pixels.
    """

    session: Any
    label_set: LabelSet
    side: int

    def labels(self, picture: Tensor) -> Tensor:
        """Labels of a picture ``[H, W, 3]`` in 0–1: :attr:`LabelSet.numbers`, uint8 ``[H, W]``."""
        height, width = picture.shape[:2]
        scores = F.interpolate(self._scores(picture)[None], (self.side, self.side), mode="bilinear", align_corners=True)
        # Where the picture's pixels lie in the square, in -1 … 1 from its first to its last pixel's centre.
        span = max(height, width, 2) - 1
        y, x = ((2 * torch.arange(length) - (length - 1)) / span for length in (height, width))
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None]

        def place(row: Tensor) -> Tensor:
            return F.grid_sample(row[None, None], grid, align_corners=True)[0, 0]

        return largest_label(scores[0], self.label_set, place)

    def _scores(self, picture: Tensor) -> Tensor:
        """Scores ``[C, h, w]`` of the square around a picture."""
        square = (_fit(picture, self.side).flip(-1) - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
        entry = self.session.get_inputs()[0]
        kind = np.float16 if "float16" in entry.type else np.float32
        outputs = self.session.run(None, {entry.name: square.movedim(-1, 0)[None].numpy().astype(kind)})
        count = len(self.label_set.classes)
        # The first one is the parsing branch's, the last its fusion with the edge branch: what SCHP's own code takes.
        maps = [output for output in outputs if np.ndim(output) == 4 and output.shape[:2] == (1, count)]
        if not maps:
            shapes = ", ".join(str(tuple(np.shape(output))) for output in outputs)
            raise ConditionError(
                f"The network's outputs ({shapes}) have no scores for the {count} classes of {self.label_set.name}: "
                f"[1, {count}, height, width] is needed. Set another label_set, or export SCHP again without argmax."
            )
        return torch.from_numpy(maps[-1][0].astype(np.float32))


def _fit(picture: Tensor, side: int) -> Tensor:
    """A picture ``[H, W, 3]`` in the middle of a black square ``[side, side, 3]``, as SCHP's warp has it."""
    height, width = picture.shape[:2]
    # From the first pixel's centre to the last's is the same in both, so half a pixel at each end is not.
    extent = max(height, width, 2) - 1
    around = extent * side / (side - 1)
    corner = (width - around) / 2, (height - around) / 2
    return crop_square(picture, torch.tensor([[around, 0, corner[0]], [0, around, corner[1]]]), side)


def is_schp(file: Path) -> bool:
    """Whether an ONNX file takes and gives what SCHP does, by its outline; False for a damaged one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        outline = read_outline(file)
    except ValueError:
        return False
    if len(outline.inputs) != 1 or len(outline.inputs[0]) != 4:
        return False
    _, channels, height, width = outline.inputs[0]
    counts = {shape[1] for shape in outline.outputs if len(shape) == 4}
    return channels in (3, None) and height == width and bool(counts & {*COUNTS, None})


def load(file: Path, label_set: str = "auto") -> SCHP:
    """Read SCHP from an ONNX file.

    Args:
        label_set: a name of :data:`LABEL_SETS`, or "auto": by the number of classes.

    Raises:
        ConditionError: the file is damaged or another network, or there is no onnxruntime.
    """
    runtime.needed(f"'{file.name}'")
    try:
        session = runtime.open_session(file)
    except (*runtime.errors(), ValueError, OSError) as error:
        raise ConditionError(
            f"'{file.name}' cannot be read as ONNX ({reason(error)}). It is cut short or another kind of file: "
            "download it again and compare its size."
        ) from error
    shape = session.get_inputs()[0].shape
    if len(session.get_inputs()) != 1 or len(shape) != 4 or shape[1] not in (3, *_free(shape[1])):
        raise ConditionError(f"{_what_it_is(file, session)} One input of [1, 3, height, width] is needed.")
    chosen = _label_set(file, session, label_set)
    height, width = (None if _free(length) else int(length) for length in shape[2:])
    if height != width:
        raise ConditionError(f"{_what_it_is(file, session)} Its input must be square.")
    return SCHP(session, chosen, height or SIDES.get(chosen.name, 512))


def _label_set(file: Path, session: Any, choice: str) -> LabelSet:
    channels = [output.shape[1] for output in session.get_outputs() if len(output.shape or ()) == 4]
    counts = [count for count in channels if count in COUNTS]
    if counts:
        return choose_label_set(choice, (), counts[-1], SCHP_SETS)
    if not any(_free(count) for count in channels):
        raise ConditionError(f"{_what_it_is(file, session)} An output of 7, 18 or 20 classes is needed.")
    if choice == "auto":
        raise ConditionError(
            f"'{file.name}' does not say how many classes it has. Set label_set to what it was made for."
        )
    return LABEL_SETS[choice]


def _free(length: int | str | None) -> tuple[int | str | None, ...]:
    """The length itself where a file leaves it open, by a name or by nothing; else empty."""
    return () if isinstance(length, int) and length > 0 else (length,)


def _what_it_is(file: Path, session: Any) -> str:
    ways = [
        ", ".join(str(list(entry.shape or ())) for entry in entries)
        for entries in (session.get_inputs(), session.get_outputs())
    ]
    return f"'{file.name}' is no SCHP network: it takes {ways[0]} and gives {ways[1]}."
