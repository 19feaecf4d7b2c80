"""RePoseDM's parts, recomputed from golden files."""

import torch
from torch import Tensor

from .golden import Golden
from .host import import_host

#: Under which name the golden files keep the pose estimator.
_ESTIMATOR = "pose_higher_hrnet_w32_512"


def higherhrnet(golden: Golden) -> dict[str, Tensor]:
    """Both outputs of the pose estimator, through the loader; its picture is normalised already."""
    import_host()
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET, UNNORMALISED, estimator_metadata

    state = golden.weights_of(_ESTIMATOR)
    (patcher,) = load_weights(HIGHERHRNET, state, "higherhrnet", estimator_metadata(UNNORMALISED))
    maps = patcher.model(golden.inputs["image"])
    return {"scale_1_4": torch.cat([maps.coarse, maps.tags], 1), "scale_1_2": maps.fine}
