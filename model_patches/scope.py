"""Where, when and how strongly a patch acts."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .attention.token_masks import soft_grid
from .conditions import Shared
from .place import Grid, Place, known


@dataclass(frozen=True, eq=False)
class Scope(Shared):
    """A patch's reach.

    Attributes:
        strength: 0 is off, 1 is the paper.
        start, end: shares of the schedule between which it acts; the host says which noise levels those are when
            sampling starts.
        mask: where in the target, ``[1 or B, H, W]`` in 0–1; None is everywhere.
    """

    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mask: Tensor | None = None

    @property
    def empty(self) -> bool:
        """Whether the patch can be left out altogether."""
        return self.strength == 0 or self.start > self.end or (self.mask is not None and not bool(self.mask.any()))

    @property
    def endless(self) -> bool:
        """Whether it acts on the whole schedule, which need not be looked at then: a GPU would wait for the answer."""
        return self.start <= 0 and self.end >= 1

    def levels(self, schedule: Any) -> tuple[float, float]:
        """The first and the last noise level at which it acts, of the host's schedule."""
        return schedule.percent_to_sigma(self.start), schedule.percent_to_sigma(self.end)

    def over(self, place: Place | None, grid: Grid, device) -> float | Tensor:
        """The weight of every cell of a grid ``(h, w)`` over a part of the picture: a number without a mask, else
        ``[1 or B, 1, h, w]``.

        Raises:
            PatchError: there is a mask, and nobody knows where the part lies.
        """
        if self.mask is None:
            return self.strength
        place, mask = known(place, "region"), self.mask.to(device)
        if not place.is_whole:
            mask = place.cut(soft_grid(mask, place.whole))[:, 0]
        return self.strength * soft_grid(mask, grid)

    def tokens(self, place: Place | None, grid: Grid, device) -> float | Tensor:
        """The same, a token each: a number, or ``[1 or B, h * w, 1]``."""
        weight = self.over(place, grid, device)
        return weight.flatten(2).movedim(1, 2) if isinstance(weight, Tensor) else weight
