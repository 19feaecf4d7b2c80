"""Faces in a picture: where they are, and how they are turned."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from .face_detector import SIDE, Detections, detect, groups, together
from .face_square import cut, enlarged
from .images import square_around

#: How long the picture's longer side is made, level by level. The first leaves a margin around a face that fills the
#: picture; from the third on, the picture is cut into squares of the network's size.
LEVELS = (SIDE // 2, SIDE, 2 * SIDE, 4 * SIDE, 8 * SIDE, 16 * SIDE)
#: Levels that are always searched. The others show smaller faces, and are searched where none was found.
ALWAYS = 3
#: A level that takes more squares than this is left out.
MOST_SQUARES = 256
#: Enlarging a picture further than this shows no new faces.
MOST_ENLARGED = 2.0
#: What is looked at again, and what is a face when looked at again: where none was found at first, textures imitate
#: small ones.
LIKELY, CERTAIN, CERTAIN_SMALL = 0.4, 0.6, 0.72
#: How much larger than a face the crop is in which it is looked at again: a wide one tells best whether it is a face, a
#: narrow one where its eyes are.
WIDE, NARROW = 5.0, 2.5
MOST_FACES = 64


@dataclass(frozen=True, eq=False)
class Face:
    """One face.

    Attributes:
        square: affine map ``[2, 3]`` from the upright square around the face (x, y in 0–1) to pixels of the picture.
            It goes from the forehead to the chin and is turned as the face is.
        points: ``[6, 2]``: x, y in pixels of :data:`~.face_detector.POINTS`; left and right are the person's own.
        score: the detector's confidence in 0–1.
        size: height and width of the picture.
    """

    square: Tensor
    points: Tensor
    score: float
    size: tuple[int, int]

    @property
    def extent(self) -> float:
        """Side of the square, in pixels."""
        return float(self.square[:, 0].norm())

    @property
    def centre(self) -> Tensor:
        """``[2]``: x, y of the square's centre, in pixels."""
        return self.square @ torch.tensor([0.5, 0.5, 1.0])

    @property
    def roll(self) -> float:
        """How far the head is turned clockwise in the picture, in radians."""
        return math.atan2(float(self.square[1, 0]), float(self.square[0, 0]))

    @property
    def box(self) -> Tensor:
        """``[4]``: left, top, right, bottom of the square as if it were not turned, in pixels."""
        return torch.cat([self.centre - self.extent / 2, self.centre + self.extent / 2])


def find_faces(picture: Tensor) -> list[Face]:
    """Every face in a picture ``[H, W, 3]`` in 0–1, the largest first. No face is an empty list."""
    faces: list[Face] = []
    for number, side in enumerate(LEVELS):
        if number >= ALWAYS and (faces or side > MOST_ENLARGED * max(picture.shape[:2])):
            break
        least = CERTAIN if number < ALWAYS else CERTAIN_SMALL
        faces = _distinct([*faces, *_looked_at_again(picture, _at_level(picture, side), least)])
    return sorted(faces, key=lambda face: -face.extent)


def _at_level(picture: Tensor, side: int) -> Detections:
    """What looks like a face when the picture's longer side has ``side`` pixels; in pixels of the picture."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    starts = [_starts(length) for length in size]
    if len(starts[0]) * len(starts[1]) > MOST_SQUARES:
        return together([])
    small = F.interpolate(picture.movedim(-1, 0)[None], size=size, mode="bilinear", antialias=True)[0].movedim(0, -1)
    top, left = (max(0, SIDE - length) // 2 for length in size)
    small = F.pad(small, (0, 0, left, max(0, SIDE - size[1] - left), top, max(0, SIDE - size[0] - top)))
    places = [(y, x) for y in starts[0] for x in starts[1]]
    squares = torch.stack([small[y : y + SIDE, x : x + SIDE] for y, x in places])
    found = zip(detect(squares, LIKELY), places, strict=True)
    return together([part.placed(1 / scale, ((x - left) / scale, (y - top) / scale)) for part, (y, x) in found])


def _starts(length: int) -> list[int]:
    """Where squares begin along a side: they overlap by half, so that a small face is whole in one of them."""
    return [*range(0, max(length - SIDE, 0), SIDE // 2), max(length - SIDE, 0)]


def _looked_at_again(picture: Tensor, likely: Detections, least: float) -> list[Face]:
    """The likely faces that are faces, each measured in an upright square of its own, where its points are precise."""
    chosen = [group[0] for group in groups(likely)][:MOST_FACES]
    squares = [_square_of(likely.boxes[index], likely.points[index]) for index in chosen]
    sure = [face for face in _look(picture, squares, WIDE) if face and face.score >= least]
    measured = _look(picture, [face.square for face in sure], NARROW)
    return [replace(after, score=face.score) for face, after in zip(sure, measured, strict=True) if after]


def _look(picture: Tensor, squares: list[Tensor], room: float) -> list[Face | None]:
    """What looks like a face at the middle of each of some squares, in a crop larger than it by ``room``."""
    if not squares:
        return []
    squares = [enlarged(square, room) for square in squares]
    crops = torch.stack([cut(picture, square, SIDE) for square in squares])
    found = zip(squares, detect(crops, LIKELY), strict=True)
    return [_face_in_crop(square, seen, SIDE / room / 2, tuple(picture.shape[:2])) for square, seen in found]


def _face_in_crop(square: Tensor, seen: Detections, reach: float, size: tuple[int, int]) -> Face | None:
    """The likeliest face within ``reach`` pixels of a crop's middle, in pixels of the picture it was cut from."""
    off = ((seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2 - SIDE / 2).norm(dim=1)
    near = off < reach
    if not near.any():
        return None
    best = int((seen.scores * near).argmax())
    linear, corner = square[:, :2] / SIDE, square[:, 2]
    inside = _square_of(seen.boxes[best], seen.points[best])
    found = torch.cat([linear @ inside[:, :2], (linear @ inside[:, 2] + corner)[:, None]], 1)
    return Face(found, seen.points[best] @ linear.T + corner, float(seen.scores[best]), size)


def _square_of(box: Tensor, points: Tensor) -> Tensor:
    """The square around a box ``[4]``, its upper side parallel to the line through the eyes."""
    across = points[1] - points[0]
    roll = math.atan2(float(across[1]), float(across[0]))
    extent = max(1.0, float((box[2:] - box[:2]).max()))
    return square_around((box[:2] + box[2:]) / 2, extent, roll)


def _distinct(faces: list[Face]) -> list[Face]:
    """Each face once, as the surest of its detections saw it."""
    found = together([Detections(torch.tensor([f.score]), f.box[None], f.points[None]) for f in faces])
    return [faces[int(group[0])] for group in groups(found)][:MOST_FACES]
