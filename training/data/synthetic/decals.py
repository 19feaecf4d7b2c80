"""Chest prints: a few words or a logo, in colours that stand out from the cloth.

Words of the ``train`` and of the ``test`` split are disjoint: a word's SHA-256 decides (:func:`split_of`), whatever its
case, so that a model cannot have learned a test word by heart. Monograms go by the same rule; logo shapes are shared.
"""

import hashlib
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .palettes import contrast, oklab, palette

#: Height and width of a print in pixels.
DECAL_SIZE = (128, 256)
#: Least WCAG 2 contrast ratio of the main ink with the cloth; black or white always reaches 4.5.
LEAST_CONTRAST = 3.0
_TEST_SHARE = 0.2
#: Drawn this much larger, and brought down for smooth edges.
_SCALE = 2
_WORDS = """
    above air alpha amber april arrow atlas aura autumn bay beach bear berry birch bird bloom blue bold brave
    breeze bright calm canyon cedar chapter city clay cloud club coast cobalt comet coral cosmic crew dawn day
    deer delta desert dream drift dune eagle early earth east echo ember every fable falcon fern field fire flow
    forest forward found fox free fresh garden gentle glow gold good grand grove happy harbor haze hello high hill
    home honey hope horizon indigo island ivory jade jazz journey joy june juniper kind kite lake lark laurel leaf
    lemon light lime linen local loop lucky lumen lunar lush maple march meadow mellow melody metro mint mist
    modern moon moss motion nature near new noble north nova oak oasis ocean olive onda opal open orbit orchard
    origin pacific palm peace pearl pebble petal pine pioneer planet plum polar poppy prime pulse quartz quiet
    radio rain rapid raven reef ridge rise river road robin rocket rose sage salt sand sea shell shine shore
    signal silver simple sky slow smile snow solar song south spark spring star stay still stone storm story
    studio summer summit sun sunny surf swift tempo terra tide tiger today together trail tribe tulip union urban
    valley velvet violet vista vivid wander water wave west wild willow wind winter wolf wonder wood yes zen zero
""".split()
#: What made-up words are put together from; few and chosen, so that no combination is a rude word.
_SYLLABLES = "lo mi va ro ne zu ki so la re ve nia ma ru te no ael bri flo glo vel mor len dra sol tam".split()


def split_of(word: str) -> str:
    """``train`` or ``test``: the one split that may draw the word. One in five is a test word."""
    return "test" if hashlib.sha256(word.lower().encode()).digest()[0] < 256 * _TEST_SHARE else "train"


@cache
def vocabulary(split: str) -> tuple[str, ...]:
    """The split's share of the common words; made-up words and numbers come on top, by the same rule."""
    return tuple(word for word in _WORDS if split_of(word) == split)


def draw_word(generator: np.random.Generator, split: str) -> str:
    """A word or a number of the split, lower case: common, made up (one in three) or two digits (one in fifteen)."""
    kind = generator.random()
    if kind < 0.6:
        return str(generator.choice(vocabulary(split)))
    while True:
        made_up = "".join(generator.choice(_SYLLABLES, generator.integers(2, 4)))
        word = f"{generator.integers(100):02d}" if kind > 0.93 else made_up
        if split_of(word) == split:
            return word


def decal(seed: int, kind: str, background: np.ndarray, split: str = "train") -> np.ndarray:
    """A chest print, RGBA uint8 ``[128, 256, 4]``, clear where the cloth shows.

    Args:
        seed: same seed, same print.
        kind: ``logo`` or ``words``.
        background: the cloth's sRGB colour ``[3]`` in 0–255; the main ink's contrast with it is
            :data:`LEAST_CONTRAST` or more.
        split: ``train`` or ``test``; they share no word.

    Raises:
        ValueError: an unknown kind or split.
    """
    if kind not in ("logo", "words"):
        raise ValueError(f"A print is 'logo' or 'words', not '{kind}'.")
    if split not in ("train", "test"):
        raise ValueError(f"Prints are drawn for the split 'train' or 'test', not '{split}'.")
    generator = np.random.default_rng((0xDECA1, kind == "logo", seed))
    inks = _inks(generator, np.asarray(background))
    height, width = DECAL_SIZE
    image = Image.new("RGBA", (width * _SCALE, height * _SCALE), (*inks[0], 0))
    (_words if kind == "words" else _logo)(generator, ImageDraw.Draw(image), inks, split)
    printed = np.array(image.reduce(_SCALE))
    # Clear pixels take the ink's colour: whoever samples between pixels then mixes no black into the edges.
    printed[printed[..., 3] == 0, :3] = inks[0]
    return printed


def _inks(generator: np.random.Generator, background: np.ndarray) -> list[tuple[int, ...]]:
    """Main ink, and an accent that differs from both it and the cloth."""
    colours = np.concatenate([palette(int(generator.integers(2**31)), 6), [[250, 250, 248], [18, 18, 20]]])
    if generator.random() < 0.35:
        colours = np.roll(colours, 2, 0)
    fit = colours[contrast(colours, background) >= LEAST_CONTRAST]
    main = fit[0]
    apart = np.minimum(*(np.linalg.norm(oklab(colours) - oklab(one), axis=-1) for one in (main, background)))
    return [tuple(int(value) for value in one) for one in (main, colours[int(np.argmax(apart))])]


def _words(generator: np.random.Generator, draw: ImageDraw.ImageDraw, inks: list[tuple[int, ...]], split: str) -> None:
    width, height = draw.im.size
    words = [draw_word(generator, split) for _ in range(1 if generator.random() < 0.55 else 2)]
    case = (str.upper, str.upper, str.title, str.lower)[generator.integers(4)]
    style = generator.choice(["bare", "frame", "bar", "rules"], p=(0.5, 0.16, 0.18, 0.16))
    margin = 0.06 if style == "bare" else 0.11
    left, right, top, bottom = margin * width * 0.7, width * (1 - margin * 0.7), margin * height, height * (1 - margin)
    clear = (*inks[0], 0)
    if style == "bar":
        draw.rounded_rectangle((2, 2, width - 3, height - 3), generator.choice([0, 0.08, 0.3]) * height, inks[0])
    elif style == "frame":
        draw.rounded_rectangle((2, 2, width - 3, height - 3), 0.1 * height, outline=inks[0], width=height // 24)
    share = generator.uniform(0.42, 0.68) if len(words) == 2 else 1.0
    bands = [(top, top + share * (bottom - top)), (top + share * (bottom - top), bottom)][: len(words)]
    weight, spread = generator.uniform(0.02, 0.042), generator.choice([0.0, 0.0, 0.12])
    extent = []
    for index, (word, (upper, lower)) in enumerate(zip(words, bands, strict=True)):
        ink = clear if style == "bar" else inks[index and generator.integers(2)]
        extent += _line(draw, case(word), (left, upper, right, lower), ink, weight, spread)
    if style == "rules":
        for at in (min(extent) - 0.09 * height, max(extent) + 0.06 * height):
            draw.rectangle((0.06 * width, at, 0.94 * width, at + 0.05 * height), inks[0])


def _line(
    draw: ImageDraw.ImageDraw, text: str, box: tuple[float, ...], ink: tuple[int, ...], weight: float, spread: float
) -> tuple[float, float]:
    """Sets bold ``text`` as large as ``box`` (left, top, right, bottom) lets it; gives its top and bottom.

    ``weight`` is the added stroke and ``spread`` the added space between letters, both in sizes of the font.
    """
    left, top, right, bottom = box
    font, stroke = ImageFont.load_default(100), 100 * weight
    _, ink_top, _, ink_bottom = font.getbbox(text, stroke_width=stroke)
    steps = [font.getlength(letter) + 100 * (weight + spread) for letter in text]
    scale = min((right - left) / (sum(steps) - 100 * spread), 0.92 * (bottom - top) / (ink_bottom - ink_top))
    font, stroke = ImageFont.load_default(100 * scale), stroke * scale
    x = (left + right - (sum(steps) - 100 * spread) * scale) / 2 + stroke / 2
    y = (top + bottom - (ink_top + ink_bottom) * scale) / 2
    for letter, step in zip(text, steps, strict=True):
        draw.text((x, y), letter, ink, font, stroke_width=stroke)
        x += step * scale
    return y + ink_top * scale, y + ink_bottom * scale


def _around(count: int, first: float, radii: tuple[float, ...]) -> np.ndarray:
    """Points ``[count, 2]`` on circles of ``radii`` in turn, from the angle ``first`` on, x right and y down."""
    angles = first + 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], -1) * np.resize(radii, count)[:, None]


def _heart() -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 80)
    x = 16 * np.sin(turn) ** 3
    y = 13 * np.cos(turn) - 5 * np.cos(2 * turn) - 2 * np.cos(3 * turn) - np.cos(4 * turn)
    return np.stack([x, -y - 2.5], -1) / 16.5


def _logo(generator: np.random.Generator, draw: ImageDraw.ImageDraw, inks: list[tuple[int, ...]], split: str) -> None:
    """Draws one emblem in a square of −1–1 around the middle, some on a pair of chest stripes."""
    width, height = draw.im.size
    half = 0.48 * height
    main, accent, clear = inks[0], inks[1], (*inks[0], 0)
    reach = 1.0

    def area(points: np.ndarray, ink: tuple[int, ...]) -> None:
        placed = np.asarray(points) * half * reach + (width / 2, height / 2)
        draw.polygon([tuple(point) for point in placed.tolist()], ink)

    def disk(radius: float, ink: tuple[int, ...], x: float = 0.0, y: float = 0.0) -> None:
        area(_around(90, 0, (radius,)) + (x, y), ink)

    up = -np.pi / 2
    second = main if generator.random() < 0.4 else accent
    if generator.random() < 0.2:  # chest stripes, parted by the emblem
        for y, ink in ((-0.3, main), (0.08, second)):
            draw.rectangle((0, height / 2 + y * half, width, height / 2 + (y + 0.22) * half), ink)
        disk(1.0, clear)
        reach = 0.85
    shape = generator.integers(14)
    if shape == 0:
        points = int(generator.integers(5, 9))
        area(_around(2 * points, up, (1.0, generator.uniform(0.4, 0.6))), main)
    elif shape == 1:  # ring, with a disk or a star in it
        disk(1.0, main)
        disk(generator.uniform(0.66, 0.8), clear)
        area(_around(10, up, (0.55, 0.24)) if generator.random() < 0.5 else _around(60, 0, (0.4,)), second)
    elif shape == 2:
        area(_heart(), main)
        if generator.random() < 0.4:
            area(_heart() * 0.62, second if second != main else clear)
    elif shape == 3:  # mountains with snow, some before a sun
        if generator.random() < 0.5:
            disk(0.42, second, 0.42, -0.42)
        area(np.array([[-1, 0.75], [-0.25, -0.85], [0.5, 0.75]]), main)
        area(np.array([[0, 0.75], [0.5, -0.2], [1, 0.75]]), main)
        area(
            np.array([[-0.44, -0.44], [-0.25, -0.85], [-0.06, -0.44], [-0.16, -0.55], [-0.25, -0.4], [-0.34, -0.55]]),
            clear,
        )
    elif shape == 4:  # lightning
        area(np.array([[0.25, -1], [-0.6, 0.15], [-0.08, 0.15], [-0.25, 1], [0.6, -0.25], [0.08, -0.25]]), main)
    elif shape == 5:  # sun
        rays = int(generator.integers(8, 15))
        area(_around(2 * rays, up, (1.0, 0.66)), main)
        disk(0.62, clear)
        disk(0.5, second)
    elif shape == 6:  # monogram in a ring or a square
        while True:
            letters = "".join(generator.choice(list("ABCDEFGHJKLMNPRSTVWYZ"), 2))
            if split_of(letters) == split:
                break
        solid = generator.random() < 0.5
        frame = _around(90, 0, (1.0,)) if generator.random() < 0.6 else _around(4, np.pi / 4, (1.3,))
        area(frame, main)
        if not solid:
            area(frame * 0.86, clear)
        side = 0.62 * half * reach
        box = (width / 2 - side, height / 2 - side, width / 2 + side, height / 2 + side)
        _line(draw, letters, box, clear if solid else main, 0.05, 0.0)
    elif shape == 7:  # shield with a star or a chevron
        shield = np.array([[-0.8, -0.85], [0.8, -0.85], [0.8, 0.1], [0.5, 0.6], [0, 1], [-0.5, 0.6], [-0.8, 0.1]])
        area(shield, main)
        area(shield * 0.84, clear)
        if generator.random() < 0.5:
            area(_around(10, up, (0.6, 0.25)) - (0, 0.08), second)
        else:
            for y in (-0.5, -0.05):
                area(
                    np.array(
                        [
                            [-0.55, y + 0.3],
                            [0, y - 0.05],
                            [0.55, y + 0.3],
                            [0.55, y + 0.55],
                            [0, y + 0.2],
                            [-0.55, y + 0.55],
                        ]
                    ),
                    second,
                )
    elif shape == 8:  # crescent, with a star
        disk(0.95, main)
        disk(0.78, clear, 0.38, -0.12)
        area(_around(10, up, (0.36, 0.15)) + (0.45, -0.1), second)
    elif shape == 9:  # crown
        area(np.array([[-0.9, 0.55], [-1, -0.5], [-0.5, 0], [0, -0.85], [0.5, 0], [1, -0.5], [0.9, 0.55]]), main)
        area(np.array([[-0.9, 0.65], [0.9, 0.65], [0.9, 0.85], [-0.9, 0.85]]), second)
    elif shape == 10:  # waves
        along = np.linspace(-1, 1, 60)
        swell = 0.16 * np.sin(along * np.pi * generator.integers(2, 4))
        for y in (-0.6, 0.0, 0.6):
            top, bottom = np.stack([along, swell + y - 0.13], -1), np.stack([along, swell + y + 0.13], -1)
            area(np.concatenate([top, bottom[::-1]]), second if y == 0 else main)
    elif shape == 11:  # diamonds, one in the other
        for radius, ink in ((1.0, main), (0.7, clear), (0.45, second)):
            area(_around(4, 0, (radius,)), ink)
    elif shape == 12:  # blossom
        petals = int(generator.integers(5, 8))
        for x, y in _around(petals, up, (0.58,)):
            disk(0.4, main, x, y)
        disk(0.3, second if second != main else clear)
    else:  # a smile
        disk(1.0, main)
        for x in (-0.33, 0.33):
            disk(0.13, clear, x, -0.25)
        arc = _around(120, 0, (1.0,))[:61]
        area(np.concatenate([arc * 0.62, arc[::-1] * 0.48]) + (0, 0.05), clear)
