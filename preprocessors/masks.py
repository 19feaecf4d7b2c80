"""Masks as the host gives them, where no mask was meant."""

from collections.abc import Sequence

from torch import Tensor

#: Height and width of the empty mask that Load Image gives for a picture without alpha, whatever its size.
NO_ALPHA = (64, 64)


def says_no_alpha(mask: Tensor) -> bool:
    """Whether a MASK ``[…, H, W]`` is the one that Load Image gives where there is none."""
    return tuple(mask.shape[-2:]) == NO_ALPHA and not bool(mask.any())


def given(mask: Tensor | None, size: Sequence[int]) -> Tensor | None:
    """A MASK that is meant for pictures of this height and width; None where it is Load Image's "no alpha"."""
    absent = mask is None or (tuple(size) != NO_ALPHA and says_no_alpha(mask))
    return None if absent else mask
