"""Where, when and how strongly a patch acts."""

from dataclasses import dataclass

from torch import Tensor

from .attention.token_masks import soft_grid
from .conditions import Immutable

#: No schedule reaches so far; the host's "from the very start" lies beyond it.
BEYOND_ANY_SIGMA = 1e8


@dataclass(frozen=True, eq=False)
class Scope(Immutable):
    """A patch's reach.

    Attributes:
        strength: 0 is off, 1 is the paper.
        first_sigma, last_sigma: active while first ≥ σ ≥ last.
        mask: where in the target, ``[1 or B, H, W]`` in 0–1; None is everywhere.
    """

    strength: float = 1.0
    first_sigma: float = float("inf")
    last_sigma: float = 0.0
    mask: Tensor | None = None

    @property
    def empty(self) -> bool:
        """Whether the patch can be left out altogether."""
        return self.strength == 0 or self.first_sigma < self.last_sigma or self._blank

    @property
    def _blank(self) -> bool:
        return self.mask is not None and not bool(self.mask.any())

    def active(self, sigma: Tensor) -> bool:
        """Whether the patch acts at noise level ``sigma`` (one element).

        A span over the whole schedule is answered without reading it, which would make a GPU wait at every site.
        """
        if self.first_sigma >= BEYOND_ANY_SIGMA and self.last_sigma <= 0:
            return True
        return self.first_sigma >= float(sigma) >= self.last_sigma

    def over(self, grid: tuple[int, int], device) -> float | Tensor:
        """The weight of every cell of a grid ``(h, w)``: a number without a mask, else ``[1 or B, 1, h, w]``."""
        if self.mask is None:
            return self.strength
        return self.strength * soft_grid(self.mask.to(device), grid)

    def tokens(self, grid: tuple[int, int], device) -> float | Tensor:
        """The same, a token each: a number, or ``[1 or B, h * w, 1]``."""
        weight = self.over(grid, device)
        return weight.flatten(2).movedim(1, 2) if isinstance(weight, Tensor) else weight
