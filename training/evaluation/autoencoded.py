"""What an autoencoder leaves of the targets: the bound of every model that works in its latents."""

from collections.abc import Sequence

import numpy as np
import torch

from ..autoencoders import Autoencoder
from ..data.records import Record
from ..grids import to_pictures
from ..methods.base import pixels, tensor


class Autoencoded:
    """No baseline but a bound: the target, encoded and decoded."""

    name = "the target through the autoencoder"

    def __init__(self, autoencoder: Autoencoder) -> None:
        self.autoencoder = autoencoder

    @torch.no_grad()
    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        return [self._again(target.image) for _, target in pairs]

    def _again(self, image: np.ndarray) -> np.ndarray:
        latent = self.autoencoder.encode(pixels(tensor(image)[None]))
        return to_pictures(self.autoencoder.decode(latent))[0].numpy()
