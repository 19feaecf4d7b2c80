"""How far the clothes' colours are off, garment by garment."""

from collections.abc import Sequence

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocessors.labels import LIP_20

#: Labels that are worn.
GARMENTS = (
    "Hat",
    "Glove",
    "Upper-clothes",
    "Dress",
    "Coat",
    "Socks",
    "Pants",
    "Jumpsuits",
    "Scarf",
    "Skirt",
    "Left-shoe",
    "Right-shoe",
)


def garment_colour_error(
    truth: np.ndarray, made: np.ndarray, labels: np.ndarray, garments: Sequence[str] = GARMENTS
) -> dict[str, float]:
    """Mean ΔE₀₀ (CIEDE2000) inside every garment that the true picture shows.

    Args:
        truth, made: uint8 ``[H, W, 3]``, sRGB.
        labels: parsing of the true picture, ``[H, W]``, numbers of LIP-20.

    Returns:
        By label. Equal colours are 0, a just visible difference is about 1, black against white is 100.
    """
    difference = deltaE_ciede2000(rgb2lab(truth), rgb2lab(made))
    numbers = {name: LIP_20.index(name) for name in garments}
    return {
        name: float(difference[labels == number].mean()) for name, number in numbers.items() if (labels == number).any()
    }
