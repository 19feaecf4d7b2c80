"""Colours that go together, planned in OKLCH.

OKLab (Ottosson, 2020, https://bottosson.github.io/posts/oklab/) is a space where distances are about as large as they
look: lightness L in 0–1, chroma C in 0–0.3 or so, hue in degrees.
"""

import numpy as np

#: How far apart in OKLab neighbours of a palette are at the least, before rounding to 8 bits.
NEIGHBOUR_DISTANCE = 0.22
#: Wished between any two colours of a palette; given up where many are asked for.
_ANY_DISTANCE = 0.12

_LINEAR_TO_CONE = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_CONE_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_CONE_TO_LINEAR, _LAB_TO_CONE = np.linalg.inv(_LINEAR_TO_CONE), np.linalg.inv(_CONE_TO_LAB)

#: Families of clothing colours: how often, then the ranges of lightness and chroma, of hue (None: the palette's own).
_FAMILIES = (
    (0.17, (0.15, 0.97), (0.0, 0.012), (0, 360)),  # black, greys, white
    (0.11, (0.80, 0.96), (0.015, 0.04), (60, 100)),  # ecru, cream, sand
    (0.08, (0.32, 0.74), (0.04, 0.09), (45, 75)),  # camel, tan, brown
    (0.09, (0.36, 0.66), (0.04, 0.09), (245, 262)),  # denim
    (0.07, (0.22, 0.30), (0.04, 0.09), (258, 275)),  # navy
    (0.22, (0.55, 0.78), (0.13, 0.21), None),  # brights
    (0.14, (0.82, 0.92), (0.04, 0.08), None),  # pastels
    (0.13, (0.30, 0.46), (0.07, 0.13), None),  # deep: burgundy, bottle green, plum
)
#: Where the free hues gather, in degrees: pink, red, orange, yellow, green, teal, blue, violet; and how often.
_HUES = (5, 25, 50, 90, 150, 195, 255, 305)
_HUE_SHARES = (0.13, 0.21, 0.1, 0.12, 0.12, 0.08, 0.16, 0.08)
#: Steps between the palette's own hues, in degrees: one hue, neighbours, opposites, split opposites, thirds.
_HARMONIES = ((0, 12), (0, 30, -30), (0, 180), (0, 150, 210), (0, 120, 240))


def oklab(colours: np.ndarray) -> np.ndarray:
    """OKLab ``[..., 3]`` of sRGB in 0–255 ``[..., 3]``."""
    value = np.asarray(colours, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _LINEAR_TO_CONE.T) @ _CONE_TO_LAB.T


def luminance(colours: np.ndarray) -> np.ndarray:
    """Relative luminance ``[...]`` in 0–1 of sRGB in 0–255 ``[..., 3]``, as WCAG 2 defines it."""
    value = np.asarray(colours, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """WCAG 2 contrast ratio, 1–21, of two sRGB colours in 0–255."""
    one, other = luminance(first), luminance(second)
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)


def srgb(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> np.ndarray:
    """sRGB uint8 ``[n, 3]`` of OKLCH, ``[n]`` each, hue in degrees; chroma shrinks where the screen cannot show it."""
    angle = np.deg2rad(hue)
    for _ in range(12):
        lab = np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], -1)
        linear = (lab @ _LAB_TO_CONE.T) ** 3 @ _CONE_TO_LINEAR.T
        outside = (linear < -1e-4).any(-1) | (linear > 1 + 1e-4).any(-1)
        if not outside.any():
            break
        chroma = np.where(outside, chroma * 0.88, chroma)
    linear = linear.clip(0, 1)
    value = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (value * 255).round().astype(np.uint8)


def palette(seed: int, count: int) -> np.ndarray:
    """Harmonious clothing colours, sRGB uint8 ``[count, 3]``.

    Neutrals, denim, earth tones, brights, pastels and deep colours all occur; those with a free hue share one harmony.
    Neighbours are at least :data:`NEIGHBOUR_DISTANCE` apart in OKLab. The first colours of a seed do not depend on
    ``count``.

    Raises:
        ValueError: ``count`` is negative.
    """
    if count < 0:
        raise ValueError(f"A palette has 0 colours or more; {count} were asked for.")
    generator = np.random.default_rng((0x9A1E77E, seed))
    hues = (
        generator.choice(_HUES, p=_HUE_SHARES)
        + generator.normal(0, 9)
        + np.array(_HARMONIES[generator.integers(len(_HARMONIES))])
    )
    shares = np.array([family[0] for family in _FAMILIES])
    chosen = np.empty((0, 3), np.uint8)
    while len(chosen) < count:
        families = [_FAMILIES[index] for index in generator.choice(len(_FAMILIES), 10, p=shares / shares.sum())]
        lightness = np.array([generator.uniform(*family[1]) for family in families])
        chroma = np.array([generator.uniform(*family[2]) for family in families])
        hue = np.array(
            [generator.uniform(*family[3]) if family[3] else generator.choice(hues) for family in families]
        ) + generator.normal(0, 4, len(families))
        # Dark yellow is mud: the nearer to yellow, the lighter a colour with a hue of its own.
        free = np.array([family[3] is None for family in families])
        lightness = lightness + free * 0.16 * np.exp(-((((hue - 100 + 180) % 360 - 180) / 28) ** 2)) * (
            lightness < 0.84
        )
        # Off-white and near-black at the end: whatever the colour before, one of the two is far from it.
        ends = np.array([[246, 244, 240], [28, 28, 32]], np.uint8)[:: generator.choice([1, -1])]
        offered = np.concatenate([srgb(lightness, chroma, hue), ends])
        if len(chosen):
            distances = np.linalg.norm(oklab(offered)[:, None] - oklab(chosen)[None], axis=-1)
            near = distances[:, -1] > NEIGHBOUR_DISTANCE
            good = near & (distances.min(1) > _ANY_DISTANCE)
            pick = int(np.argmax(good if good.any() else near))
        else:
            pick = 0
        chosen = np.concatenate([chosen, offered[pick : pick + 1]])
    return chosen
