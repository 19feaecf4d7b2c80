"""A parsing over its photo, with a legend beside it; a share of anything, in red: for looking at."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .images import check_image
from .labels import PALETTE, Parsing, label_number

OPACITY = 0.6
#: Height of a legend's line, as a share of the picture's height, and its bounds in pixels.
LINE_SHARE, LINE_BOUNDS = 1 / 24, (12, 64)
#: A picture lower than this is enlarged by a whole number, up to this longer side, so that twenty lines fit and can be
#: read.
LOWEST, LARGEST = 256, 2048


def overlay(image: Tensor, parsing: Parsing) -> Tensor:
    """Photos ``[B, H, W, 3]`` in 0–1 with the parsing's colours on the person, and a legend at their right.

    Returns:
        ``[B, n·H, n·W + legend, 3]``; n is 1 but for pictures too low for a legend. The legend is that of the whole
        batch, and has no width where there is no label at all.
    """
    image = check_image(image)
    times = max(1, min(math.ceil(LOWEST / image.shape[1]), LARGEST // max(image.shape[1:3])))
    legend = _legend(parsing.present(), image.shape[1] * times)
    rows = []
    for picture, labels in zip(image, parsing.labels, strict=True):
        painted = _painted(picture, labels).repeat_interleave(times, 0).repeat_interleave(times, 1)
        rows.append(torch.cat([painted, legend], 1))
    return torch.stack(rows)


def reddened(pictures: Tensor, share: Tensor) -> Tensor:
    """Pictures ``[B, H, W, 3]``, dimmed, and red by a share ``[B, H, W, 1]`` in 0–1."""
    dimmed = 0.5 * pictures
    return dimmed + share * (torch.tensor([1.0, 0.0, 0.0]) - dimmed)


def lit(pictures: Tensor, share: Tensor) -> Tensor:
    """Pictures ``[B, H, W, 3]``, as bright as a share ``[B, H, W, 1]`` in 0–1 makes them; a quarter is left at 0."""
    return pictures * (0.25 + 0.75 * share)


def _painted(picture: Tensor, labels: Tensor) -> Tensor:
    colours = torch.tensor(PALETTE, dtype=torch.float32) / 255
    return torch.where((labels > 0)[..., None], torch.lerp(picture, colours[labels.int()], OPACITY), picture)


def _legend(names: list[str], height: int) -> Tensor:
    """Swatches and names on black, ``[height, width, 3]``; as many columns as it takes."""
    if not names:
        return torch.zeros(height, 0, 3)
    line = min(max(int(height * LINE_SHARE), LINE_BOUNDS[0]), LINE_BOUNDS[1])
    font = ImageFont.load_default(line * 0.8)
    rows = max(1, height // line)
    width = math.ceil(max(font.getlength(name) for name in names) + 1.8 * line)
    canvas = Image.new("RGB", (width * math.ceil(len(names) / rows), height))
    pen = ImageDraw.Draw(canvas)
    for number, name in enumerate(names):
        left, top = number // rows * width, number % rows * line
        pen.rectangle((left + 2, top + 2, left + line - 2, top + line - 2), fill=PALETTE[label_number(name)])
        pen.text((left + 1.3 * line, top + line / 2), name, fill=(255, 255, 255), font=font, anchor="lm")
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)
