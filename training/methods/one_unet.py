"""The weight file of a method with one UNet and modules beside it."""

from collections.abc import Mapping

from torch import Tensor, nn

from model_patches.weight_kinds.kind import DENOISING


def tensors_of(unet: nn.Module, modules: nn.Module) -> dict[str, Tensor]:
    """The file's tensors: the UNet's behind its prefix, the modules' under their own names."""
    return {DENOISING + key: value for key, value in unet.state_dict().items()} | dict(modules.state_dict())


def take_tensors(tensors: Mapping[str, Tensor], unet: nn.Module, modules: nn.Module) -> None:
    """The inverse of :func:`tensors_of`."""
    own = {key.removeprefix(DENOISING): value for key, value in tensors.items() if key.startswith(DENOISING)}
    unet.load_state_dict(own)
    modules.load_state_dict({key: value for key, value in tensors.items() if not key.startswith(DENOISING)})
