"""Backdrops to stand people before: studios, walls, rooms, streets and blurred lights, all softer than the person."""

import numpy as np
from PIL import Image, ImageFilter

from .palettes import srgb

#: Scenes and how often each occurs.
SCENES = {"studio": 0.55, "wall": 0.16, "room": 0.11, "street": 0.1, "lights": 0.08}


def background(seed: int, size: tuple[int, int]) -> np.ndarray:
    """A backdrop, uint8 ``[H, W, 3]`` sRGB, for ``size`` = (H, W) in pixels, the same for the same seed.

    Raises:
        ValueError: a side below 8 pixels.
    """
    _check(size)
    height, width = size
    generator = np.random.default_rng((0xBAC4, seed))
    scene = generator.choice(list(SCENES), p=list(SCENES.values()))
    paint = {"studio": _studio, "wall": _wall, "room": _room, "street": _street, "lights": _lights}[scene]
    picture = paint(generator, height, width)
    # Grain also hides the steps of slow gradients.
    noise = generator.standard_normal((height, width, 1), np.float32) * np.float32(generator.uniform(0.4, 1.6))
    return (picture + noise).clip(0, 255).round().astype(np.uint8)


def studio_paper(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Plain paper of a middle tone, uint8 ``[H, W, 3]``: neither white nor black cloth vanishes before it.

    Raises:
        ValueError: a side below 8 pixels.
    """
    generator = np.random.default_rng((0xBAC5, seed))
    _check(size)
    picture = np.broadcast_to(_tone(generator, (0.52, 0.68), 0.03)[0], (*size, 3)) * _light(generator, *size)
    return picture.clip(0, 255).round().astype(np.uint8)


def _check(size: tuple[int, int]) -> None:
    if min(size) < 8:
        raise ValueError(f"A background has 8 pixels a side at the least; {size[1]} × {size[0]} were asked for.")


def _tone(generator: np.random.Generator, lightness: tuple[float, float], chroma: float, count: int = 1) -> np.ndarray:
    """Quiet colours of neighbouring hues, float32 ``[count, 3]`` in 0–255."""
    hue = generator.uniform(0, 360) + generator.normal(0, 25, count)
    strength = chroma * generator.random(count) ** 1.5
    return srgb(generator.uniform(*lightness, count), strength, hue).astype(np.float32)


def _axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``[H, 1]`` and columns ``[1, W]`` of pixel centres in 0–1."""
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    columns = (np.arange(width, dtype=np.float32) + 0.5) / width
    return rows[:, None], columns[None]


def _light(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Brightness ``[H, W, 1]`` about 1: a soft pool of light, darker to the corners, brighter on one side."""
    y, x = _axes(height, width)
    centre_y, centre_x = generator.uniform(0.25, 0.6), generator.uniform(0.35, 0.65)
    away = (y - centre_y) ** 2 + (x - centre_x) ** 2
    side = generator.uniform(-0.08, 0.08) * (x - 0.5)
    return (1.03 - generator.uniform(0, 0.4) * away + side)[..., None].astype(np.float32)


def _soften(picture: np.ndarray, radius: float) -> np.ndarray:
    """Gaussian blur of float ``[H, W, 3]`` in 0–255 by about ``radius`` of the height."""
    pixels = radius * len(picture)
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.BoxBlur(pixels)).filter(ImageFilter.BoxBlur(pixels)), np.float32)


def _floor(
    generator: np.random.Generator, picture: np.ndarray, colour: np.ndarray, line: float, soft: float
) -> np.ndarray:
    """Lays a floor from the height ``line`` (0 top, 1 bottom) on, its edge ``soft`` of the height wide."""
    y, _ = _axes(*picture.shape[:2])
    cover = ((y - line) / soft + 0.5).clip(0, 1)
    cover = (cover * cover * (3 - 2 * cover))[..., None]
    # A shade where floor and wall meet.
    shade = 1 - generator.uniform(0.03, 0.1) * np.exp(-(((y - line) / 0.03) ** 2))[..., None]
    return (picture + cover * (colour - picture)) * shade


def _studio(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    bright = generator.random() < 0.7
    paper = _tone(generator, (0.86, 0.97) if bright else (0.4, 0.8), 0.012 if generator.random() < 0.65 else 0.08)[0]
    picture = np.broadcast_to(paper, (height, width, 3)) * _light(generator, height, width)
    kind = generator.random()
    if kind < 0.35:  # seamless paper
        return picture
    soft = generator.uniform(0.06, 0.2) if kind < 0.7 else 0.012
    floor = paper * generator.uniform(0.86, 1.06)
    return _floor(generator, picture, floor, generator.uniform(0.76, 0.9), soft)


def _wall(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    base = _tone(generator, (0.5, 0.9), 0.06)[0]
    y, x = _axes(height, width)
    aspect = width / height
    picture = np.broadcast_to(base, (height, width, 3)) * _light(generator, height, width)
    if generator.random() < 0.5:  # bricks, every other row half a brick along
        rows = int(generator.integers(12, 22))
        columns = max(round(rows * aspect / 2.4), 2)
        row = (y * rows).astype(np.int32)
        along = x * columns + 0.5 * (row % 2)
        column = along.astype(np.int32)
        tints = generator.normal(1, 0.04, (rows + 1, columns + 2)).astype(np.float32)
        joint = np.minimum((y * rows) % 1, along % 1 * 2.4) < 0.14
        picture = picture * np.where(joint, generator.uniform(0.85, 1.1), tints[row, column])[..., None]
    else:  # panels: a groove and the edge it lights
        columns = int(generator.integers(3, 8))
        along = (x * columns + generator.random()) % 1
        groove = np.where(along < 0.035, 0.84, np.where(along < 0.07, 1.06, 1)).astype(np.float32)
        if generator.random() < 0.5:
            down = (y * columns / aspect * 0.6 + generator.random()) % 1
            groove = groove * np.where(down < 0.03, np.float32(0.86), np.float32(1))
        picture = picture * np.broadcast_to(groove, (height, width))[..., None]
    floor = _tone(generator, (0.4, 0.75), 0.05)[0]
    if generator.random() < 0.75:
        picture = _floor(generator, picture, floor, generator.uniform(0.8, 0.92), 0.01)
    return _soften(picture, generator.uniform(0.003, 0.008))


def _box(picture: np.ndarray, top: float, left: float, bottom: float, right: float, colour: np.ndarray) -> None:
    """Fills a rectangle given in 0–1."""
    height, width = picture.shape[:2]
    rows = slice(max(int(top * height), 0), max(int(bottom * height), 0))
    picture[rows, max(int(left * width), 0) : max(int(right * width), 0)] = colour


def _room(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    wall, floor = _tone(generator, (0.75, 0.94), 0.05)[0], _tone(generator, (0.45, 0.72), 0.07)[0]
    line = generator.uniform(0.74, 0.86)
    picture = np.broadcast_to(wall, (height, width, 3)).copy()
    for _ in range(int(generator.integers(1, 4))):  # windows and pictures
        left, top = generator.uniform(-0.1, 0.9), generator.uniform(0.03, 0.3)
        wide, tall = generator.uniform(0.15, 0.4), generator.uniform(0.15, 0.4)
        _box(picture, top, left, top + tall, left + wide, wall * generator.uniform(0.75, 1.08))
        _box(
            picture,
            top + 0.012,
            left + 0.02,
            top + tall - 0.012,
            left + wide - 0.02,
            _tone(generator, (0.6, 0.97), 0.06)[0],
        )
    picture = _floor(generator, picture, floor, line, 0.008)
    for _ in range(int(generator.integers(0, 3))):  # furniture at the sides
        wide, tall = generator.uniform(0.15, 0.35), generator.uniform(0.15, 0.4)
        left = generator.choice([generator.uniform(-0.2, 0.05), generator.uniform(0.75, 0.95)])
        foot = line + generator.uniform(0.0, 0.08)
        _box(picture, foot - tall, left, foot, left + wide, _tone(generator, (0.4, 0.8), 0.08)[0])
    return _soften(picture, generator.uniform(0.008, 0.02)) * _light(generator, height, width)


def _street(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, _ = _axes(height, width)
    sky, ground = _tone(generator, (0.85, 0.95), 0.05)[0], _tone(generator, (0.5, 0.68), 0.02)[0]
    line = generator.uniform(0.66, 0.8)
    picture = np.broadcast_to((sky + (y * 14)[..., None]), (height, width, 3)).copy()
    left = -0.1
    while left < 1:
        wide = generator.uniform(0.15, 0.45)
        top = generator.uniform(-0.2, 0.4)
        front = _tone(generator, (0.5, 0.85), 0.06)[0]
        _box(picture, top, left, line, left + wide, front)
        glass = front * generator.uniform(0.7, 1.2)
        floors, bays = int(generator.integers(3, 7)), int(generator.integers(2, 4))
        for storey in range(floors):
            for bay in range(bays):
                y0 = top + (storey + 0.25) / floors * (line - top)
                x0 = left + (bay + 0.25) / bays * wide
                _box(picture, y0, x0, y0 + 0.5 / floors * (line - top), x0 + 0.5 / bays * wide, glass)
        left += wide
    picture = _floor(generator, picture, ground, line, 0.008)
    if generator.random() < 0.6:  # kerb
        kerb = line + generator.uniform(0.04, 0.1)
        _box(picture, kerb, 0, kerb + 0.012, 1, ground * 1.15)
    return _soften(picture, generator.uniform(0.012, 0.028)) * _light(generator, height, width)


def _lights(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    y, x = _axes(height, width)
    top, bottom = _tone(generator, (0.3, 0.75), 0.08, 2)
    picture = top + y[..., None] * (bottom - top) + np.zeros((height, width, 3), np.float32)
    for _ in range(int(generator.integers(14, 30))):
        radius = generator.uniform(0.02, 0.075)
        at_y, at_x = generator.uniform(0, 0.85), generator.uniform(0, 1)
        colour = _tone(generator, (0.7, 0.95), 0.12)[0]
        rows = slice(max(int((at_y - radius) * height), 0), int((at_y + radius) * height) + 2)
        reach = radius * height / width
        columns = slice(max(int((at_x - reach) * width), 0), int((at_x + reach) * width) + 2)
        distance = np.hypot(y[rows] - at_y, (x[:, columns] - at_x) * width / height)
        cover = ((radius - distance) * height * 0.5 + 0.5).clip(0, 1)[..., None] * generator.uniform(0.15, 0.5)
        picture[rows, columns] += cover * (colour - picture[rows, columns])
    return _soften(picture, 0.008) * _light(generator, height, width)
