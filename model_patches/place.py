"""Which part of the picture a batch row shows: the host samples areas as pictures of their own, other packs tiles."""

from typing import NamedTuple

from torch import Tensor

from .errors import PatchError

Grid = tuple[int, int]


class Place(NamedTuple):
    """A rectangle of the whole latent, in latent pixels.

    Attributes:
        whole: height and width of the latent it lies in.
        top, left: its corner.
        size: its height and width.
    """

    whole: Grid
    top: int
    left: int
    size: Grid

    @classmethod
    def all_of(cls, whole: Grid) -> "Place":
        """The whole picture."""
        return cls(whole, 0, 0, whole)

    @property
    def is_whole(self) -> bool:
        return self.size == self.whole

    def cut(self, picture: Tensor) -> Tensor:
        """The rectangle's part of a map ``[…, h, w]`` over the whole latent."""
        height, width = self.size
        return picture[..., self.top : self.top + height, self.left : self.left + width]


def known(place: Place | None, what: str) -> Place:
    """The place; None is a tile that another pack cut out without saying where.

    Raises:
        PatchError: names ``what`` cannot be placed.
    """
    if place is None:
        raise PatchError(
            f"This sampler cuts the picture into tiles and does not say where a tile lies, so {what} cannot be placed. "
            f"Leave {what} unconnected, or sample the picture in one piece."
        )
    return place
