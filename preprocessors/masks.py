"""Masks as the host gives them, where no mask was meant."""

from collections.abc import Sequence

from torch import Tensor

#: Height and width of the empty mask that Load Image gives for a picture without alpha, whatever its size.
NO_ALPHA = (64, 64)


def given(mask: Tensor | None, size: Sequence[int]) -> Tensor | None:
    """A MASK that is meant for pictures of this height and width; None where it is Load Image's "no alpha"."""
    if mask is None or tuple(size) == NO_ALPHA or tuple(mask.shape[-2:]) != NO_ALPHA or mask.any():
        return mask
    return None
