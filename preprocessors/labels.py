"""The common label set of parsings: LIP's twenty classes, under LIP's names and numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import ConditionError

LIP_20 = (
    "Background",
    "Hat",
    "Hair",
    "Glove",
    "Sunglasses",
    "Upper-clothes",
    "Dress",
    "Coat",
    "Socks",
    "Pants",
    "Jumpsuits",
    "Scarf",
    "Skirt",
    "Face",
    "Left-arm",
    "Right-arm",
    "Left-leg",
    "Right-leg",
    "Left-shoe",
    "Right-shoe",
)
#: A colour for each label, for overlays.
PALETTE = (
    (0, 0, 0),
    (128, 0, 0),
    (255, 85, 0),
    (170, 0, 51),
    (85, 51, 0),
    (0, 119, 221),
    (0, 85, 170),
    (85, 85, 0),
    (52, 86, 128),
    (0, 128, 0),
    (0, 170, 170),
    (255, 0, 128),
    (170, 255, 85),
    (255, 200, 140),
    (51, 170, 221),
    (0, 255, 255),
    (85, 255, 170),
    (170, 255, 170),
    (255, 255, 0),
    (255, 170, 0),
)


def label_number(name: str) -> int:
    """A label's number by its name, in any capitals.

    Raises:
        ConditionError: no such label.
    """
    names = [known.lower() for known in LIP_20]
    if name.strip().lower() not in names:
        raise ConditionError(f"'{name}' is no parsing label. The labels are {', '.join(LIP_20)}.")
    return names.index(name.strip().lower())


@dataclass(frozen=True, eq=False)
class Parsing:
    """A label for every pixel.

    Attributes:
        labels: uint8 ``[B, H, W]``, numbers into :attr:`names`; 0 is background.
        names: the label set.
    """

    labels: Tensor
    names: tuple[str, ...] = LIP_20

    def present(self) -> list[str]:
        """Names of the labels that occur anywhere in the batch, background excluded."""
        return [self.names[number] for number in self.labels.unique().tolist() if number]

    def mask(self, names: Iterable[str]) -> Tensor:
        """Where any of the named labels is, boolean ``[B, H, W]``."""
        numbers = torch.tensor([label_number(name) for name in names], dtype=torch.long)
        return torch.isin(self.labels.long(), numbers)
