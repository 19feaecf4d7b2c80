"""How alike a person is in several views: garments' colours and the face, between every two of the views."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocessors.labels import LIP_20

from .garment_colour import GARMENTS


def garment_consistency(
    pictures: Sequence[np.ndarray], labels: Sequence[np.ndarray], garments: Sequence[str] = GARMENTS
) -> dict[str, float]:
    """Mean ΔE₀₀ (CIEDE2000) of a garment's mean colours (in Lab) in two views, over all pairs of views that show it.

    Args:
        pictures: of one person in one outfit, uint8 ``[H, W, 3]``, sRGB.
        labels: where each view shows what, ``[H, W]``, numbers of LIP-20.

    Returns:
        By label, of those that at least two views show. 0 is the same colour in all of them.
    """
    found = {}
    lab = [rgb2lab(picture) for picture in pictures]
    for name in garments:
        number = LIP_20.index(name)
        means = [
            view[shown == number].mean(0) for view, shown in zip(lab, labels, strict=True) if (shown == number).any()
        ]
        if len(means) > 1:
            found[name] = float(np.mean([deltaE_ciede2000(one, other) for one, other in combinations(means, 2)]))
    return found


def face_consistency(vectors: Sequence[np.ndarray | None]) -> float:
    """Mean cosine of the faces' vectors in two views, over all pairs of views with a face; NaN without such a pair.

    Args:
        vectors: of each view's face, ``[D]``; None where there is none.
    """
    seen = [vector / np.linalg.norm(vector) for vector in vectors if vector is not None]
    cosines = [float(one @ other) for one, other in combinations(seen, 2)]
    return float(np.mean(cosines)) if cosines else float("nan")
