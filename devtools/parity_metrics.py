"""Metrics of the two families of papers, recomputed from a golden file."""

import numpy as np
import torch
from torch import Tensor

from training.evaluation import image_metrics as metrics
from training.evaluation.protocols import PROTOCOLS

from .golden import Golden

#: Whose code has whose protocol.
FAMILIES = {"mcld": "cfld", "cfld": "cfld", "pcdms": "pidm"}


def image_metrics(golden: Golden) -> dict[str, Tensor]:
    """Every figure of every family for the file's pairs of pictures, and the distance of its features."""
    pairs = list(zip(golden.inputs["gt"].numpy(), golden.inputs["pred"].numpy(), strict=True))
    features = (golden.inputs[f"frechet_features_{name}"].numpy() for name in ("gt", "pred"))
    results = {"frechet_distance": np.array(metrics.frechet_distance(*features))}
    for family, name in FAMILIES.items():
        protocol = PROTOCOLS[name]
        results |= {
            f"{family}_psnr": np.array([metrics.psnr(*pair) for pair in pairs]),
            f"{family}_ssim": np.array([metrics.ssim(*pair) for pair in pairs]),
            f"{family}_ssim_256": np.array([metrics.ssim_256(*pair, protocol) for pair in pairs]),
        }
    results["pcdms_l1"] = np.array([metrics.l1(*pair) for pair in pairs])
    results["pcdms_mae"] = np.array([metrics.relative_l1(*pair) for pair in pairs])
    return {name: torch.from_numpy(value) for name, value in results.items()}
