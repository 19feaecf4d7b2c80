"""Image-Level Conditioning (IMAGPose, section 3.3): sources and targets as tiles of one joint picture, and back.

A tile shows a source beside its pose, or a target's pose with black in its picture's place. Which of the paper's
scenarios it is follows from how many there are: Fig. 3, and T1–T3 of its user scenarios. PCDMs' joint picture (Fig. 4)
is a source and a target side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError

#: Of which a tile's sides are multiples, so that all four levels of Stable Diffusion's UNet have whole tiles.
STEP = 64
#: The canvas IMAGPose was trained on, rows by columns.
TRAINED = (2, 2)
#: What tiles hold that are left over.
Fill = Literal["automatic", "target poses", "sources"]
_PLACES = {
    (2, 2): ("top left", "top right", "bottom left", "bottom right"),
    (1, 2): ("left", "right"),
    (2, 1): ("top", "bottom"),
}


@dataclass(frozen=True)
class Tile:
    """What a tile shows: a source, or a target that is generated; numbered from 0."""

    target: bool
    number: int

    def __str__(self) -> str:
        return f"{'target pose' if self.target else 'source'} {self.number + 1}"


@dataclass(frozen=True)
class JointLayout:
    """Where what is in a joint picture.

    Attributes:
        rows, columns: of the canvas.
        tiles: row by row.
        width, height: of a tile's content.
        step: of which a tile's sides are multiples, with its margins.
    """

    rows: int
    columns: int
    tiles: tuple[Tile, ...]
    width: int
    height: int
    step: int = STEP

    @property
    def tile_size(self) -> tuple[int, int]:
        """Width and height of a tile with its margins."""
        return -(-self.width // self.step) * self.step, -(-self.height // self.step) * self.step

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the joint picture."""
        width, height = self.tile_size
        return self.columns * width, self.rows * height

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """Left, right, top and bottom of a tile, in the order in which torch pads."""
        wide, high = (whole - side for whole, side in zip(self.tile_size, (self.width, self.height), strict=True))
        return wide // 2, wide - wide // 2, high // 2, high - high // 2

    @property
    def targets(self) -> tuple[int, ...]:
        """Of the tiles that are generated, row by row, the numbers of their target poses."""
        return tuple(tile.number for tile in self.tiles if tile.target)

    def summary(self) -> str:
        """What is done, for users."""
        names = _PLACES.get(
            (self.rows, self.columns),
            tuple(f"row {row + 1} column {column + 1}" for row in range(self.rows) for column in range(self.columns)),
        )
        shown = "; ".join(
            f"{name}: {tile}{' (generated)' if tile.target else ''}"
            for name, tile in zip(names, self.tiles, strict=True)
        )
        width, height = self.tile_size
        padded = f" of {self.width}×{self.height}, padded" if (width, height) != (self.width, self.height) else ""
        beyond = "" if (self.rows, self.columns) == TRAINED else " IMAGPose was trained on 2×2 tiles, not on these."
        return f"{self._scenario()}. {shown}. Tiles of {width}×{height}{padded}.{beyond}"

    def _scenario(self) -> str:
        sources, targets = ([tile.number for tile in self.tiles if tile.target == kind] for kind in (False, True))
        if len(set(targets)) > 1:
            return f"{len(set(targets))} poses at once"
        if len(set(sources)) > 1:
            return f"T3: {len(set(sources))} sources, one pose"
        return "T1: one source, one pose" if len(sources) == 1 else "T2: one source repeated, one pose"


def arranged(
    sources: int,
    targets: int,
    width: int,
    height: int,
    canvas: tuple[int, int] = TRAINED,
    fill: Fill = "automatic",
    step: int = STEP,
) -> JointLayout:
    """Sources, then targets, row by row.

    Args:
        sources, targets: how many of each there are.
        width, height: of a tile's content.
        fill: what is repeated in tiles that are left over. Automatic: target poses after a single source (T1, several
            poses), sources where there are several (T3). With "sources" a single source gives T2.
        step: of which a tile's sides are multiples: 64 in Stable Diffusion, half as many with each level less.

    Raises:
        ConditionError: one is missing, or there are more than the canvas holds.
    """
    tiles = canvas[0] * canvas[1]
    if not sources or not targets:
        raise ConditionError(
            f"There are {sources} sources and {targets} target poses; at least one of each is needed. Connect them, or "
            "set on_no_person to error to see which was left out."
        )
    if sources + targets > tiles:
        raise ConditionError(
            f"{sources} sources and {targets} target poses are {sources + targets} tiles, and the canvas holds "
            f"{tiles}. Leave some out, or generate the poses in several runs."
        )
    free = tiles - sources - targets
    of_sources = fill == "sources" or (fill == "automatic" and sources > 1)
    shown = [index % sources for index in range(sources + (free if of_sources else 0))]
    wanted = [index % targets for index in range(targets + (0 if of_sources else free))]
    contents = (*(Tile(False, number) for number in shown), *(Tile(True, number) for number in wanted))
    return JointLayout(*canvas, contents, width, height, step)


def joined(layout: JointLayout, pictures: Sequence[Tensor], edge: bool = False) -> Tensor:
    """Pictures ``[1, height, width, 3]`` of every tile as one ``[1, H, W, 3]``.

    Args:
        edge: whether margins go on as the picture ends; else they are black.
    """
    mode = "replicate" if edge else "constant"
    padded = [F.pad(picture.movedim(-1, 1), layout.margins, mode=mode).movedim(1, -1) for picture in pictures]
    rows = [torch.cat(padded[row * layout.columns : (row + 1) * layout.columns], 2) for row in range(layout.rows)]
    return torch.cat(rows, 1)


def flagged(layout: JointLayout) -> Tensor:
    """White where a tile is generated, margins and all: ``[1, H, W]``."""
    width, height = layout.tile_size
    flags = torch.tensor([float(tile.target) for tile in layout.tiles]).reshape(1, layout.rows, layout.columns)
    return flags.repeat_interleave(height, 1).repeat_interleave(width, 2)


def generated(layout: JointLayout, joint: Tensor) -> Tensor:
    """The generated tiles of joint pictures ``[B, H, W, 3]``, each picture's together: ``[B · tiles, h, w, 3]``.

    Raises:
        ConditionError: as :func:`taken_apart`.
    """
    parts = zip(layout.tiles, taken_apart(layout, joint), strict=True)
    return torch.stack([part for tile, part in parts if tile.target], 1).flatten(0, 1)


def taken_apart(layout: JointLayout, joint: Tensor) -> list[Tensor]:
    """The tiles of joint pictures ``[B, H, W, 3]`` without their margins, each ``[B, height, width, 3]``.

    Raises:
        ConditionError: the picture has another size.
    """
    width, height = layout.size
    if tuple(joint.shape[1:3]) != (height, width):
        raise ConditionError(
            f"The picture is {joint.shape[2]}×{joint.shape[1]}, and the joint picture was {width}×{height}. Connect "
            "the picture that VAE Decode makes of the sampler's latent, before it is resized or cropped."
        )
    (wide, high), (left, _, top, _) = layout.tile_size, layout.margins
    corners = [(row * high + top, cell * wide + left) for row in range(layout.rows) for cell in range(layout.columns)]
    return [joint[:, y : y + layout.height, x : x + layout.width] for y, x in corners]
