"""DensePose: which point of a body's surface every pixel shows.

Güler et al., "DensePose: Dense Human Pose Estimation In The Wild", 2018: a part index I in 0–24 (0 is background) and
coordinates U, V on that part's chart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .errors import ConditionError
from .images import check_image

PARTS = 24
#: Names of parts, for masks and for swaps. Left and right are the person's own.
GROUPS: dict[str, tuple[int, ...]] = {
    "torso": (1, 2),
    "back": (1,),
    "chest": (2,),
    "right hand": (3,),
    "left hand": (4,),
    "hands": (3, 4),
    "left foot": (5,),
    "right foot": (6,),
    "feet": (5, 6),
    "right upper leg": (7, 9),
    "left upper leg": (8, 10),
    "right lower leg": (11, 13),
    "left lower leg": (12, 14),
    "legs": (7, 8, 9, 10, 11, 12, 13, 14),
    "left upper arm": (15, 17),
    "right upper arm": (16, 18),
    "left lower arm": (19, 21),
    "right lower arm": (20, 22),
    "arms": (15, 16, 17, 18, 19, 20, 21, 22),
    "head": (23, 24),
}

Convention = Literal["IUV", "VUI", "parts"]
Order = Literal["auto", "IUV", "VUI"]
#: Matplotlib's viridis at 25 steps, in which DensePose ControlNets were trained; background included.
VIRIDIS = (
    (68, 1, 84),
    (71, 16, 99),
    (72, 31, 112),
    (71, 44, 122),
    (68, 57, 131),
    (64, 70, 136),
    (59, 81, 139),
    (54, 93, 141),
    (49, 104, 142),
    (44, 113, 142),
    (40, 124, 142),
    (37, 133, 142),
    (33, 144, 141),
    (31, 154, 138),
    (32, 163, 134),
    (39, 173, 129),
    (53, 183, 121),
    (70, 192, 111),
    (92, 200, 99),
    (115, 208, 86),
    (142, 214, 69),
    (170, 220, 50),
    (197, 224, 33),
    (226, 228, 24),
    (253, 231, 37),
)


@dataclass(frozen=True, eq=False)
class DensePose:
    """Surface coordinates of the people in a batch of pictures.

    Attributes:
        iuv: uint8 ``[B, H, W, 3]``: I in 0–24; U and V times 255, truncated, as in DensePose's own files.
    """

    iuv: Tensor

    def __getitem__(self, rows: slice) -> "DensePose":
        """Some of the pictures."""
        return DensePose(self.iuv[rows])

    def mask(self, parts: Iterable[int]) -> Tensor:
        """Where any of these parts is, boolean ``[B, H, W]``."""
        return torch.isin(self.iuv[..., 0].long(), torch.tensor(sorted(parts), dtype=torch.long))

    def image(self, convention: Convention) -> Tensor:
        """As IMAGE ``[B, H, W, 3]`` in 0–1.

        Args:
            convention: "IUV" has I, U, V in red, green, blue, over 255; "VUI" is the reverse, MCLD's pose image;
                "parts" has a viridis colour for each part, what DensePose ControlNets expect.
        """
        if convention == "parts":
            return (torch.tensor(VIRIDIS, dtype=torch.float32) / 255)[self.iuv[..., 0].long()]
        picture = self.iuv.float() / 255
        return picture if convention == "IUV" else picture.flip(-1)


def from_image(image: Tensor, order: Order = "auto") -> DensePose:
    """An IUV picture made elsewhere.

    Args:
        image: ``[B, H, W, 3]`` in 0–1, one of them for every person's picture, not resized and not from a JPEG file.
        order: of the channels; "auto" takes the one in which part indices fit, IUV if both do.

    Raises:
        ConditionError: the part index goes beyond 24 in that order.
    """
    picture = (check_image(image) * 255).round().to(torch.uint8)
    fits = {name: int(channel.max()) <= PARTS for name, channel in (("IUV", picture[..., 0]), ("VUI", picture[..., 2]))}
    chosen = order if order != "auto" else next((name for name, fit in fits.items() if fit), "IUV")
    if not fits[chosen]:
        other = next((name for name, fit in fits.items() if fit), None)
        lost = "Load the PNG file as DensePose wrote it: a resized, coloured or JPEG picture has lost the parts."
        mend = f"It fits the order {other}: set that." if other else lost
        raise ConditionError(f"This is no DensePose picture in the order {chosen}: a part is beyond {PARTS}. {mend}")
    return DensePose(picture if chosen == "IUV" else picture.flip(-1))


def part_numbers(names: str) -> tuple[int, ...]:
    """Part numbers of a list with commas: names of :data:`GROUPS`, or numbers from 1 to 24.

    Raises:
        ConditionError: no such part, or an empty list.
    """
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    numbers: set[int] = set()
    for name in wanted:
        if name.isdecimal() and 1 <= int(name) <= PARTS:
            numbers.add(int(name))
        elif name in GROUPS:
            numbers |= set(GROUPS[name])
        else:
            raise ConditionError(f"'{name}' is no body part. The parts are {', '.join(GROUPS)}, and numbers 1 to 24.")
    if not numbers:
        raise ConditionError(f"No body part is named. The parts are {', '.join(GROUPS)}, and numbers 1 to 24.")
    return tuple(sorted(numbers))
