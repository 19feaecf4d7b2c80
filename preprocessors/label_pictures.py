"""Pictures of labels that other programs wrote: a class's number as grey, or its colour in SCHP's palette."""

import torch
from torch import Tensor

from .errors import ConditionError
from .images import check_image
from .label_sets import LABEL_SETS
from .labels import Parsing
from .parsers import with_sides

#: What a colour that is no class's is counted as.
NONE = 255


def palette(count: int) -> Tensor:
    """The colours of SCHP's pictures, int64 ``[count, 3]``: Pascal VOC's; channels take turns at a number's bits."""
    number = torch.arange(count)
    colours = torch.zeros(count, 3, dtype=torch.long)
    for bit in range(3):
        triple = number >> 3 * bit
        colours |= torch.stack([triple & 1, triple >> 1 & 1, triple >> 2 & 1], 1) << 7 - bit
    return colours


def from_image(image: Tensor, label_set: str) -> Parsing:
    """A parsing of a picture of labels.

    Args:
        image: ``[B, H, W, 3]`` in 0–1, not from a JPEG file and not resized but to the nearest pixel.
        label_set: whose classes it shows, a name of :data:`LABEL_SETS`.

    Raises:
        ConditionError: it has greys or colours that are no class's.
    """
    known = LABEL_SETS[label_set]
    pixels = (check_image(image) * 255).round().to(torch.uint8)
    count = len(known.classes)
    is_grey = bool((pixels == pixels[..., :1]).all()) and int(pixels.max()) < count
    classes = pixels[..., 0] if is_grey else _by_colour(pixels, count)
    share = float((classes == NONE).float().mean())
    if share:
        raise ConditionError(
            f"{share:.1%} of the picture's pixels have no colour of {label_set}: neither the numbers 0 to {count - 1} "
            "as grey, nor SCHP's palette. Load the PNG file as the parser wrote it (a JPEG or a resized picture has "
            "mixed colours), and check label_set."
        )
    numbers = torch.tensor(known.fixed_numbers, dtype=torch.uint8)[classes.int()]
    return Parsing(torch.stack([with_sides(row, []) for row in numbers]))


def _by_colour(pixels: Tensor, count: int) -> Tensor:
    """Classes uint8 ``[B, H, W]`` of colours uint8 ``[B, H, W, 3]``."""
    classes = torch.full(pixels.shape[:3], NONE, dtype=torch.uint8)
    for number, colour in enumerate(palette(count).to(torch.uint8)):
        classes[(pixels == colour).all(-1)] = number
    return classes
