"""Features for FID and KID, from torchvision's Inception-v3, which both families of papers use."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import TrainingError
from .columns import Column, LeftOut
from .network_weights import pixels, read_state, torchvision_models

#: Where the file is that everyone's torchvision uses.
URL = "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth"
WHAT = f"torchvision's Inception-v3, {URL.rsplit('/', 1)[1]} from {URL},"
WITHOUT = LeftOut("FID and KID", f"Get {URL} and give it with --inception-weights.")
#: Side of the network's pictures, and width of its features.
SIDE, DIMENSIONS = 299, 2048
COLUMNS = (Column("fid", "FID", "lower", 2), Column("kid_times_1000", "KID × 1000", "lower", 2))


class Inception:
    """Pooled features ``[n, 2048]`` of pictures.

    Pictures in 0…1 are stretched to 299² (bilinear, no antialias) and shifted as if they were normalised already, which
    is what the published code of both families does.
    """

    def __init__(self, network: nn.Module, device: str = "cpu") -> None:
        self.network, self.device = network.to(device), device

    @torch.inference_mode()
    def features(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Of pictures uint8 ``[H, W, 3]``, float32 ``[n, 2048]``."""
        squares = [
            F.interpolate(pixels([picture]).to(self.device), (SIDE, SIDE), mode="bilinear") for picture in pictures
        ]
        return self.network(torch.cat(squares)).float().cpu().numpy()


def load_inception(file: Path, device: str = "cpu") -> Inception:
    """The network of a local file; downloads nothing.

    Raises:
        TrainingError: it is another network, or there is no torchvision.
    """
    network = torchvision_models().inception_v3(weights=None, init_weights=False, transform_input=True)
    state = read_state(file, WHAT)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise TrainingError(
            f"{file} is another network than torchvision's Inception-v3 ({' '.join(str(error).split())[:160]}…). "
            f"{WHAT} is expected; the one converted from TensorFlow gives other figures than the papers of this field."
        ) from error
    network.fc = nn.Identity()
    return Inception(network.eval().requires_grad_(False), device)
