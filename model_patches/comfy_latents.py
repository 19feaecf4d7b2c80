"""The host's latents for a UNet of Stable Diffusion's family: any number of channels, Stable Diffusion's scale."""

from typing import Any

import comfy.latent_formats
from torch import Tensor

from .errors import PatchError


def check_channels(latent: Tensor, channels: int, what: str) -> None:
    """Raise where a latent ``[B, C, h, w]`` is of another VAE than a model's, which takes so many channels."""
    if latent.shape[1] != channels:
        raise PatchError(
            f"{what} has {latent.shape[1]} channels and this model takes {channels}: another VAE made it. Connect Load "
            "VAE with this model's own VAE to VAE Encode."
        )


def check_sampled(patcher: Any, latent: Tensor) -> None:
    """Raise where what a MODEL is to sample on, empty or not, is of another VAE than its own."""
    if latent.ndim == 4:
        check_channels(latent, patcher.get_model_object("latent_format").latent_channels, "The latent")


class _Checked(comfy.latent_formats.LatentFormat):
    """The host passes latents through here when a run opens, empty ones excepted, which it widens before."""

    def process_in(self, latent: Tensor) -> Tensor:
        check_channels(latent, self.latent_channels, "The latent")
        return super().process_in(latent)


class FourChannels(_Checked, comfy.latent_formats.SD15):
    """Stable Diffusion's own latents, of which the host knows how they look in small."""


class OtherChannels(_Checked):
    """Latents of another VAE; nobody knows how they look in small, so the host shows no preview."""

    def __init__(self, channels: int) -> None:
        self.latent_channels = channels
        self.scale_factor = comfy.latent_formats.SD15().scale_factor


def latents_of(channels: int) -> Any:
    """The host's latent format of a UNet that predicts so many channels."""
    return FourChannels() if channels == comfy.latent_formats.SD15.latent_channels else OtherChannels(channels)
