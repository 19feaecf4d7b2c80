"""MCLD's texture map, recomputed from a golden file."""

import numpy as np
import torch
from torch import Tensor

from preprocessors.densepose import PARTS
from preprocessors.texture_map import TILE, paint_gaps, scatter, to_texture

from .golden import Golden


def mcld_texture(golden: Golden) -> dict[str, Tensor]:
    """The texture map of a photo (section 3.2), with the published code's chart areas and with none."""
    atlas, _ = scatter(golden.inputs["image_bgr"].numpy(), golden.inputs["iuv"].numpy())
    everywhere = np.ones((PARTS, TILE, TILE), bool)
    results = {"texture_background_all_ones": to_texture(paint_gaps(atlas, everywhere)[0])}
    if "atlas_background_bits" in golden.inputs:
        bits = golden.inputs["atlas_background_bits"].numpy()
        painted, reach = paint_gaps(atlas, np.unpackbits(bits).reshape(everywhere.shape).astype(bool))
        results |= {"texture": to_texture(painted), "atlas.value": painted[reach]}
    return {name: torch.from_numpy(value) for name, value in results.items()}
