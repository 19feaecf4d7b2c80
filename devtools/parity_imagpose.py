"""IMAGPose, recomputed from golden files."""

import torch
from torch import Tensor

from model_patches.attention.cva import CVA, PUBLISHED_TILES, CVAShape, join_tiles, split_tiles

from .golden import Golden

#: Around the names of a module's parameters where it is published.
_MODULE = "motion_module.temporal_transformer"


def cva(golden: Golden) -> dict[str, Tensor]:
    """One module over a map of four tiles; its positions are those of the file, and those that it would begin with."""
    state = golden.weights_of(_MODULE)
    module = CVA(CVAShape.of(state))
    begun = {key: tensor for key, tensor in module.state_dict().items() if key.endswith(".pe")}
    if not all(torch.allclose(tensor, state[key], atol=1e-6) for key, tensor in begun.items()):
        raise ValueError("the positions are not those of the file")
    module.load_state_dict(state)
    return {"y": join_tiles(module(split_tiles(golden.inputs["x"], PUBLISHED_TILES)), PUBLISHED_TILES)}
