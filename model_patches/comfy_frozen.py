"""Networks of the host as functions that gradients can go through.

The host works in inference mode, whose tensors no gradient may be kept for, its networks' weights among them. A network
is computed with copies that were made outside it; what moves or casts weights meanwhile moves and casts the copies.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .networks.higherhrnet import HigherHRNet, PoseMaps

Result = TypeVar("Result")


class Frozen:
    """A network over constant copies of its weights, made when this is.

    Half precision becomes single: it has no range for the gradients of sums.

    Args:
        without: beginnings of the names of weights that are not called upon.
        as_stored: weights keep their type, where others hand the network its input.
    """

    def __init__(self, network: nn.Module, without: Sequence[str] = (), as_stored: bool = False):
        self._network = _Called(network)
        with torch.inference_mode(False), torch.no_grad():
            self._weights = {
                f"network.{name}": tensor.float() if tensor.dtype == torch.float16 and not as_stored else tensor.clone()
                for name, tensor in (*network.named_parameters(), *network.named_buffers())
                if not name.startswith(tuple(without))
            }
        floating = (tensor.dtype for tensor in self._weights.values() if tensor.is_floating_point())
        #: What it takes its input in.
        self.dtype: torch.dtype = next(floating, torch.float32)

    def __call__(self, value: Tensor) -> Any:
        return self.while_in_place(lambda: self._network.network(value.to(self.dtype)))

    def while_in_place(self, compute: Callable[[], Result]) -> Result:
        """``compute()``, in which whoever calls the network calls it with the copies."""
        return functional_call(self._network, self._weights, (compute,))


class _Called(nn.Module):
    """What holds a network and calls a function."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, compute: Callable[[], Any]) -> Any:
        return compute()


class FrozenEstimator:
    """HigherHRNet: pictures ``[B, 3, H, W]`` in 0–1, of sides it takes, to maps, with gradients of P_φ alone."""

    def __init__(self, network: HigherHRNet):
        self._network, self._for_field = Frozen(network), network.for_field

    def __call__(self, picture: Tensor) -> PoseMaps:
        picture = picture.to(self._network.dtype)
        return self._network.while_in_place(lambda: self._for_field(picture))


class FrozenDecoder:
    """A VAE of the host: latents of its own scale ``[B, C, h, w]`` to pictures ``[B, 3, H, W]`` in 0–1."""

    #: Of the host's autoencoders and of its tiny ones: what only encoding needs.
    ENCODERS = ("encoder.", "quant_conv.", "taesd_encoder.")

    def __init__(self, vae: Any):
        self._network = Frozen(vae.first_stage_model, self.ENCODERS)
        self._vae = vae

    def __call__(self, latent: Tensor) -> Tensor:
        latent = latent.to(self._network.dtype)
        decode = self._vae.first_stage_model.decode
        return self._vae.process_output(self._network.while_in_place(lambda: decode(latent)))
