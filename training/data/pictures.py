"""Files of pictures: which there are in a folder, and their pixels at one size."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from ..errors import TrainingError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
#: Height and width in pixels.
Size = tuple[int, int]
#: How a picture of another aspect gets its size: stretched, as the published data sets are; or whole, in its own
#: aspect, with white beside it; or its middle, in its own aspect.
Fit = Literal["squash", "pad", "crop"]
FITS: tuple[Fit, ...] = ("squash", "pad", "crop")
#: Kinds of pictures with more than eight bits, in Pillow's words; all are grey.
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
#: The largest value of whole numbers of 8, 16 and 32 bits.
WHITES = (255, 65_535, 2**31 - 1)
#: Real numbers up to this are of a picture in 0–1, some of them brighter than white.
BRIGHTEST = 2.0
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


def read_picture(file: Path, size: Size | None = None, fit: Fit = "squash", sides: float = 0) -> np.ndarray:
    """A picture as uint8 ``[H, W, 3]``, RGB, as its camera says it stands; transparency shows white.

    Args:
        size: to bring it to, bicubic and antialiased; None leaves it.
        sides: what share of its width is cut off at its left, and as much at its right.

    Raises:
        TrainingError: the file is no picture, or cut short.
    """
    picture = _middle(_read(file, _as_seen), sides)
    if size is not None and picture.size != size[::-1]:
        if fit == "pad":
            picture = ImageOps.pad(picture, size[::-1], Image.Resampling.BICUBIC, color=(255, 255, 255))
        elif fit == "crop":
            picture = ImageOps.fit(picture, size[::-1], Image.Resampling.BICUBIC)
        else:
            picture = picture.resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(picture)


def checked_fit(fit: str) -> Fit:
    """One of the ways to fit.

    Raises:
        TrainingError: there is no such way.
    """
    if fit not in FITS:
        raise TrainingError(f"fit={fit} is not known. Give one of {', '.join(FITS)}.")
    return fit


def picture_size(file: Path) -> Size:
    """A picture's own height and width, as its camera says it stands.

    Raises:
        TrainingError: the file is no picture, or cut short.
    """
    return _read(file, lambda opened: opened).size[::-1]


def placed(picture: Size, size: Size, fit: Fit) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where :func:`read_picture` puts a picture: by what its height and width are multiplied, and where its first row
    and column come to lie."""
    scales = tuple(wanted / own for wanted, own in zip(size, picture, strict=True))
    if fit != "squash":
        scales = ((min if fit == "pad" else max)(scales),) * 2
    return scales, tuple((wanted - own * scale) / 2 for wanted, own, scale in zip(size, picture, scales, strict=True))


def read_map(file: Path, size: Size, sides: float = 0) -> np.ndarray:
    """A picture of numbers as uint8 ``[H, W, 3]`` at a size: the nearest pixel's, never a mean of them.

    Args:
        sides: as for pictures.

    Raises:
        TrainingError: the file is no picture, or cut short.
    """
    picture = _middle(_read(file, lambda opened: opened.convert("RGB")), sides)
    return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST))


def _read(file: Path, in_colours: Callable[[Image.Image], Image.Image]) -> Image.Image:
    try:
        with Image.open(file) as opened:
            return in_colours(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise TrainingError(
            f"'{file}' cannot be read as a picture ({error}). Put an unbroken copy in its place, or take it away."
        ) from error


def _as_seen(picture: Image.Image) -> Image.Image:
    """A picture of any kind in RGB."""
    if picture.mode in DEEP:
        picture = _in_eight_bits(picture)
    if picture.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return picture.convert("RGB")


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """A deeper picture, whose numbers Pillow would cut off at 255: white is what its kind of numbers has for it.

    32 bits may hold numbers of fewer: the smallest kind that they fit is theirs, and 0–1 for real ones.
    """
    values = np.nan_to_num(np.asarray(picture, np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
    largest = values[np.isfinite(values)].max(initial=0)
    if picture.mode.startswith("I;16"):
        white = WHITES[1]
    elif picture.mode == "F" and largest <= BRIGHTEST:
        white = 1
    else:
        white = next((white for white in WHITES if largest <= white), largest)
    return Image.fromarray((values.clip(0, white) * (255 / white)).round().astype(np.uint8))


def _middle(picture: Image.Image, sides: float) -> Image.Image:
    cut = round(picture.width * sides)
    return picture.crop((cut, 0, picture.width - cut, picture.height)) if cut else picture
