"""PCDMs' third stage behind any predictor (Fig. 9)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..autoencoders import Autoencoder
from ..data.records import Record
from ..methods.base import pixels
from ..methods.pcdms_refining import PCDMsRefining
from ..sampling import Trained
from .predictors import Predictor


class Refined:
    """Another predictor's pictures, refined.

    Args:
        name: what tables call it.
        coarse: who makes the pictures.
        method: the third stage, with its weights.
        autoencoder: what it was trained with.
        sampling: of :class:`..sampling.Trained`.
    """

    def __init__(
        self, name: str, coarse: Predictor, method: PCDMsRefining, autoencoder: Autoencoder, **sampling
    ) -> None:
        self.name, self._coarse, self._autoencoder = name, coarse, autoencoder
        self._refining = Trained(name, method, autoencoder, **sampling)

    @torch.no_grad()
    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        """The sources in the targets' poses, uint8 ``[H, W, 3]``; a target's own latent only tells the size."""
        pictures = torch.from_numpy(np.stack(self._coarse.predict(pairs)))
        latents = self._autoencoder.encode(pixels(pictures)).numpy()
        known = [
            (source, replace(target, fields={**target.fields, "coarse_latent": latent}))
            for (source, target), latent in zip(pairs, latents, strict=True)
        ]
        return self._refining.predict(known)
