"""Pictures of a run, side by side."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor


def to_pictures(values: Tensor) -> Tensor:
    """``[B, 3, H, W]`` in −1…1 → uint8 ``[B, H, W, 3]``."""
    return ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).movedim(1, -1).cpu()


def save_grid(path: Path, columns: Sequence[Tensor]) -> None:
    """A PNG with a row for every picture of the batch.

    Args:
        columns: pictures ``[B, 3, H, W]`` in −1…1, of any sizes; scaled to the last column's height.
    """
    pictures = [[Image.fromarray(picture.numpy()) for picture in to_pictures(column)] for column in columns]
    height = pictures[-1][0].height
    rows = [
        [picture.resize((round(picture.width * height / picture.height), height)) for picture in row]
        for row in zip(*pictures, strict=True)
    ]
    sheet = Image.new("RGB", (sum(picture.width for picture in rows[0]), height * len(rows)))
    for y, row in enumerate(rows):
        x = 0
        for picture in row:
            sheet.paste(picture, (x, y * height))
            x += picture.width
    sheet.save(path, "PNG")
