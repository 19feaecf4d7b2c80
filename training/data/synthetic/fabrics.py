"""Procedural cloth: plain, striped, checked, dotted, flowered and printed, to see whether a garment stays itself.

A texture is a square that tiles and stands for :data:`CLOTH_CM` of cloth. Most designs are coarse, so that they can
still be told apart on a person 110 pixels tall. A seed's design is the same at every size; its grain is by pixel.
"""

import numpy as np

from .decals import decal
from .palettes import palette

__all__ = ["CLOTH_CM", "KINDS", "decal", "draw_kind", "fabric", "palette"]

KINDS = ("plain", "stripes", "checks", "dots", "flowers", "logo", "words")
#: What a texture stands for, in centimetres a side.
CLOTH_CM = 40.0
_SHARES = (0.28, 0.2, 0.15, 0.1, 0.11, 0.09, 0.07)
#: Samples of one repeat of a stripe.
_REPEAT = 1024


def draw_kind(seed: int) -> str:
    """The kind that :func:`fabric` takes for a seed when it is told none."""
    return KINDS[np.random.default_rng((0x5EED1, seed)).choice(len(KINDS), p=_SHARES)]


def fabric(seed: int, kind: str | None = None, size: int = 256) -> np.ndarray:
    """A tileable cloth, uint8 ``[size, size, 3]`` sRGB, :data:`CLOTH_CM` wide and tall.

    Args:
        seed: same seed, same cloth.
        kind: one of :data:`KINDS`, or None for :func:`draw_kind`'s. ``logo`` and ``words`` give the plain cloth that a
            :func:`decal` is printed on.
        size: pixels a side.

    Raises:
        ValueError: an unknown kind, or a size below 8.
    """
    kind = draw_kind(seed) if kind is None else kind
    if kind not in KINDS:
        raise ValueError(f"There is no cloth called '{kind}'; take one of {', '.join(KINDS)}.")
    if size < 8:
        raise ValueError(f"A texture has 8 pixels a side at the least; {size} were asked for.")
    generator = np.random.default_rng((0xFAB, KINDS.index(kind), seed))
    colours = palette(int(generator.integers(2**31)), 5).astype(np.float32)
    design = {"stripes": _stripes, "checks": _checks, "dots": _dots, "flowers": _flowers}.get(kind, _plain)
    cloth = design(generator, colours, size)
    # By a generator of its own, since a design may have drawn a number per pixel.
    generator = np.random.default_rng((0x6A1, KINDS.index(kind), seed))
    return (cloth * _grain(generator, size)[..., None]).clip(0, 255).round().astype(np.uint8)


def _grid(size: int) -> np.ndarray:
    """Centres of pixels in 0–1, float32 ``[size]``."""
    return (np.arange(size, dtype=np.float32) + 0.5) / size


def _grain(generator: np.random.Generator, size: int) -> np.ndarray:
    """Brightness of the weave around 1, float32 ``[size, size]``: canvas, twill, rib knit or jersey."""
    weave, depth = generator.choice(4, p=(0.3, 0.2, 0.15, 0.35)), generator.uniform(0.012, 0.03)
    count = int(generator.integers(28, 56))
    noise = generator.standard_normal((size, size), np.float32)
    at = _grid(size)
    if weave == 0:  # threads of uneven strength, along and across
        along = generator.standard_normal(size, np.float32)
        across = generator.standard_normal(size, np.float32)
        grain = 0.5 * noise + 0.6 * along[:, None] + 0.6 * across[None]
    elif weave == 1:
        grain = np.sin(2 * np.pi * (count + 8) * (at[:, None] + at[None])) + 0.6 * noise
    elif weave == 2:
        grain = 1.2 * np.sin(2 * np.pi * count * at)[None] + 0.5 * noise
    else:
        grain = 0.4 * (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, 2, 0))
    return 1 + depth * grain


def _waves(generator: np.random.Generator, least: float, most: float) -> int:
    """How often a pattern repeats over the cloth, for a period between ``least`` and ``most`` centimetres."""
    return max(round(CLOTH_CM / np.exp(generator.uniform(np.log(least), np.log(most)))), 1)


def _repeat(widths: np.ndarray, colours: np.ndarray, blur: float) -> np.ndarray:
    """One repeat of bands, float32 ``[1024, C]``: relative widths ``[n]``, colours ``[n, C]``; ``blur`` in repeats."""
    edges = np.cumsum(widths) / np.sum(widths)
    bands = colours[np.searchsorted(edges, _grid(_REPEAT)).clip(max=len(widths) - 1)].astype(np.float32)
    half = min(int(blur * _REPEAT / 2), _REPEAT // 2 - 1)
    if not half:
        return bands
    # A box around every sample, by differences of the running sum over three repeats.
    total = np.cumsum(np.concatenate([bands] * 3), 0, dtype=np.float64)
    middle = np.arange(_REPEAT, 2 * _REPEAT)
    return ((total[middle + half] - total[middle - half - 1]) / (2 * half + 1)).astype(np.float32)


def _plain(generator: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    cloth = np.broadcast_to(colours[0], (size, size, 3))
    if generator.random() > 0.3:
        return cloth
    # Melange: short fibres of a lighter and a darker yarn.
    strength = generator.uniform(0.025, 0.06)
    fibres = generator.standard_normal((size, size), np.float32)
    length = max(size // 64, 2)
    fibres = sum(np.roll(fibres, step, 1) for step in range(length)) / np.sqrt(length)
    return cloth * (1 + strength * fibres[..., None])


def _stripes(generator: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    # Whole waves across and down keep the tile whole.
    style = generator.choice(4, p=(0.4, 0.2, 0.3, 0.1))
    if style == 0:  # even, or a band and its ground
        share = generator.choice([0.5, 0.5, 0.35, 0.25, 0.7])
        widths, order, waves = [share, 1 - share], [0, 1], _waves(generator, 3, 12)
    elif style == 1:  # three or four colours in turn
        order = list(range(generator.integers(3, 5)))
        widths, waves = [1.0] * len(order), _waves(generator, 8, 20)
    elif style == 2:  # irregular, over a long repeat
        count = int(generator.integers(4, 9))
        widths = generator.uniform(0.4, 2.5, count)
        order = [0 if index % 2 == 0 else int(generator.integers(1, 4)) for index in range(count + count % 2)]
        order[1] = 1  # the colour that is sure to differ from the ground
        widths, waves = np.resize(widths, len(order)), _waves(generator, 13, 20)
    else:  # pinstripes, finer
        share = generator.uniform(0.12, 0.25)
        widths, order, waves = [1 - share, share], [0, 1], _waves(generator, 1.8, 3.5)
    across, down = ((0, 1), (1, 0), (1, 1), (1, -1), (1, 2), (2, 1))[
        generator.choice(6, p=(0.42, 0.34, 0.08, 0.08, 0.04, 0.04))
    ]
    length = float(np.hypot(across, down))
    waves = max(round(waves / length), 1)
    across, down = across * waves, down * waves
    bands = _repeat(np.asarray(widths, np.float32), colours[order], (abs(across) + abs(down)) / size)
    at = _grid(size)
    phase = at[None] * across + at[:, None] * down + np.float32(generator.random())
    return bands[(phase * _REPEAT).astype(np.int32) % _REPEAT]


def _checks(generator: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    at = _grid(size)
    style = generator.choice(4, p=(0.32, 0.38, 0.2, 0.1))
    if style == 0:  # gingham and buffalo check: where both threads are coloured, the full colour
        waves = _waves(generator, 3, 12)
        ground = colours[0] if generator.random() < 0.3 else np.float32([248, 246, 242])
        colour = colours[1:4][np.argmax(np.abs(colours[1:4] - ground).sum(1))]
        warp = _repeat(np.ones(2), np.stack([colour, ground]), waves / size)
    elif style == 1:  # tartan: the same bands along and across
        waves = _waves(generator, 9, 20)
        count = int(generator.integers(3, 6))
        widths = generator.choice([0.25, 0.6, 1.0, 1.8, 2.6], count)
        widths[0] = 3.0
        order = np.array([0, 1, *generator.integers(1, 4, count - 2)])
        # Mirrored, as a tartan's sett is.
        widths, order = np.concatenate([widths, widths[-2:0:-1]]), np.concatenate([order, order[-2:0:-1]])
        warp = _repeat(widths, colours[order], waves / size)
    elif style == 2:  # windowpane: thin lines on a ground
        waves = _waves(generator, 5, 13)
        line = generator.uniform(0.08, 0.18)
        warp = _repeat(np.array([line, 1 - line]), np.stack([colours[1], colours[0]]), waves / size)
        thread = _repeat(np.array([line, 1 - line]), np.float32([[1], [0]]), waves / size)[:, 0]
        index = (at * waves * _REPEAT).astype(np.int32) % _REPEAT
        cover = np.maximum(thread[index][:, None], thread[index][None])[..., None]
        return colours[0] + cover * (colours[1] - colours[0])
    else:  # chessboard
        waves = _waves(generator, 6, 20)
        sign = _repeat(np.ones(2), np.float32([[1], [-1]]), waves / size)[:, 0]
        sign = sign[(at * waves * _REPEAT).astype(np.int32) % _REPEAT]
        cover = (0.5 + 0.5 * sign[:, None] * sign[None])[..., None]
        return colours[0] + cover * (colours[1] - colours[0])
    index = ((at * waves + np.float32(generator.random())) * _REPEAT).astype(np.int32) % _REPEAT
    threads = warp[index]
    cloth = (threads[:, None] + threads[None]) / 2
    if generator.random() < 0.5:  # twill: warp and weft take turns on top
        top = 0.22 * np.sin(2 * np.pi * 32 * (at[:, None] + at[None]))[..., None].astype(np.float32)
        cloth = cloth + top * (threads[:, None] - threads[None])
    return cloth


def _dots(generator: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    # A square cell a dot. Every other row may shift by half a cell, so the number of rows is even.
    style = generator.choice(3, p=(0.55, 0.2, 0.25))
    rows = 2 * _waves(generator, 6, 20)
    shift = 0.5 if style != 1 else 0.0
    radius = generator.uniform(0.18, 0.38)
    inks = colours[1:2] if generator.random() < 0.6 else colours[1 : 2 + generator.integers(1, 4)]
    offsets = np.zeros((2, rows, rows), np.float32)
    radii = np.full((rows, rows), radius, np.float32)
    if style == 2:  # confetti
        radii = generator.uniform(0.12, 0.34, (rows, rows)).astype(np.float32)
        offsets = generator.uniform(-1, 1, (2, rows, rows)).astype(np.float32) * (0.48 - radii)
    ink = generator.integers(len(inks), size=(rows, rows))
    at = _grid(size)
    y = at[:, None] * rows
    row = np.floor(y)
    x = at[None] * rows + np.float32(shift) * (row % 2)
    column = np.floor(x)
    place = (row * rows + column % rows).astype(np.int32)
    away_x, away_y, reach = (table.ravel().take(place) for table in (*offsets, radii))
    distance = np.sqrt((x - column - 0.5 - away_x) ** 2 + (y - row - 0.5 - away_y) ** 2)
    cover = ((reach - distance) * np.float32(size / rows) + 0.5).clip(0, 1)[..., None]
    return colours[0] + cover * (inks[ink] - colours[0]).reshape(-1, 3).take(place, 0)


def _flower(generator: np.random.Generator, colours: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour ``[side, side, 3]`` and cover ``[side, side, 1]`` of a blossom: petal, shade, heart ``[3, 3]``."""
    at = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    radius = np.hypot(at[:, None], at[None])
    angle = np.arctan2(at[:, None], at[None]) + generator.uniform(0, 2 * np.pi)
    petals = int(generator.choice([5, 5, 6, 8, 10]))
    wave = np.abs(np.cos(angle * petals / 2))
    outline = 0.95 * (generator.uniform(0.35, 0.62) + (1 - 0.48) * wave ** generator.uniform(0.5, 0.9)).clip(max=1)
    soft = 0.5 * side
    cover = ((outline - radius) * soft + 0.5).clip(0, 1)[..., None]
    # Shaded towards the heart and in the folds between the petals.
    shade = ((0.75 - radius / outline) * 1.3 + 0.35 * (0.5 - wave)).clip(0, 0.85)[..., None]
    heart = ((generator.uniform(0.18, 0.28) - radius) * soft + 0.5).clip(0, 1)[..., None]
    bloom = colours[0] + shade * (colours[1] - colours[0])
    return bloom + heart * (colours[2] - bloom), cover


def _leaf(generator: np.random.Generator, colour: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour and cover, as :func:`_flower`'s, of one leaf."""
    at = (np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1
    turn = generator.uniform(0, 2 * np.pi)
    along = np.cos(turn) * at[None] + np.sin(turn) * at[:, None]
    across = np.abs(np.cos(turn) * at[:, None] - np.sin(turn) * at[None])
    cover = ((0.36 * (1 - along**2) - across) * 0.5 * side + 0.5).clip(0, 1)[..., None]
    vein = ((0.05 - across) * 0.5 * side + 0.5).clip(0, 1)[..., None]
    return colour * (1 - 0.25 * vein), cover * (np.abs(along) < 0.98)[..., None]


def _flowers(generator: np.random.Generator, colours: np.ndarray, size: int) -> np.ndarray:
    cloth = np.broadcast_to(colours[0], (size, size, 3)).copy()
    width = generator.uniform(0.08, 0.24)  # of the cloth: 3–10 cm
    tint = palette(int(generator.integers(2**31)), 1)[0]
    green = tint * 0.2 + np.float32([70, 110, 70]) * generator.uniform(0.6, 1.3)
    # The most vivid colours bloom: most often two of them, sometimes three.
    blooms = sorted(colours[1:4], key=np.ptp, reverse=True)
    stamps = []
    for ink in (blooms[0], blooms[1], blooms[2 * int(generator.integers(2))]):
        for _ in range(2):
            side = max(int(size * width * generator.uniform(0.75, 1.1)), 5)
            heart = colours[4] if generator.random() < 0.5 else np.float32([236, 190, 70])
            stamps.append(_flower(generator, np.stack([ink, ink * 0.72, heart]), side))
    leaves = [_leaf(generator, green, max(int(size * width * 0.8), 5)) for _ in range(4)]
    count = int(np.clip(generator.uniform(0.45, 0.8) / width**2, 8, 60))
    # Best of several draws by distance on the torus: even, yet without rows.
    places = generator.random((1, 2))
    while len(places) < count:
        offered = generator.random((20, 2))
        apart = np.abs(offered[:, None] - places[None])
        apart = np.minimum(apart, 1 - apart)
        places = np.concatenate([places, offered[np.argmax((apart**2).sum(-1).min(1))][None]])
    if generator.random() < 0.75:
        for y, x in places + generator.normal(0, 0.45 * width, places.shape):
            _stamp(cloth, *leaves[generator.integers(len(leaves))], y, x)
    for y, x in places:
        _stamp(cloth, *stamps[generator.integers(len(stamps))], y, x)
    return cloth


def _stamp(cloth: np.ndarray, colour: np.ndarray, cover: np.ndarray, y: float, x: float) -> None:
    """Puts a stamp in place, centred at ``y``, ``x`` in 0–1, around the edges."""
    size, side = len(cloth), len(colour)
    reach = np.arange(side) - side // 2
    place = np.ix_((reach + int(y * size)) % size, (reach + int(x * size)) % size)
    under = cloth[place]
    cloth[place] = under + cover * (colour - under)
