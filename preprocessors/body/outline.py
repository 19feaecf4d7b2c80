"""A person's shape and clothes, as far as the outline of a photo tells them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from .camera import Camera
from .clothes import NOTHING, choices
from .model import body
from .pose import Posed
from .rendering import render
from .scene import Figure

#: Longer side of the pictures that are held against one another, pixels.
SIDE = 128
#: What is tried along every axis of the shape, in this order.
AXES, STEPS = ("build", "sex", "height", "muscle"), (-0.8, -0.4, 0.0, 0.4, 0.8)
#: By how much of the overlap a shape must be better than what was there: less is chance.
WORTH = 0.004
#: Garments that an outline tells, in the order in which they are tried, and how much they must be worth: wide trousers
#: are like a skirt, and what is less than this is no skirt. Sleeves and shoes change too little of an outline.
SLOTS = {"bottom": 0.02, "coat": 0.02, "hair": 0.006}

Fitting = Callable[[Figure, Posed], Posed]


@dataclass(frozen=True, eq=False)
class Outlined:
    """Someone whose outline is like that of a photo.

    Attributes:
        overlap: of the two outlines, their intersection over their union.
    """

    figure: Figure
    posed: Posed
    overlap: float


def outlined(
    figure: Figure, posed: Posed, mask: np.ndarray, camera: Camera, refitted: Fitting, change: bool = True
) -> Outlined:
    """Change a figure's shape and clothes, one after the other, as long as its outline comes nearer to the mask.

    Args:
        figure, posed: what is begun with.
        mask: where the person is, bool ``[H, W]`` of the camera's size.
        refitted: the pose of another figure, near the given one.
        change: False says only how much the outlines have in common.
    """
    search = _Search(mask, camera)
    best = Outlined(figure, posed, search.overlap(figure, posed))
    if not change:
        return best
    # Clothes first: a skirt would be taken for a heavy build; and again, as a heavy build may have been for a coat.
    best = search.clothed(best)
    for axis in AXES:
        for value in STEPS:
            other = replace(best.figure, shape=best.figure.shape | {axis: value})
            best = search.better(best, other, refitted(other, best.posed))
    return search.clothed(best)


class _Search:
    """Outlines of one person, small."""

    def __init__(self, mask: np.ndarray, camera: Camera) -> None:
        height, width = camera.size
        smaller = min(1.0, SIDE / max(height, width))
        size = max(1, round(height * smaller)), max(1, round(width * smaller))
        shown = torch.from_numpy(mask.astype(np.float32))[None, None]
        self._mask = (F.interpolate(shown, size=size, mode="area")[0, 0] >= 0.5).numpy()
        self._camera = replace(camera, scale=camera.scale * size[0] / height, size=size)

    def overlap(self, figure: Figure, posed: Posed) -> float:
        """Intersection over union of the figure's outline and the mask."""
        shown = render([figure.person(posed)], self._camera).person >= 0
        return float((shown & self._mask).sum() / max((shown | self._mask).sum(), 1))

    def clothed(self, best: Outlined) -> Outlined:
        """The same in the garments that it is most like in, one slot after the other."""
        for slot, worth in SLOTS.items():
            for cut in choices(body())[slot]:
                if cut == best.figure.outfit[slot] or (slot == "bottom" and cut == NOTHING):
                    continue
                outfit = best.figure.outfit | {slot: cut}
                best = self.better(best, replace(best.figure, outfit=outfit), best.posed, worth)
        return best

    def better(self, best: Outlined, figure: Figure, posed: Posed, worth: float = WORTH) -> Outlined:
        """The better of the two; what was there, unless the other is worth it."""
        overlap = self.overlap(figure, posed)
        return Outlined(figure, posed, overlap) if overlap > best.overlap + worth else best
