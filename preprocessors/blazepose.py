"""BlazePose: people in a picture, 33 landmarks and a mask each, from the two networks that come with the pack.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020. The detector finds hips and body size;
the landmark network sees an upright square around them.
"""

import functools
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import onnx
from .images import crop_for_mediapipe, crop_square, in_picture, square_around, upright_square

DETECTOR_SIDE, LANDMARK_SIDE, HEAT_SIDE = 224, 256, 64
#: How many cells around a landmark its heat map counts, and how hot the hottest must be.
HEAT_REACH, MIN_HEAT = 3, 0.5
LANDMARKS = 33
#: Side of a feature map and anchors on each of its cells.
ANCHOR_GRIDS = ((28, 2), (14, 2), (7, 6))
MIN_SCORE, SAME_PERSON_IOU = 0.5, 0.3
#: Mean distance of two people's landmarks, in parts of the smaller one's square, below which they are one.
SAME_PERSON_APART = 0.08
#: A body is looked at twice, the second time around what the first look found: things that merely resemble one are seen
#: there no more. Presence asked of both looks, of a body seen whole and of one found in tiles, where page layouts and
#: cut-off bodies look like people; how far the landmarks of the latter may move, in parts of the square; and the mean
#: visibility of landmarks.
MIN_PRESENCE, MIN_TILE_PRESENCE, MOST_MOVED_IN_TILE, MIN_VISIBLE = 0.5, 0.85, 0.06, 0.2
#: A picture in which no body's square is this large, in longer sides of the picture, is searched again in squares, at
#: most so many along a side.
SMALL, MOST_TILES = 0.6, 16
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
        depths: of the landmarks, metres behind the middle of the hips, ``[33]``: a guess of one picture.
    """

    landmarks: Tensor
    crop_mask: Tensor
    square: Tensor
    size: tuple[int, int]
    score: float
    depths: Tensor

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
    people = _people(picture, _candidates(picture), MIN_PRESENCE, math.inf)
    if max((person.extent for person in people), default=0.0) < SMALL * max(picture.shape[:2]):
        # Where the largest is small, others are too: weak candidates, in squares that miss the body.
        tiled = tuple(torch.cat(parts) for parts in zip(*map(_in_tile, _tiles(picture)), strict=True))
        people += _people(picture, tiled, MIN_TILE_PRESENCE, MOST_MOVED_IN_TILE)
    return _distinct(sorted(people, key=lambda person: -person.extent))


def _distinct(people: list[Person]) -> list[Person]:
    """Two squares of very different size may hold one person: of those whose landmarks coincide, the largest."""
    kept: list[Person] = []
    for person in people:
        apart = ((person.landmarks - other.landmarks)[:, :2].norm(dim=1).mean() / person.extent for other in kept)
        if all(distance > SAME_PERSON_APART for distance in apart):
            kept.append(person)
    return kept


def _people(
    picture: Tensor, candidates: tuple[Tensor, Tensor, Tensor], least: float, most_moved: float
) -> list[Person]:
    """Those of the candidates in whose square someone is, at least so surely, and still there on a second look."""
    people = []
    for score, hips, top in _merged(*candidates):
        square = _upright_square(hips, top)
        landmarks, mask, presence, depths = _landmarks(picture, square)
        if presence < least or float(landmarks[:, 2].mean()) < MIN_VISIBLE:
            continue
        person = Person(landmarks, mask, square, tuple(picture.shape[:2]), score, depths)
        again, _, still, _ = _landmarks(picture, _square_of(landmarks))
        moved = float((again - landmarks)[:, :2].norm(dim=1).mean()) / person.extent
        if still >= least and moved <= most_moved:
            people.append(person)
    return people


def _square_of(landmarks: Tensor) -> Tensor:
    """The square around a body whose landmarks are known, as MediaPipe follows one through a film."""
    points = landmarks[:, :2]
    hips, shoulders = points[[23, 24]].mean(0), points[[11, 12]].mean(0)
    up = (shoulders - hips) / (shoulders - hips).norm().clamp(min=1e-3)
    return _upright_square(hips, hips + up * (points - hips).norm(dim=1).max())


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
    """Likely detections, several a person: MediaPipe's network's, which places people best, and of the tensorflow.js
    one, which finds more of them, those it adds.

    Returns:
        Scores ``[n]``, boxes ``[n, 4]`` (centre x, y, width, height) and points ``[n, 4, 2]``, in pixels.
    """
    height, width = picture.shape[:2]
    square = square_around(torch.tensor([width / 2, height / 2]), max(height, width))
    image = (crop_square(picture, square, DETECTOR_SIDE, samples="corners") * 2 - 1)[None].numpy()
    boxes, scores = onnx.run("blazepose_detector_mediapipe", image)
    exact = _likely(torch.from_numpy(scores[0, :, 0]), torch.from_numpy(boxes[0]))
    (raw,) = onnx.run("blazepose_detector", image)
    raw = torch.from_numpy(raw[0])
    more = _likely(raw[:, 0], raw[:, 1:])
    new = ~(_overlaps(more[1], exact[1]) > SAME_PERSON_IOU).any(1)
    scores, boxes, points = (torch.cat([ours, theirs[new]]) for ours, theirs in zip(exact, more, strict=True))
    scale = float(square[0, 0]) / DETECTOR_SIDE
    boxes, points = boxes * scale, points * scale + square[:, 2]
    boxes[:, :2] += square[:, 2]
    return scores, boxes, points


def _likely(scores: Tensor, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, boxes and points, in detector pixels, of a network's outputs ``[2254]``, ``[2254, 12]``."""
    scores = scores.clamp(-100, 100).sigmoid()
    likely = scores >= MIN_SCORE
    raw, anchors = raw[likely], _anchors()[likely]
    boxes = raw[:, :4].clone()
    boxes[:, :2] += anchors
    return scores[likely], boxes, raw[:, 4:].unflatten(1, (4, 2)) + anchors[:, None]


def _overlaps(some: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of boxes ``[n, 4]`` and ``[m, 4]`` (centre x, y, width, height), ``[n, m]``."""
    (low, high), (low_others, high_others) = (
        (boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2) for boxes in (some, others)
    )
    sides = torch.minimum(high[:, None], high_others) - torch.maximum(low[:, None], low_others)
    common = sides.clamp(min=0).prod(-1)
    areas, areas_others = (boxes[:, 2:].clamp(min=0).prod(-1) for boxes in (some, others))
    return common / (areas[:, None] + areas_others - common).clamp(min=1e-6)


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
    left = scores.argsort(descending=True)
    groups = []
    while len(left):
        best = left[0]
        overlap = _overlaps(boxes[best : best + 1], boxes[left])[0]
        same = overlap > SAME_PERSON_IOU
        same[0] = True
        groups.append(left[same])
        left = left[~same]
    return groups


def _upright_square(hips: Tensor, top: Tensor) -> Tensor:
    """Affine map from the unit square to the picture: centred at the hips, the body's axis upright."""
    axis = top - hips
    return upright_square(hips, axis, 2 * float(axis.norm()) * MARGIN)


def _landmarks(picture: Tensor, square: Tensor) -> tuple[Tensor, Tensor, float, Tensor]:
    """Landmarks ``[33, 3]`` in pixels, the square's mask ``[256, 256]``, how surely someone is in the square, and the
    landmarks' depths ``[33]``."""
    outputs = onnx.run("blazepose_landmark_full", crop_for_mediapipe(picture, square, LANDMARK_SIDE))
    by_size = {output.size: torch.from_numpy(output) for output in outputs}
    raw = by_size[(LANDMARKS + 6) * 5].reshape(-1, 5)[:LANDMARKS]
    points = _refined(
        raw[:, :2] / LANDMARK_SIDE, by_size[(LANDMARKS + 6) * HEAT_SIDE**2].reshape(HEAT_SIDE, HEAT_SIDE, -1)
    )
    points = in_picture(points, square)
    # The network gives visibility and presence in the picture; a landmark counts if it has both.
    visibility = torch.minimum(raw[:, 3].sigmoid(), raw[:, 4].sigmoid())
    mask = by_size[LANDMARK_SIDE**2].reshape(LANDMARK_SIDE, LANDMARK_SIDE).sigmoid()
    presence = float(by_size[1])
    # Turning the square about the line of sight leaves depths as they are.
    depths = by_size[(LANDMARKS + 6) * 3].reshape(-1, 3)[:LANDMARKS, 2]
    return torch.cat([points, visibility[:, None]], 1), mask, presence, depths


def _refined(points: Tensor, heat: Tensor) -> Tensor:
    """Landmarks at the centres of mass of their heat maps near them, as MediaPipe's RefineLandmarksFromHeatmap.

    Args:
        points: ``[33, 2]``, in 0–1 of the square.
        heat: ``[64, 64, 39]``, logits.
    """
    chances = heat[..., : len(points)].sigmoid().movedim(-1, 0)
    cells = torch.arange(HEAT_SIDE)
    x, y = (points * HEAT_SIDE).floor().unbind(1)
    rows, columns = ((cells - place[:, None]).abs() <= HEAT_REACH for place in (y, x))
    near = chances * rows[:, :, None] * columns[:, None]
    mass = near.sum((1, 2))
    # A cell is counted as its upper left corner, as there.
    centres = torch.stack([(near.sum(1) * cells).sum(1), (near.sum(2) * cells).sum(1)], 1)
    centres = centres / (mass.clamp(min=1e-6) * HEAT_SIDE)[:, None]
    inside = ((points >= 0) & (points < 1)).all(1)
    sure = inside & (near.amax((1, 2)) >= MIN_HEAT)
    return torch.where(sure[:, None], centres, points)


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
