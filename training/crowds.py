"""Canvases on which several people of a batch stand, for a pose estimator to be trained on.

Every row's own picture, larger or smaller, moved and mirrored, is the background; people of the rows beside it are
pasted over it by their masks, in front of one another.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .draws import Draws

#: COCO's joints in a mirror: left ones are right ones.
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
#: Where on a canvas the middle of a person's picture may lie, as shares of its width and height.
_ACROSS, _DOWN = (0.15, 0.85), (0.35, 0.65)


@dataclass(frozen=True)
class Crowd:
    """How canvases are made.

    Attributes:
        size: of a canvas, height and width, multiples of 32.
        people: at most, each number as often as another; samples stand together in groups of so many, so that a
            process's share of a batch should be a multiple.
        scale: least and largest size of a person, of that in the picture.
        jitter: largest change of a colour's gain, and of its offset.
    """

    size: tuple[int, int] = (128, 128)
    people: int = 3
    scale: tuple[float, float] = (0.6, 1.3)
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if any(side < 32 or side % 32 for side in self.size):
            raise ValueError(f"Sides of a canvas are multiples of 32, and not {self.size[0]}×{self.size[1]}.")
        if self.people < 1 or not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError("At least one person is needed, and a scale from above 0 upwards.")


class Canvases(NamedTuple):
    """Attributes:
    pictures: ``[B, 3, H, W]`` in 0–1.
    people: joints ``[B, P, 17, 3]`` in COCO's order: x, y in pixels, 1 where they are on the canvas and nobody else
        stands before them, else 0.
    """

    pictures: Tensor
    people: Tensor


def gathered(
    images: Tensor, masks: Tensor, joints: Tensor, crowd: Crowd, draws: Draws, upright: Tensor | None = None
) -> Canvases:
    """Canvases of a batch.

    Args:
        images: ``[B, 3, h, w]`` in 0–1.
        masks: where the person is, ``[B, 1, h, w]`` in 0–1.
        joints: ``[B, 17, 3]``: x, y in pixels of the images, above 0 where known.
        upright: ``[B]``, whose pictures are never mirrored; alike in a group.
    """
    rows = len(images)
    number = 1 + draws.integers(crowd.people)
    canvas, people = images.new_zeros(rows, 3, *crowd.size), []
    for layer in range(crowd.people):
        placed = _Placed.drawn(crowd, draws)
        if upright is not None:
            placed = placed._replace(turned=placed.turned.masked_fill(upright, 1.0))
        who = _beside(rows, crowd.people, layer, images.device)
        picture, mask = placed.warped(images[who], masks[who], crowd.size)
        # A group at the batch's end may be too small for another person.
        there = (number > layer) & ((who != torch.arange(rows, device=who.device)) | (layer == 0))
        mask = mask * there[:, None, None, None]
        canvas = picture if layer == 0 else torch.lerp(canvas, picture, mask)
        people = [_uncovered(person, mask) for person in people] if layer else []
        theirs = _inside(placed.moved(joints[who], images.shape[-2:], crowd.size), crowd.size)
        people.append(theirs * there[:, None, None])
    return Canvases(_coloured(canvas, crowd.jitter, draws), torch.stack(people, 1))


def alike_in_groups(values: Tensor, group: int) -> Tensor:
    """Of values ``[B]`` the first of every group of samples that stand together, for all of it."""
    return values[_begins(len(values), group, values.device)]


def _begins(rows: int, group: int, device: torch.device) -> Tensor:
    """Of every row the first one of its group, ``[rows]``."""
    return torch.arange(rows, device=device) // group * group


def _beside(rows: int, group: int, layer: int, device: torch.device) -> Tensor:
    """Who of a row's group stands in a layer: the row itself, the next, …, ``[rows]``."""
    own = torch.arange(rows, device=device)
    begin = _begins(rows, group, device)
    size = (rows - begin).clamp(max=group)
    return begin + (own - begin + layer % size) % size


class _Placed(NamedTuple):
    """Where pictures lie on canvases, ``[B]`` each: the middle as shares of its sides, the size, and whether mirrored
    (−1) or not (1)."""

    x: Tensor
    y: Tensor
    scale: Tensor
    turned: Tensor

    @classmethod
    def drawn(cls, crowd: Crowd, draws: Draws) -> "_Placed":
        x, y = (low + (high - low) * draws.uniform() for low, high in (_ACROSS, _DOWN))
        low, high = crowd.scale
        return cls(x, y, low * (high / low) ** draws.uniform(), torch.where(draws.uniform() < 0.5, -1.0, 1.0))

    def warped(self, images: Tensor, masks: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Pictures, whose edges go on, and masks on canvases."""
        height, width = images.shape[-2:]
        across, down = (
            (torch.arange(side, device=images.device) + 0.5 - middle[:, None] * side) / self.scale[:, None]
            for side, middle in ((size[1], self.x), (size[0], self.y))
        )
        # Shares of half a picture, from its middle.
        columns = (self.turned[:, None] * across * 2 / width)[:, None, :].expand(-1, size[0], -1)
        lines = (down * 2 / height)[:, :, None].expand(-1, -1, size[1])
        grid = torch.stack([columns, lines], -1)
        picture = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        return picture, F.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)

    def moved(self, joints: Tensor, picture: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Joints in pixels of canvases."""
        height, width = picture
        x = (joints[..., 0] - width / 2) * (self.scale * self.turned)[:, None] + (self.x * size[1])[:, None]
        y = (joints[..., 1] - height / 2) * self.scale[:, None] + (self.y * size[0])[:, None]
        moved = torch.stack([x, y, (joints[..., 2] > 0).to(x)], -1)
        mirrored = moved[:, list(MIRRORED)]
        return torch.where((self.turned < 0)[:, None, None], mirrored, moved)


def _inside(joints: Tensor, size: tuple[int, int]) -> Tensor:
    """Joints ``[B, 17, 3]``, those beside the canvas unknown."""
    x, y, known = joints.unbind(-1)
    inside = (x >= 0) & (y >= 0) & (x < size[1]) & (y < size[0])
    return torch.stack([x, y, known * inside], -1)


def _uncovered(joints: Tensor, mask: Tensor) -> Tensor:
    """Joints ``[B, 17, 3]``, those unknown that somebody ``[B, 1, H, W]`` stands before."""
    height, width = mask.shape[-2:]
    x, y, known = joints.unbind(-1)
    column, line = x.long().clamp(0, width - 1), y.long().clamp(0, height - 1)
    covered = mask.flatten(1).gather(1, line * width + column) > 0.5
    return torch.stack([x, y, known * ~covered], -1)


def _coloured(pictures: Tensor, jitter: float, draws: Draws) -> Tensor:
    """Every channel with a gain and an offset of its own."""
    gains, offsets = (
        jitter * (2 * torch.stack([draws.uniform() for _ in range(3)], 1) - 1)[..., None, None] for _ in range(2)
    )
    return (pictures * (1 + gains) + offsets).clamp(0, 1)
