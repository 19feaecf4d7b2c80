"""A photo at a method's size, and the way back: what was shown where, and the result pasted into the photo there."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError
from .images import check_image
from .masks import given

Mode = Literal["squash", "pad", "crop", "person"]
Colour = Literal["white", "black", "edge"]
LARGEST_SIDE = 8192
#: Rows that are blended at once: 8K pictures need no copies of their size.
ROWS = 512
#: The host's VAE Encode cuts sides to multiples of this, as much at either end, for the VAEs of Stable Diffusion.
VAE_STRIDE = 8
#: Resampling may leave a mask a little beyond 1; values above this are another scale.
MOST_WHITE = 2.0


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, at least one in each direction."""

    left: int
    top: int
    width: int
    height: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)


@dataclass(frozen=True)
class Placement:
    """Where fitted pictures come from.

    Attributes:
        original: height and width of the photos.
        fitted: height and width of the fitted pictures.
        shown: for every picture, the part of the photo that it shows.
        filled: for every picture, the part of it that shows the photo; the rest is padding.
    """

    original: tuple[int, int]
    fitted: tuple[int, int]
    shown: tuple[Box, ...]
    filled: tuple[Box, ...]


def place(
    original: tuple[int, int],
    width: int,
    height: int,
    mode: Mode,
    boxes: Sequence[Box | None],
    margin: float = 0.1,
) -> Placement:
    """Where photos go in pictures of ``width`` × ``height``.

    Args:
        original: height and width of the photos.
        mode: "squash" shows all, stretched; "pad" shows all in its own aspect; "crop" fills the picture with the
            middle; "person" with the surroundings of a box, and pads where the photo ends.
        boxes: one for every photo, for "person"; the other modes only count them. None is the middle, as in "crop".
        margin: added around a box on every side, in parts of its longer side.

    Raises:
        ConditionError: a size out of 1…8192.
    """
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ConditionError(f"A picture of {width}×{height} cannot be made; sides go from 1 to {LARGEST_SIDE}.")
    whole, picture = Box(0, 0, original[1], original[0]), Box(0, 0, width, height)
    if mode == "squash":
        pairs = [(whole, picture)] * len(boxes)
    elif mode == "pad":
        pairs = [(whole, _inside(picture, whole.width / whole.height))] * len(boxes)
    elif mode == "crop":
        pairs = [(_inside(whole, width / height), picture)] * len(boxes)
    else:
        pairs = [
            _around(box, whole, picture, margin) if box else (_inside(whole, width / height), picture) for box in boxes
        ]
    return Placement(original, (height, width), *(tuple(column) for column in zip(*pairs, strict=True)))


def _inside(room: Box, aspect: float) -> Box:
    """The largest box of an aspect (width / height) in the middle of another."""
    width = min(room.width, max(1, round(room.height * aspect)))
    height = min(room.height, max(1, round(room.width / aspect)))
    return Box(room.left + (room.width - width) // 2, room.top + (room.height - height) // 2, width, height)


def _around(box: Box, whole: Box, picture: Box, margin: float) -> tuple[Box, Box]:
    """The part of the photo around a box, and where in the picture it goes."""
    room = 2 * margin * max(box.width, box.height)
    aspect = picture.width / picture.height
    width = max(box.width + room, (box.height + room) * aspect)
    height = width / aspect
    left, across, filled_left, filled_width = _along(
        box.left + box.width / 2, width, whole.width, picture.width / width, picture.width
    )
    top, down, filled_top, filled_height = _along(
        box.top + box.height / 2, height, whole.height, picture.height / height, picture.height
    )
    return Box(left, top, across, down), Box(filled_left, filled_top, filled_width, filled_height)


def _along(centre: float, length: float, photo: int, scale: float, picture: int) -> tuple[int, int, int, int]:
    """One direction of it: start and length in the photo, start and length in the picture.

    A stretch that fits into the photo is moved into it; a longer one shows all, around the same centre.
    """
    if length <= photo:
        length = max(1, round(length))
        return min(max(round(centre - length / 2), 0), photo - length), length, 0, picture
    start = min(max((length / 2 - centre) * scale, 0), (length - photo) * scale)
    filled = min(max(1, round(photo * scale)), picture)
    return 0, photo, min(round(start), picture - filled), filled


def mask_boxes(mask: Tensor, original: tuple[int, int], number: int) -> list[Box]:
    """The box around what a MASK ``[B, h, w]`` marks, in pixels of photos of the size ``original``, for each of them.

    Raises:
        ConditionError: the batches do not match, or a mask is empty.
    """
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.ndim != 3 or len(mask) not in (1, number) or 0 in mask.shape:
        raise ConditionError(
            f"The mask has shape {tuple(mask.shape)} and the image {number} pictures. Give one mask for all, or one "
            "each."
        )
    boxes = []
    for row, marked in enumerate(mask.to("cpu", torch.float32) > 0.5):
        rows, columns = (marked.any(axis).nonzero()[:, 0] for axis in (1, 0))
        if not len(rows):
            raise ConditionError(f"Mask {row + 1} of the batch is empty. Mark what is to be in the picture in white.")
        spans = zip((rows, columns), original, marked.shape, strict=True)
        (top, bottom), (left, right) = (
            (math.floor(int(span[0]) * side / cells), math.ceil((int(span[-1]) + 1) * side / cells))
            for span, side, cells in spans
        )
        boxes.append(Box(left, top, right - left, bottom - top))
    return boxes * (number // len(boxes))


def fit(image: Tensor, placement: Placement, colour: Colour = "white") -> tuple[Tensor, Tensor]:
    """Photos at their places.

    Args:
        image: ``[B, H, W, 3 or 4]`` in 0–1.
        colour: of the padding; "edge" repeats the photo's outermost pixels.

    Returns:
        IMAGE ``[B, h, w, 3]`` in 0–1, and MASK ``[B, h, w]``, 1 where it shows the photo.

    Raises:
        ConditionError: no proper image.
    """
    image = check_image(image)
    fitted = torch.full((len(image), *placement.fitted, 3), 0.0 if colour == "black" else 1.0)
    mask = torch.zeros(len(image), *placement.fitted)
    for index, (shown, filled) in enumerate(zip(placement.shown, placement.filled, strict=True)):
        part = resample(image[index, shown.rows, shown.columns], filled.height, filled.width)
        if colour == "edge":
            fitted[index] = _extended(part, filled, placement.fitted)
        else:
            fitted[index, filled.rows, filled.columns] = part
        mask[index, filled.rows, filled.columns] = 1
    return fitted, mask


def _extended(part: Tensor, filled: Box, size: tuple[int, int]) -> Tensor:
    """A picture ``[h, w, 3]`` at its place in a larger one, its outermost pixels repeated to the border."""
    rows = (torch.arange(size[0]) - filled.top).clamp(0, filled.height - 1)
    columns = (torch.arange(size[1]) - filled.left).clamp(0, filled.width - 1)
    return part[rows][:, columns]


def resample(picture: Tensor, height: int, width: int) -> Tensor:
    """A picture ``[H, W, C]`` in 0–1 at another size, bicubic and antialiased; at its own size it is itself."""
    if picture.shape[:2] == (height, width):
        return picture
    channels = picture.movedim(-1, 0)[None]
    resized = F.interpolate(channels, size=(height, width), mode="bicubic", antialias=True)
    # Bicubic rings beyond black and white.
    return resized.clamp_(0, 1)[0].movedim(0, -1)


def paste(
    result: Tensor,
    placement: Placement,
    original: Tensor,
    mask: Tensor | None = None,
    feather: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Tensor:
    """Results at the places in the photos that the fitted pictures came from.

    Args:
        result: ``[B, h, w, 3 or 4]`` in 0–1. Of the fitted size, or of what VAE Encode leaves of it, or that enlarged;
            of any other size it is taken for the fitted picture at another resolution.
        placement: of one picture, or of B.
        original: the photos ``[1 or B, H, W, 3 or 4]``.
        mask: ``[1 or B, …]`` in 0–1 over the result, any size, or of the fitted size: where it is pasted. None is
            everywhere, and so is the empty one that Load Image gives for a picture without alpha.
        feather: over how many pixels of the photo the result fades in from the edges of its rectangle, inwards. Edges
            on the border of the photo have nothing to fade to.
        progress: called after every result.

    Returns:
        IMAGE ``[B, H, W, 3 or 4]`` as the photos; outside the rectangle the photo's own bits. Transparency stays what
        it was; where a mask is given, what it pastes is opaque.

    Raises:
        ConditionError: sizes or batches that do not belong together.
    """
    result = check_image(result)
    check_image(original)
    # Also where a photo has values beyond 0–1, what is outside the rectangle stays what it was.
    photos = original.to("cpu", torch.float32)
    if tuple(photos.shape[1:3]) != placement.original:
        height, width = placement.original
        raise ConditionError(
            f"The photo is {photos.shape[2]}×{photos.shape[1]} and the one that was fitted {width}×{height}. Connect "
            "the image that went into Fit Image."
        )
    masks = _check_mask(given(mask, result.shape[1:3]))
    counts = {"results": len(result), "placements": len(placement.shown), "photos": len(photos), "masks": len(masks)}
    number = max(counts.values())
    if any(count not in (1, number) for count in counts.values()):
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise ConditionError(f"These batches do not belong together: {said}. Give one for all, or one each.")
    pasted = photos.repeat(number, 1, 1, 1) if len(photos) < number else photos.clone()
    left = left_by_vae(result.shape[1:3], placement.fitted)
    for index in range(number):
        shown, filled = (boxes[index % len(boxes)] for boxes in (placement.shown, placement.filled))
        covered = _covered(shown, filled, left)
        if covered is None:
            progress()
            continue
        part = _in_photo(result[index % len(result)], placement, shown, filled, left, covered)
        weight, over = _fade(covered, placement.original, feather), masks[index % len(masks)]
        if over is not None:
            whole = left if over.shape != placement.fitted else Box(0, 0, *placement.fitted[::-1])
            weight = weight * _snapped(_in_photo(over[..., None], placement, shown, filled, whole, covered))
        _blend(pasted[index, covered.rows, covered.columns], part, weight, over is not None)
        progress()
    return pasted


def left_by_vae(size: Sequence[int], fitted: tuple[int, int]) -> Box:
    """The part of fitted pictures that results of this height and width show: all, or what VAE Encode leaves of it.

    That has the size of what it leaves, or that enlarged to half a size more, or twice, and so on.
    """
    height, width = (side // VAE_STRIDE * VAE_STRIDE for side in fitted)
    if min(height, width) and _enlarged(size, (height, width)) and not _enlarged(size, fitted):
        return Box((fitted[1] - width) // 2, (fitted[0] - height) // 2, width, height)
    return Box(0, 0, fitted[1], fitted[0])


def _enlarged(size: Sequence[int], of: tuple[int, int]) -> bool:
    """Whether a size is another one times 1, 1½, 2, …"""
    halves = 2 * size[0] // of[0]
    return halves >= 2 and all(2 * side == halves * before for side, before in zip(size, of, strict=True))


def _covered(shown: Box, filled: Box, left: Box) -> Box | None:
    """Pixels of the photo of which a fitted picture shows the middle in its part ``left``; None where it shows none."""
    spans = []
    for first, length, start, cells, begin, end in (
        (shown.left, shown.width, filled.left, filled.width, left.left, left.left + left.width),
        (shown.top, shown.height, filled.top, filled.height, left.top, left.top + left.height),
    ):
        low, high = ((bound - start) * length / cells - 0.5 for bound in (begin, end))
        low, high = max(0, math.ceil(low)), min(length, math.floor(high) + 1)
        spans.append((first + low, high - low))
    (column, width), (row, height) = spans
    return Box(column, row, width, height) if width > 0 and height > 0 else None


def _in_photo(picture: Tensor, placement: Placement, shown: Box, filled: Box, left: Box, covered: Box) -> Tensor:
    """A picture ``[h, w, C]`` of the part ``left`` of a fitted picture, at any resolution, in the photo's pixels."""
    part = resample(_cut(_uncut(picture, left, placement.fitted), filled, placement.fitted), shown.height, shown.width)
    top, column = covered.top - shown.top, covered.left - shown.left
    return part[top : top + covered.height, column : column + covered.width]


def _uncut(picture: Tensor, left: Box, fitted: tuple[int, int]) -> Tensor:
    """A picture of a part of the fitted one, as one of all of it: its outermost pixels repeated."""
    height, width = picture.shape[:2]
    size = round(fitted[0] * height / left.height), round(fitted[1] * width / left.width)
    if size == (height, width):
        return picture
    top, column = round(left.top * height / left.height), round(left.left * width / left.width)
    return _extended(picture, Box(column, top, width, height), size)


def _blend(under: Tensor, over: Tensor, weight: Tensor, opaque: bool) -> None:
    """Lay colours ``over`` onto ``under``, in place; weights of 0 and 1 give either picture's own bits.

    Args:
        under: ``[h, w, 3]``, or with a transparency, ``[h, w, 4]``.
        over: ``[h, w, 3]``; where ``under`` is transparent, with the white that Fit Image showed there.
        weight: ``[h, w, 1]``.
        opaque: make it so where there is weight; else transparency stays.
    """
    for rows in (slice(start, start + ROWS) for start in range(0, len(under), ROWS)):
        u, o, w = under[rows, :, :3], over[rows], weight[rows]
        alpha = under[rows, :, 3:].clamp(0, 1)
        if alpha.shape[-1] and opaque:
            # Porter and Duff's "over", on colours that are not multiplied by their alpha.
            sum_of_both = w + alpha * (1 - w)
            under[rows, :, 3:] = torch.where(w > 0, sum_of_both, under[rows, :, 3:])
            w = torch.where(w < 1, w / sum_of_both.clamp(min=1e-12), w)
        elif alpha.shape[-1]:
            o = torch.where(alpha > 0, ((o - (1 - alpha)) / alpha.clamp(min=1e-12)).clamp(0, 1), u)
        under[rows, :, :3] = torch.where(w < 1, u + w * (o - u), o)


def _snapped(weight: Tensor) -> Tensor:
    """What resampling left a hair from 0 or 1 is 0 or 1, so that what a mask spares is not touched."""
    weight = torch.where(weight < 1e-3, 0.0, weight)
    return torch.where(weight > 1 - 1e-3, 1.0, weight)


def _check_mask(mask: Tensor | None) -> Sequence[Tensor | None]:
    if mask is None:
        return [None]
    mask = (mask[None] if mask.ndim == 2 else mask).to("cpu", torch.float32)
    if mask.ndim != 3 or 0 in mask.shape or not torch.isfinite(mask).all():
        raise ConditionError(
            f"The mask has shape {tuple(mask.shape)}, or values that are not numbers; [batch, height, width] in 0–1 is "
            "needed."
        )
    if float(mask.max()) > MOST_WHITE:
        raise ConditionError(
            f"The mask has values up to {float(mask.max()):g}, and 0–1 are needed. Divide it by 255, or load it with "
            "Load Image (as Mask)."
        )
    return list(mask.clamp(0, 1))


def _cut(picture: Tensor, filled: Box, fitted: tuple[int, int]) -> Tensor:
    """The part of a result ``[h, w, C]`` of any resolution that shows the photo."""
    (top, height), (left, width) = (
        _scaled(start, length, full, cells)
        for start, length, full, cells in zip(
            (filled.top, filled.left), (filled.height, filled.width), fitted, picture.shape[:2], strict=True
        )
    )
    return picture[top : top + height, left : left + width]


def _scaled(start: int, length: int, full: int, cells: int) -> tuple[int, int]:
    first = min(round(start * cells / full), cells - 1)
    last = max(round((start + length) * cells / full), first + 1)
    return first, last - first


def _fade(shown: Box, original: tuple[int, int], feather: int) -> Tensor:
    """How much of the result counts, ``[h, w, 1]``: less near those edges of its rectangle that cut the photo."""
    ramps = []
    for start, length, side in ((shown.top, shown.height, original[0]), (shown.left, shown.width, original[1])):
        cells = torch.arange(length, dtype=torch.float32) + 1
        ramp = torch.ones(length)
        if feather > 0 and start > 0:
            ramp = torch.minimum(ramp, cells / (feather + 1))
        if feather > 0 and start + length < side:
            ramp = torch.minimum(ramp, cells.flip(0) / (feather + 1))
        ramps.append(ramp)
    return (ramps[0][:, None] * ramps[1])[..., None]
