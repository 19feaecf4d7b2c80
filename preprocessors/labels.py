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
#: Labels that belong together, by names for them that masks and choosers understand as well.
GROUPS: dict[str, tuple[str, ...]] = {
    "person": LIP_20[1:],
    "head": ("Hat", "Hair", "Sunglasses", "Face"),
    "arms": ("Left-arm", "Right-arm"),
    "legs": ("Left-leg", "Right-leg"),
    "shoes": ("Left-shoe", "Right-shoe"),
    "skin": ("Face", "Left-arm", "Right-arm", "Left-leg", "Right-leg"),
    "clothes": (
        *("Hat", "Glove", "Sunglasses", "Upper-clothes", "Dress", "Coat", "Socks", "Pants", "Jumpsuits", "Scarf"),
        *("Skirt", "Left-shoe", "Right-shoe"),
    ),
}


def label_number(name: str) -> int:
    """A label's number by its name, in any capitals.

    Raises:
        ConditionError: no such label.
    """
    names = [known.lower() for known in LIP_20]
    if name.strip().lower() not in names:
        raise ConditionError(
            f"'{name.strip()}' is no parsing label. The labels are {', '.join(LIP_20)}; groups of them are "
            f"{', '.join(GROUPS)}."
        )
    return names.index(name.strip().lower())


def label_names(text: str) -> list[str]:
    """The names of a list with commas: labels and groups of them, in any capitals.

    Raises:
        ConditionError: no such label or group, or an empty list.
    """
    names = [name for name in text.split(",") if name.strip()]
    if not names:
        raise ConditionError(f"No label is named. The labels are {', '.join(LIP_20)}; groups are {', '.join(GROUPS)}.")
    spread = [label for name in names for label in GROUPS.get(name.strip().lower(), (name,))]
    return [LIP_20[label_number(label)] for label in spread]


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

    def only(self, names: Iterable[str]) -> "Parsing":
        """The named labels; everything else is background."""
        return Parsing(torch.where(self.mask(names), self.labels, 0), self.names)

    def without(self, names: Iterable[str]) -> "Parsing":
        """The named labels are background; everything else stays."""
        return Parsing(torch.where(self.mask(names), 0, self.labels), self.names)
