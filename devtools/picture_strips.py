"""What the pages' pictures are made of: outputs of a graph side by side, each under a caption."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

#: A node, by its title or its type, and an output's name; ``"<name"`` is what comes into the input of that name.
Place = tuple[str, str]
#: Values of widgets that are set otherwise than in the graph, by node.
Changes = dict[str, dict[str, object]]

GAP, CAPTION, FONT = 4, 18, 12
#: No picture's own, so that white masks and black canvases end where they do.
PAPER = (224, 224, 224)
#: The most that a page's picture may have, in bytes, and the scales and qualities that are tried for it.
LIMIT = 6_500
SCALES, QUALITIES = (1.0, 0.9, 0.8, 0.7, 0.6), range(75, 39, -5)


@dataclass(frozen=True)
class Shot:
    """Pictures of one output.

    Attributes:
        graph: its name in :mod:`.picture_table`.
        frames: which of the batch, or of the list.
    """

    caption: str
    graph: str
    place: Place
    changes: Changes = field(default_factory=dict)
    frames: Sequence[int] = (0,)


@dataclass(frozen=True)
class Strip:
    """Shots from left to right.

    Attributes:
        height: of each picture, in pixels.
        limit: the file's, in bytes.
        width: the strip's largest; a longer one is broken into rows. The front end's panel for help pages is narrow.
    """

    shots: Sequence[Shot]
    height: int = 200
    limit: int = LIMIT
    width: int = 460


def drawn(cells: Sequence[tuple[str, Sequence[Image.Image]]], height: int, width: int) -> Image.Image:
    """Captions and the pictures below each, in rows.

    Args:
        height: of a picture, and ``width`` the largest of a row.
    """
    font = ImageFont.load_default(FONT)
    blocks = [_block(caption, pictures, height, font) for caption, pictures in cells]
    rows = _rows(blocks, width)
    # As few as need be, and then as even as they can be.
    for narrower in range(max(block.width for block in blocks), width):
        if len(_rows(blocks, narrower)) == len(rows):
            rows = _rows(blocks, narrower)
            break
    sheet = Image.new("RGB", (max(map(_wide, rows)), len(rows) * (height + CAPTION + GAP) - GAP), PAPER)
    for number, row in enumerate(rows):
        left = 0
        for block in row:
            sheet.paste(block, (left, number * (height + CAPTION + GAP)))
            left += block.width + GAP
    return sheet


def _rows(blocks: Sequence[Image.Image], width: int) -> list[list[Image.Image]]:
    rows: list[list[Image.Image]] = [[]]
    for block in blocks:
        if rows[-1] and _wide(rows[-1]) + GAP + block.width > width:
            rows.append([])
        rows[-1].append(block)
    return rows


def _wide(row: Sequence[Image.Image]) -> int:
    return sum(block.width + GAP for block in row) - GAP


def _block(caption: str, pictures: Sequence[Image.Image], height: int, font: ImageFont.FreeTypeFont) -> Image.Image:
    scaled = [
        each.resize((round(each.width * height / each.height), height), Image.Resampling.LANCZOS) for each in pictures
    ]
    block = Image.new("RGB", (max(_wide(scaled), round(font.getlength(caption)) + GAP), height + CAPTION), PAPER)
    ImageDraw.Draw(block).text((2, 1), caption, fill="black", font=font)
    left = 0
    for each in scaled:
        block.paste(each, (left, CAPTION))
        left += each.width + GAP
    return block


def save_small(draw: Callable[[float], Image.Image], file: Path, limit: int = LIMIT) -> int:
    """A picture as a JPG, of the largest scale and then the best quality that fit; its size in bytes.

    Args:
        draw: the picture at a scale, of which 1 is the largest.

    Raises:
        ValueError: it does not fit at all.
    """
    for scale in SCALES:
        picture = draw(scale)
        for quality in QUALITIES:
            picture.save(file, quality=quality, optimize=True, progressive=True)
            size = file.stat().st_size
            if size <= limit:
                return size
    raise ValueError(f"{file.name} has {size} bytes at its smallest, and {limit} are allowed")
