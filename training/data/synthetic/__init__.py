"""Synthetic people: bodies from anny, clothes made of the body's own surface, and the exact truth of every pixel.

anny (Brégier et al., 2025; code Apache-2.0, assets CC0) is a parametric body with a rig; warp casts the rays.
"""

from .people import SyntheticPeople

__all__ = ["SyntheticPeople"]
