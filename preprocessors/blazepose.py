"""BlazePose: people in a picture, 33 landmarks and a mask each, from the two networks that come with the pack.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020. The detector finds hips and body size;
the landmark network sees an upright square around them.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from . import onnx
from .images import crop_square, letterbox

DETECTOR_SIDE, LANDMARK_SIDE = 224, 256
LANDMARKS = 33
#: Side of a feature map and anchors on each of its cells.
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))
MIN_SCORE, MIN_PRESENCE, SAME_PERSON_IOU = 0.5, 0.5, 0.3
#: The same of what was only found in tiles, where page layouts and cut-off bodies look like people.
MIN_TILE_PRESENCE = 0.8
#: A picture in which nobody is large enough to be found is searched again in squares, at most this many along a side.
MOST_TILES = 16
#: A picture longer than this, in its shorter sides, is cut into squares of the shorter side.
LONG_PICTURE = 1.5
#: How much larger than the body the landmark network's square is.
MARGIN = 1.25
MOST_PEOPLE = 16


@dataclass(frozen=True, eq=False)
class Person:
    """One person.

    Attributes:
        landmarks: ``[33, 3]``: x, y in pixels of the picture, visibility in 0–1.
        crop_mask: ``[256, 256]`` in 0–1, of the square around the person.
        square: affine map ``[2, 3]`` from that square (x, y in 0–1) to pixels of the picture.
        size: height and width of the picture.
        score: the detector's confidence.
    """

    landmarks: Tensor
    crop_mask: Tensor
    square: Tensor
    size: tuple[int, int]
    score: float

    @property
    def mask(self) -> Tensor:
        """``[H, W]`` in 0–1, the whole picture; made when asked for, since sixteen of an 8K picture are 2 GB."""
        return _mask_in_picture(self.crop_mask, self.square, self.size)

    @property
    def extent(self) -> float:
        """Side of the square around the person, in pixels."""
        return float(self.square[:, 0].norm())


def find_people(picture: Tensor) -> list[Person]:
    """Everyone in a picture ``[H, W, 3]`` in 0–1, the largest first. No one is an empty list."""
    people = []
    candidates, least = _candidates(picture), MIN_PRESENCE
    if not len(candidates[0]):
        tiled = zip(*map(_in_tile, _tiles(picture)), strict=True)
        candidates, least = tuple(torch.cat(parts) for parts in tiled), MIN_TILE_PRESENCE
    for score, hips, top in _merged(*candidates):
        square = _upright_square(hips, top)
        landmarks, mask, presence = _landmarks(picture, square)
        if presence >= least:
            people.append(Person(landmarks, mask, square, tuple(picture.shape[:2]), score))
    return sorted(people, key=lambda person: -person.extent)


def _merged(scores: Tensor, boxes: Tensor, points: Tensor) -> list[tuple[float, Tensor, Tensor]]:
    """Score, middle of the hips and top of the body's circle, in pixels, for every person."""
    found = []
    for group in _groups(boxes, scores):
        weights = scores[group] / scores[group].sum()
        hips, top = (points[group] * weights[:, None, None]).sum(0)[:2]
        found.append((float(scores[group].max()), hips, top))
    return found[:MOST_PEOPLE]


def _tiles(picture: Tensor) -> list[tuple[Tensor, int, int]]:
    """Squares that overlap by half, with the place (x, y) of each: people small in the picture are large in one."""
    short, long = sorted(picture.shape[:2])
    side = max(short if long > LONG_PICTURE * short else math.ceil(long / 2), math.ceil(long / MOST_TILES), 1)
    starts = [
        [*range(0, max(length - side, 0), max(side // 2, 1)), max(length - side, 0)] for length in picture.shape[:2]
    ]
    return [(picture[y : y + side, x : x + side], x, y) for y in starts[0] for x in starts[1]]


def _in_tile(tile: tuple[Tensor, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The candidates of a tile, in pixels of the whole picture."""
    picture, x, y = tile
    scores, boxes, points = _candidates(picture)
    return scores, boxes + torch.tensor([x, y, 0, 0]), points + torch.tensor([x, y])


def _candidates(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Likely detections, several a person.

    Returns:
        Scores ``[n]``, boxes ``[n, 4]`` (centre x, y, width, height) and points ``[n, 4, 2]``, in pixels.
    """
    square, scale, offset = letterbox(picture, DETECTOR_SIDE)
    (raw,) = onnx.run("blazepose_detector", (square * 2 - 1)[None].numpy())
    raw = torch.from_numpy(raw[0])
    scores = raw[:, 0].clamp(-100, 100).sigmoid()
    likely = scores >= MIN_SCORE
    scores, raw, anchors = scores[likely], raw[likely], _anchors()[likely]
    boxes = raw[:, 1:5].clone()
    boxes[:, :2] += anchors
    points = raw[:, 5:].unflatten(1, (4, 2)) + anchors[:, None]
    place = torch.tensor(offset)
    boxes[:, :2] -= place
    return scores, boxes / scale, (points - place) / scale


@functools.cache
def _anchors() -> Tensor:
    """Cell centres in detector pixels, ``[2254, 2]``."""
    rows = []
    for side, count in ANCHOR_GRIDS:
        centres = (torch.arange(side) + 0.5) * DETECTOR_SIDE / side
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        rows.append(torch.stack([x, y], -1).flatten(0, 1).repeat_interleave(count, 0))
    return torch.cat(rows)


def _groups(boxes: Tensor, scores: Tensor) -> list[Tensor]:
    """Detections that mean one person, the best person first: MediaPipe's weighted non-maximum suppression."""
    corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    areas = boxes[:, 2].clamp(min=0) * boxes[:, 3].clamp(min=0)
    left = scores.argsort(descending=True)
    groups = []
    while len(left):
        best = left[0]
        low = torch.maximum(corners[best, :2], corners[left, :2])
        high = torch.minimum(corners[best, 2:], corners[left, 2:])
        common = (high - low).clamp(min=0).prod(1)
        overlap = common / (areas[best] + areas[left] - common).clamp(min=1e-6)
        same = overlap > SAME_PERSON_IOU
        same[0] = True
        groups.append(left[same])
        left = left[~same]
    return groups


def _upright_square(hips: Tensor, top: Tensor) -> Tensor:
    """Affine map from the unit square to the picture: centred at the hips, the body's axis upright."""
    axis = top - hips
    side = 2 * float(axis.norm()) * MARGIN
    angle = math.atan2(float(axis[1]), float(axis[0])) + math.pi / 2
    cos, sin = math.cos(angle) * side, math.sin(angle) * side
    linear = torch.tensor([[cos, -sin], [sin, cos]])
    return torch.cat([linear, (hips - linear.sum(1) / 2)[:, None]], 1)


def _landmarks(picture: Tensor, square: Tensor) -> tuple[Tensor, Tensor, float]:
    """Landmarks ``[33, 3]`` in pixels, the square's mask ``[256, 256]``, and how surely someone is in the square."""
    crop = crop_square(picture, square, LANDMARK_SIDE)
    outputs = onnx.run("blazepose_landmark_full", crop[None].numpy().astype(np.float32))
    by_size = {output.size: torch.from_numpy(output) for output in outputs}
    raw = by_size[(LANDMARKS + 6) * 5].reshape(-1, 5)[:LANDMARKS]
    points = raw[:, :2] / LANDMARK_SIDE
    points = points @ square[:, :2].T + square[:, 2]
    # The network gives visibility and presence in the picture; a landmark counts if it has both.
    visibility = torch.minimum(raw[:, 3].sigmoid(), raw[:, 4].sigmoid())
    mask = by_size[LANDMARK_SIDE**2].reshape(LANDMARK_SIDE, LANDMARK_SIDE).sigmoid()
    presence = float(by_size[1])
    return torch.cat([points, visibility[:, None]], 1), mask, presence


def _mask_in_picture(mask: Tensor, square: Tensor, size: tuple[int, int]) -> Tensor:
    """The crop's mask, at its place in the picture; 0 outside the crop. Row by row blocks keep 8K pictures cheap."""
    height, width = size
    inverse = torch.linalg.inv(square[:, :2])
    rows = []
    x = torch.arange(width) + 0.5
    for start in range(0, height, 512):
        y = torch.arange(start, min(start + 512, height)) + 0.5
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
        unit = (grid - square[:, 2]) @ inverse.T
        rows.append(F.grid_sample(mask[None, None], unit[None] * 2 - 1, align_corners=False)[0, 0])
    return torch.cat(rows)
