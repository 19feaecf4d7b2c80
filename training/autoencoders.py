"""Pictures to latents in the UNet's scale and back, whatever the autoencoder's file looks like."""

from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from preprocessors.errors import reason

from .errors import TrainingError

#: What Stable Diffusion multiplies its autoencoder's latents by before the UNet sees them.
SD_SCALE = 0.18215
#: Width of every layer of the tiny autoencoder; ComfyUI's class has no other.
WIDTH = 64


class Autoencoder(Protocol):
    """What training asks of any autoencoder. Latents have unit variance, about, as the UNet sees them."""

    def encode(self, pixels: Tensor) -> Tensor:
        """Pictures ``[B, 3, 8h, 8w]`` in −1…1 → latents ``[B, C, h, w]``, C = 4 for Stable Diffusion's."""

    def decode(self, latents: Tensor) -> Tensor:
        """Latents → pictures in −1…1."""


class _Clamp(nn.Module):
    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / 3) * 3


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.conv(features) + features)


def _conv(narrow: int = WIDTH, wide: int = WIDTH, **options) -> nn.Conv2d:
    return nn.Conv2d(narrow, wide, 3, padding=1, **options)


def _level(*entrance: nn.Module, blocks: int = 3) -> list[nn.Module]:
    return [*entrance, *(_Block() for _ in range(blocks))]


class TinyAutoencoder(nn.Module):
    """The architecture of TAESD (madebyollin), whose weight files ComfyUI's Load VAE reads: parameter names are its.

    ``vae_scale`` says how the file's latents relate to the encoder's: Stable Diffusion's own latents are 1 / 0.18215
    times what its UNet sees.
    """

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.taesd_encoder = nn.Sequential(
            *_level(_conv(3), blocks=1),
            *(layer for _ in range(3) for layer in _level(_conv(stride=2, bias=False))),
            _conv(wide=channels),
        )
        self.taesd_decoder = nn.Sequential(
            *_level(_Clamp(), _conv(channels), nn.ReLU()),
            *(
                layer
                for blocks in (3, 3, 1)
                for layer in _level(nn.Upsample(scale_factor=2), _conv(bias=False), blocks=blocks)
            ),
            _conv(wide=3),
        )
        self.vae_scale = nn.Parameter(torch.tensor(SD_SCALE), requires_grad=False)
        self.vae_shift = nn.Parameter(torch.tensor(0.0), requires_grad=False)

    def encode(self, pixels: Tensor) -> Tensor:
        latents = self.taesd_encoder(pixels * 0.5 + 0.5) / self.vae_scale + self.vae_shift
        return latents * SD_SCALE

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder((latents / SD_SCALE - self.vae_shift) * self.vae_scale) * 2 - 1

    def normalise(self, mean: Tensor, std: Tensor) -> None:
        """Choose scale and shift so that latents, whose mean and deviation are these, become 0 and 1 for the UNet."""
        self.vae_shift.copy_(self.vae_shift - mean / SD_SCALE)
        self.vae_scale.mul_(std)
        self.vae_shift.div_(std)


class _Diffusers(nn.Module):
    """Stable Diffusion's own autoencoder; the posterior's mean, as MCLD's code takes it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def encode(self, pixels: Tensor) -> Tensor:
        return self.network.encode(pixels).latent_dist.mean * self.network.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        return self.network.decode(latents / self.network.config.scaling_factor).sample


def load_autoencoder(path: Path) -> Autoencoder:
    """A frozen autoencoder: a folder as diffusers saves AutoencoderKL, or a TAESD safetensors file.

    Raises:
        TrainingError: there is no such file, or it holds something else.
    """
    if path.is_dir():
        from diffusers import AutoencoderKL

        network = _Diffusers(AutoencoderKL.from_pretrained(path, local_files_only=True))
    else:
        try:
            weights = load_file(path)
            network = TinyAutoencoder(len(weights["taesd_encoder.14.weight"]))
            network.load_state_dict(weights)
        except (OSError, SafetensorError, RuntimeError, KeyError) as error:
            raise TrainingError(
                f"'{path}' is no autoencoder ({reason(error)}). Give a folder of diffusers' AutoencoderKL "
                "(sd-vae-ft-mse, say), or a TAESD file such as training makes with recipes/demo_autoencoder.yaml."
            ) from error
    return network.eval().requires_grad_(False)
