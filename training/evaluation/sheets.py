"""Contact sheets: a row a pair; source, wanted pose, truth, and what every predictor made of it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..data.records import Record
from ..drawn_pose import drawn_pose, people_frame

#: Height of a picture, width of the space around it, height of a caption and its letters, in pixels.
CELL, GAP, CAPTION, LETTERS = 256, 6, 20, 12
PAPER, INK = (255, 255, 255), (30, 30, 30)
#: What stands before the predictors' columns.
FIRST = ("source", "pose", "target")


def contact_sheet(
    pairs: Sequence[tuple[Record, Record]], made: Sequence[tuple[str, Sequence[np.ndarray]]], heading: str
) -> Image.Image:
    """The pairs (source, target) with every predictor's name and results uint8 ``[H, W, 3]``.

    Args:
        heading: a line above it: the protocol, the number of pairs.

    Pillow's own font has no signs beyond Latin ones.
    """
    rows = [
        [source.image, pose_picture(target), target.image, *(pictures[number] for _, pictures in made)]
        for number, (source, target) in enumerate(pairs)
    ]
    cells = [[_fit(picture) for picture in row] for row in rows]
    widths = [max(row[column].width for row in cells) for column in range(len(FIRST) + len(made))]
    lefts = np.cumsum([GAP, *(width + GAP for width in widths)])
    top, step = 2 * CAPTION + GAP, CELL + CAPTION + GAP
    font = ImageFont.load_default(LETTERS)
    sheet = Image.new(
        "RGB", (max(int(lefts[-1]), int(font.getlength(heading)) + 2 * GAP), top + step * len(rows)), PAPER
    )
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, 4), heading, INK, font)
    for left, width, name in zip(lefts, widths, [*FIRST, *(name for name, _ in made)], strict=False):
        pen.text((int(left), CAPTION + 2), _shortened(name, width, font), INK, font)
    for number, ((source, target), row) in enumerate(zip(pairs, cells, strict=True)):
        y = top + step * number
        for left, picture in zip(lefts, row, strict=False):
            sheet.paste(picture, (int(left), y))
        whole = int(lefts[-1] - lefts[0])
        pen.text((GAP, y + CELL + 3), _shortened(f"{source.name} to {target.name}", whole, font), INK, font)
    return sheet


def pose_picture(target: Record) -> np.ndarray:
    """The target's skeletons on black, uint8 ``[H, W, 3]``; all black where its keypoints are not known."""
    frame = people_frame(target)
    return np.zeros_like(target.image) if frame is None else drawn_pose(frame)


def _fit(picture: np.ndarray) -> Image.Image:
    """At the sheet's height."""
    height, width = picture.shape[:2]
    return Image.fromarray(picture).resize((max(1, round(width * CELL / height)), CELL), Image.Resampling.LANCZOS)


def _shortened(text: str, width: int, font: ImageFont.ImageFont) -> str:
    """Cut off with an ellipsis where it is wider than so many pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
