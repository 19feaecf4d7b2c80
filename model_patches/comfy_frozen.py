"""Networks of the host as functions that gradients can go through.

The host works in inference mode, whose tensors no gradient may be kept for, its networks' weights among them. A network
is computed with copies that were made outside it; what moves or casts weights meanwhile moves and casts the copies.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call


class Frozen:
    """A network over constant copies of its weights, made when this is.

    Half precision becomes single: it has no range for the gradients of sums.

    Args:
        without: beginnings of the names of weights that are not called upon.
    """

    def __init__(self, network: nn.Module, without: Sequence[str] = ()):
        self._network = network
        with torch.inference_mode(False), torch.no_grad():
            self._weights = {
                name: tensor.float() if tensor.dtype == torch.float16 else tensor.clone()
                for name, tensor in (*network.named_parameters(), *network.named_buffers())
                if not name.startswith(tuple(without))
            }
        floating = (tensor.dtype for tensor in self._weights.values() if tensor.is_floating_point())
        #: What it takes its input in.
        self.dtype: torch.dtype = next(floating, torch.float32)

    def __call__(self, value: Tensor, *arguments: Any) -> Any:
        return functional_call(self._network, self._weights, (value.to(self.dtype), *arguments))


class _Decoder(nn.Module):
    """A VAE's way back, as what a module does when it is called."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, latent: Tensor) -> Tensor:
        return self.network.decode(latent)


class FrozenDecoder:
    """A VAE of the host: latents of its own scale ``[B, C, h, w]`` to pictures ``[B, 3, H, W]`` in 0–1."""

    #: Of the host's autoencoders and of its tiny ones: what only encoding needs.
    ENCODERS = ("network.encoder.", "network.quant_conv.", "network.taesd_encoder.")

    def __init__(self, vae: Any):
        self._decode = Frozen(_Decoder(vae.first_stage_model), self.ENCODERS)
        self._finish = vae.process_output

    def __call__(self, latent: Tensor) -> Tensor:
        return self._finish(self._decode(latent))
