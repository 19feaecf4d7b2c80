"""A parsing over its photo, with a legend: for looking at."""

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .images import check_image
from .labels import PALETTE, Parsing

OPACITY = 0.6
#: Height of a legend's line, as a share of the picture's height, and its bounds in pixels.
LINE_SHARE, LINE_BOUNDS = 1 / 24, (9, 40)


def overlay(image: Tensor, parsing: Parsing) -> Tensor:
    """Photos ``[B, H, W, 3]`` in 0–1 with the parsing's colours on the person and its labels at the left edge."""
    image = check_image(image)
    colours = torch.tensor(PALETTE, dtype=torch.float32) / 255
    painted = colours[parsing.labels.long()]
    person = (parsing.labels > 0)[..., None] * OPACITY
    mixed = image * (1 - person) + painted * person
    pictures = zip(mixed, parsing.labels, strict=True)
    return torch.stack([_with_legend(picture, Parsing(labels[None])) for picture, labels in pictures])


def _with_legend(picture: Tensor, parsing: Parsing) -> Tensor:
    canvas = Image.fromarray((picture.numpy() * 255).round().astype(np.uint8))
    line = min(max(int(canvas.height * LINE_SHARE), LINE_BOUNDS[0]), LINE_BOUNDS[1])
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(line * 0.8)
    for row, name in enumerate(parsing.present()):
        top = row * line
        box = (0, top, pen.textlength(name, font=font) + 1.4 * line, top + line)
        pen.rectangle(box, fill=(0, 0, 0))
        pen.rectangle((2, top + 2, line - 2, top + line - 2), fill=PALETTE[parsing.names.index(name)])
        pen.text((1.2 * line, top), name, fill=(255, 255, 255), font=font)
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)
