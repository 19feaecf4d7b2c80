"""LPIPS (Zhang et al., 2018): the linear heads come with the package, the AlexNet under them from a local file."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from preprocessors.errors import reason

from ..data.records import Record
from ..errors import TrainingError
from .columns import Column, LeftOut
from .network_weights import pixels, read_state, torchvision_models
from .protocols import Protocol

#: Where the file is that everyone's LPIPS uses.
URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
WHAT = f"torchvision's AlexNet, {URL.rsplit('/', 1)[1]} from {URL},"
WITHOUT = LeftOut("LPIPS", f"Get {URL} and give it with --lpips-weights.")


class Perceptual:
    """LPIPS of every pair, with AlexNet."""

    columns = (Column("lpips", "LPIPS", "lower", 4),)
    needs = "no pair is counted"

    def __init__(self, network: nn.Module, protocol: Protocol, device: str = "cpu") -> None:
        self.batch = protocol.lpips_batch
        self.network, self.protocol, self.device = network.to(device), protocol, device

    @torch.inference_mode()
    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        found = []
        for (_, target), picture in zip(pairs, made, strict=True):
            truth, result = (pixels([image]).to(self.device) for image in (target.image, picture))
            value = self.network(result, truth, normalize=self.protocol.lpips_signed)
            found.append({"lpips": float(value)})
        return found


def load_lpips(file: Path) -> nn.Module:
    """The package's LPIPS over the AlexNet of a local file; downloads nothing.

    Raises:
        TrainingError: the package is missing, or the file is no AlexNet.
    """
    torchvision_models()
    try:
        import lpips
    except ImportError as error:
        raise TrainingError("LPIPS needs its package: pip install lpips") from error
    with warnings.catch_warnings():
        # The package calls torchvision as it was years ago.
        warnings.simplefilter("ignore", UserWarning)
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = read_state(file, WHAT)
    try:
        network.net.load_state_dict(_backbone(state, network.net.state_dict()))
    except (KeyError, RuntimeError) as error:
        raise TrainingError(f"{file} is no AlexNet ({reason(error)}). {WHAT} is expected.") from error
    return network.eval().requires_grad_(False)


def _backbone(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's ``features.3.weight`` is layer 3 of whichever slice has it in the package: ``slice2.3.weight``."""
    return {key: state["features." + key.split(".", 1)[1]] for key in wanted}
