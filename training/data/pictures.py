"""Files of pictures: which there are in a folder, and their pixels at one size."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from ..errors import TrainingError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
#: Height and width in pixels.
Size = tuple[int, int]
#: How a picture of another aspect gets its size: stretched, as the published data sets are; or whole, in its own
#: aspect, with white beside it.
Fit = Literal["squash", "pad"]
FITS: tuple[Fit, ...] = ("squash", "pad")
#: What a record's name may be made of.
NAME = re.compile(r"[A-Za-z0-9_-]+")
#: The networks' latents have an eighth of the picture's sides.
STRIDE = 8


def parse_size(text: str | Sequence[int] | None) -> Size | None:
    """``"512x352"`` (height × width, as papers write it) or two numbers as a size; None stays None.

    Raises:
        TrainingError: it is none, or no multiple of eight, which latents need.
    """
    if text is None:
        return None
    try:
        numbers = text.lower().replace("×", "x").split("x") if isinstance(text, str) else text
        height, width = (int(number) for number in numbers)
    except (ValueError, TypeError) as error:
        raise TrainingError(f"size={text} is no size. Write height and width as 512x352.") from error
    if min(height, width) < STRIDE or height % STRIDE or width % STRIDE:
        raise TrainingError(f"size={text}: height and width must be multiples of {STRIDE}, as 512x352 or 256x176.")
    return height, width


def pictures_in(folder: Path) -> dict[str, Path]:
    """Pictures directly in a folder by their names without ending, in the names' order.

    Raises:
        TrainingError: two files differ in their ending only.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in ENDINGS or file.name.startswith("."):
            continue
        if file.stem in found:
            raise TrainingError(
                f"'{found[file.stem].name}' and '{file.name}' in '{folder}' have one name. Keep one of them, or rename."
            )
        found[file.stem] = file
    return found


def check_files(names: Iterable[str], files: Mapping[str, Path], where: str) -> None:
    """Every name has a file.

    Raises:
        TrainingError: some have not; tells how many, one of them, and where they were looked for.
    """
    wanted = list(names)
    missing = [name for name in wanted if name not in files]
    if missing:
        raise TrainingError(
            f"{len(missing)} of {len(wanted)} pictures are missing from {where}, '{missing[0]}' among them. Unpack the "
            "pictures there again, or give the folder that has them."
        )


def read_picture(file: Path, size: Size | None = None, fit: Fit = "squash") -> np.ndarray:
    """A picture as uint8 ``[H, W, 3]``, RGB, as its camera says it stands.

    Args:
        size: to bring it to, bicubic and antialiased; None leaves it.

    Raises:
        TrainingError: the file is no picture, or cut short.
    """
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TrainingError(
            f"'{file}' cannot be read as a picture ({error}). Put an unbroken copy in its place, or take it away."
        ) from error
    if size is not None and picture.size != size[::-1]:
        if fit == "pad":
            picture = ImageOps.pad(picture, size[::-1], Image.Resampling.BICUBIC, color=(255, 255, 255))
        else:
            picture = picture.resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(picture)


def read_map(file: Path, size: Size) -> np.ndarray:
    """A picture of numbers as uint8 ``[H, W, 3]`` at a size: the nearest pixel's, never a mean of them."""
    picture = Image.fromarray(read_picture(file))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST))
