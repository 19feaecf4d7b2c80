"""BlazeFace, full range: the face detector that comes with the pack.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019; MediaPipe's model for faces
up to five metres away.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from . import onnx

SIDE = 192
#: The one feature map has an anchor in the middle of each cell.
CELLS = 48
#: The network's points. Left and right are the person's own.
POINTS = ("right eye", "left eye", "nose", "mouth", "right ear", "left ear")
#: Boxes that cover one another by more than this, as a share of the smaller one, mean the same face.
SAME_FACE = 0.4
#: Squares that go through the network at once.
AT_ONCE = 16


@dataclass(frozen=True, eq=False)
class Detections:
    """Likely faces.

    Attributes:
        scores: ``[n]`` in 0–1.
        boxes: ``[n, 4]``: left, top, right, bottom, in pixels.
        points: ``[n, 6, 2]``: x, y of :data:`POINTS`, in pixels.
    """

    scores: Tensor
    boxes: Tensor
    points: Tensor

    def __getitem__(self, which: Tensor) -> "Detections":
        return Detections(self.scores[which], self.boxes[which], self.points[which])

    def placed(self, scale: float, offset: tuple[float, float]) -> "Detections":
        """The same in another picture: multiplied by ``scale``, then moved by ``offset`` (x, y)."""
        place = torch.tensor(offset)
        return Detections(self.scores, self.boxes * scale + place.repeat(2), self.points * scale + place)


def together(parts: list[Detections]) -> Detections:
    """All detections of several lists; none are none."""
    empty = Detections(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0, len(POINTS), 2))
    columns = zip(*((part.scores, part.boxes, part.points) for part in [empty, *parts]), strict=True)
    return Detections(*map(torch.cat, columns))


def detect(squares: Tensor, least: float) -> Iterator[Detections]:
    """The faces in each of some squares ``[n, 192, 192, 3]`` in 0–1, in the squares' pixels: one detection a face.

    Args:
        least: score below which nothing counts.
    """
    for batch in squares.split(AT_ONCE):
        (raw,) = onnx.run("blazeface_full_range", (batch * 2 - 1).numpy())
        for answers in torch.from_numpy(raw):
            yield _one_a_face(_decoded(answers, least))


def _decoded(raw: Tensor, least: float) -> Detections:
    """The network's answer ``[2304, 17]``, a row an anchor: score, centre and size of the box, points."""
    scores = raw[:, 0].clamp(-100, 100).sigmoid()
    likely = scores >= least
    scores, raw, anchors = scores[likely], raw[likely], _anchors()[likely]
    centres, half = raw[:, 1:3] + anchors, raw[:, 3:5].abs() / 2
    points = raw[:, 5:].unflatten(1, (len(POINTS), 2)) + anchors[:, None]
    return Detections(scores, torch.cat([centres - half, centres + half], 1), points)


@functools.cache
def _anchors() -> Tensor:
    """Cell centres in pixels, ``[2304, 2]``."""
    centres = (torch.arange(CELLS) + 0.5) * SIDE / CELLS
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def groups(found: Detections) -> Iterator[Tensor]:
    """Numbers of the detections that mean one face, the best first: a face at a time, the best face first."""
    sizes = (found.boxes[:, 2:] - found.boxes[:, :2]).clamp(min=0).prod(1)
    left = found.scores.argsort(descending=True, stable=True)
    while len(left):
        best = left[0]
        low = torch.maximum(found.boxes[best, :2], found.boxes[left, :2])
        high = torch.minimum(found.boxes[best, 2:], found.boxes[left, 2:])
        common = (high - low).clamp(min=0).prod(1)
        # A share of the smaller box: half a face at a tile's edge lies within the whole one.
        same = common / torch.minimum(sizes[best], sizes[left]).clamp(min=1e-6) > SAME_FACE
        same[0] = True
        yield left[same]
        left = left[~same]


def _one_a_face(found: Detections) -> Detections:
    """Neighbouring anchors see the same face: their mean, weighted by score, is steadier than the best of them."""
    merged = []
    for group in groups(found):
        weights = (found.scores[group] / found.scores[group].sum())[:, None]
        boxes, points = (found.boxes[group] * weights).sum(0), (found.points[group] * weights[..., None]).sum(0)
        merged.append(Detections(found.scores[group].max()[None], boxes[None], points[None]))
    return together(merged)
