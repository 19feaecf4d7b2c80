"""Blending two predictions by region (TruePose, section 5.4; MCLD, supplement Eq. 7)."""

from torch import Tensor


def region_blend(source: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """y_t = m ⊙ y_t + (1 − m) ⊙ y_t^ref.

    ``source`` and ``reference`` are two predictions for the same noisy latent, ``[B, C, h, w]``: the noise, or the
    clean latent, which is the same thing up to an affine map both share. ``mask`` m is ``[1 or B, 1, h, w]`` in 0–1:
    1 takes the source's look. Masks of exactly 0 or 1 return the operand bit for bit.
    """
    mask = mask.to(source)
    return source.where(mask == 1, reference.where(mask == 0, mask * source + (1 - mask) * reference))
