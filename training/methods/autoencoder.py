"""The tiny autoencoder of the demo weights: its file is one that ComfyUI's Load VAE reads.

Not a paper's method. L1 and squared error on crops, latents kept near unit variance, and noise on the latents, so that
what a diffusion model gets slightly wrong decodes to something slightly wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..autoencoders import TinyAutoencoder
from ..data.records import Record
from ..draws import Draws
from .base import Batch, Method, pixels, tensor


@dataclass(frozen=True)
class AutoencoderOptions:
    """Attributes:
    crop: side of the training crops, pixels; a multiple of 8.
    latent_noise: standard deviation of the noise on the latents.
    moments: weight of (mean² + (std − 1)²) of every latent channel.
    gradients: weight of the L1 error of the picture's differences between neighbours: edges, words.
    """

    crop: int = 64
    latent_noise: float = 0.1
    moments: float = 0.1
    gradients: float = 1.0


class Autoencoder(Method):
    """TAESD's architecture from scratch."""

    name = "autoencoder"
    Options = AutoencoderOptions

    def __init__(self, options: AutoencoderOptions, seed: int) -> None:
        super().__init__()
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = TinyAutoencoder()
        begin_as_blur(self.network)

    def read_source(self, record: Record) -> dict[str, Tensor]:
        return {}

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return {"image": tensor(record.image)}

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        images = self._crops(batch["image"], draws)
        # The encoder's own output: scale and shift are only found when training is over.
        latents = self.network.taesd_encoder(images)
        noisy = latents + self.options.latent_noise * draws.normal(*latents.shape[1:])
        made = self.network.taesd_decoder(noisy)
        mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        return {
            "l1": F.l1_loss(made, images),
            "gradients": self.options.gradients * gradient_error(made, images),
            "moments": self.options.moments * (mean.square() + (std - 1).square()).mean(),
        }

    def _crops(self, image: Tensor, draws: Draws) -> Tensor:
        side, (height, width) = self.options.crop, image.shape[1:3]
        top, left = (draws.integers(max(room - side, 0) + 1) for room in (height, width))
        crops = [
            picture[y : y + side, x : x + side]
            for picture, y, x in zip(image, top.tolist(), left.tolist(), strict=True)
        ]
        return (pixels(torch.stack(crops)) + 1) / 2

    @torch.no_grad()
    def finish(self, batches: Iterable[Batch]) -> None:
        """Find the latents' mean and deviation, so that the UNet sees 0 and 1."""
        latents = torch.cat([self.network.encode(pixels(batch["image"])) for batch in batches])
        self.network.normalise(latents.mean(), latents.std())

    def show(self, batch: Batch, draws: Draws, autoencoder: object) -> list[Tensor]:
        truth = pixels(batch["image"])
        return [truth, self.network.decode(self.network.encode(truth))]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        return dict(self.network.state_dict()), {}


def gradient_error(made: Tensor, truth: Tensor) -> Tensor:
    """Mean absolute error of differences between neighbours, across and down."""
    across, down = ((made - truth).diff(dim=dimension).abs().mean() for dimension in (-1, -2))
    return (across + down) / 2


@torch.no_grad()
def begin_as_blur(network: TinyAutoencoder, contrast: float = 4.0) -> None:
    """Start from an autoencoder that already knows colours: latents are the picture at 1/8, times ``contrast``.

    Three of 64 channels carry red, green and blue through; blocks add nothing at first (Zhang et al., "Fixup", 2019).
    From random weights the same network is grey for thousands of steps.
    """
    for part in (network.taesd_encoder, network.taesd_decoder):
        for module in part:
            if isinstance(module, nn.Conv2d):
                _carry(module)
            elif hasattr(module, "conv"):
                nn.init.zeros_(module.conv[-1].weight)
                nn.init.zeros_(module.conv[-1].bias)
    first, last = network.taesd_encoder[-1], network.taesd_decoder[1]
    colours = slice(0, 3)
    first.weight[colours] *= contrast
    first.bias[colours] = -contrast / 2
    last.weight[colours] /= contrast
    last.bias[colours] = 0.5


def _carry(layer: nn.Conv2d) -> None:
    """Let a convolution's first three channels pass on what they are given, the mean of four where it halves."""
    kernel = torch.zeros(3, 3)
    if layer.stride[0] == 2:
        kernel[1:, 1:] = 1 / 4
    else:
        kernel[1, 1] = 1
    for channel in range(3):
        layer.weight[channel] = 0
        layer.weight[channel, channel] = kernel
        if layer.bias is not None:
            layer.bias[channel] = 0
