"""What a method gives the UNet beside noise and context, as CONDITIONING: a picture, a mask, a vector, pose features.

The host's own way for such UNets is its inpainting, which has other masks, fills what is hidden with grey, resizes
what does not fit, and takes what is missing from elsewhere. Here the conditioning holds all of it, or the sampler stops
with a sentence.
"""

from dataclasses import dataclass, replace
from typing import Any

import comfy.conds
import comfy.model_base
import torch
from torch import Tensor

from .comfy_host import KEY, Extra
from .comfy_run import check_rows
from .conditions import Shared
from .errors import PatchError, said_by
from .unet_layout import VECTOR

#: The entry of a conditioning's dictionary that holds :class:`Inputs`; and our features among the host's conds.
INPUTS, FEATURES = f"{KEY}_inputs", f"{KEY}_features"
#: Of SDXL's pooled text.
POOLED = 1280


def takes_inputs(unet_config: dict[str, Any]) -> bool:
    """Whether a UNet of the host wants more than a noisy latent, its context, and what SDXL is told of sizes."""
    vector = unet_config.get("adm_in_channels") or VECTOR
    return unet_config["in_channels"] > unet_config["out_channels"] or vector != VECTOR


@dataclass(frozen=True, eq=False)
class Inputs(Shared):
    """What stands beside noise and context; every tensor has one row for all images, or one for each.

    Attributes:
        latent: a picture as VAE Encode gives it ``[B, C, h, w]``.
        mask: ``[B, 1, h, w]``, concatenated before the latent; None where the method has none.
        vector: what the class embedding is of ``[B, D]``; None is zeros.
        features: added after the UNet's first convolution ``[B, width, h, w]``; None adds nothing.
        blank: whether zeros stand in the latent's place, of the null condition.
        null: whether this is the null condition.
        node: display name of the node that made it, for errors while sampling.
    """

    latent: Tensor
    mask: Tensor | None = None
    vector: Tensor | None = None
    features: Tensor | None = None
    blank: bool = False
    null: bool = False
    node: str = ""

    def as_null(self, blank: bool = False) -> "Inputs":
        """The null condition: no vector, and no picture where ``blank``; the rest stays."""
        return replace(self, vector=None, null=True, blank=blank)


class ModelWithInputs(comfy.model_base.BaseModel):
    """A Stable Diffusion whose conditioning holds :class:`Inputs`."""

    def extra_conds(self, **kwargs):
        inputs, noise = kwargs.get(INPUTS), kwargs["noise"]
        if inputs is None:
            raise PatchError(
                f"This model takes {self._in_channels} channels, of which noise has {noise.shape[1]}, and its "
                "conditioning brings no picture. Connect positive and negative of the conditioning node that belongs "
                "to its loader (PCDMs Conditioning, PCDMs Refining Conditioning, IMAGPose Conditioning, RePoseDM "
                "Conditioning, or RePoseSD Conditioning)."
            )
        with said_by(inputs.node):
            _check_context(inputs, kwargs.get("cross_attn"))
            _check_mask(inputs, kwargs.get("denoise_mask"))
            conds = super().extra_conds(**kwargs)
            conds["c_concat"] = comfy.conds.CONDNoiseShape(self._concatenated(inputs, noise).to(kwargs["device"]))
            if self.adm_channels:
                conds["y"] = comfy.conds.CONDRegular(self._vector(inputs, noise).to(kwargs["device"]))
            if inputs.features is not None:
                features = _fitting(inputs.features, noise, "The pose")
                conds[FEATURES] = comfy.conds.CONDNoiseShape(features.to(kwargs["device"]))
        return conds

    @property
    def _in_channels(self) -> int:
        return self.model_config.unet_config["in_channels"]

    def _concatenated(self, inputs: Inputs, noise: Tensor) -> Tensor:
        latent = _fitting(inputs.latent, noise, "The picture")
        latent = torch.zeros_like(latent) if inputs.blank else self.process_latent_in(latent)
        maps = [] if inputs.mask is None else [_fitting(inputs.mask, noise, "The mask").to(latent)]
        rows = max(len(part) for part in (latent, *maps))
        joined = torch.cat([part.expand(rows, -1, -1, -1) for part in (*maps, latent)], 1)
        if noise.shape[1] + joined.shape[1] != self._in_channels:
            raise PatchError(
                f"It brings {joined.shape[1]} channels beside the noise's {noise.shape[1]}, and this model takes "
                f"{self._in_channels} in all. Model and conditioning are of different stages: connect both to the same "
                "loader."
            )
        return joined

    def _vector(self, inputs: Inputs, noise: Tensor) -> Tensor:
        if inputs.vector is None:
            return torch.zeros(1, self.adm_channels)
        check_rows(len(inputs.vector), len(noise), "The embedding")
        if inputs.vector.shape[-1] != self.adm_channels:
            raise PatchError(
                f"The embedding is {inputs.vector.shape[-1]} wide, and this model takes {self.adm_channels}. Make it "
                "with the prior and the CLIP the model was trained with."
            )
        return inputs.vector

    def apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options={}, **kwargs):
        features = kwargs.pop(FEATURES, None)
        if features is not None:
            transformer_options = _adding(transformer_options, features)
        return super().apply_model(x, t, c_concat, c_crossattn, control, transformer_options, **kwargs)


class XLWithInputs(ModelWithInputs, comfy.model_base.SDXL):
    """SDXL with :class:`Inputs`; what it is told beside the time is no text and the latent's size, uncropped."""

    def encode_adm(self, **kwargs):
        return super().encode_adm(**{"pooled_output": torch.zeros(1, POOLED)} | kwargs)

    def _vector(self, inputs: Inputs, noise: Tensor) -> Tensor:
        height, width = (8 * side for side in noise.shape[-2:])
        return self.encode_adm(width=width, height=height, device=noise.device)


def _fitting(given: Tensor, noise: Tensor, what: str) -> Tensor:
    """A map of the noise's size, and of as many rows or one."""
    check_rows(len(given), len(noise), what)
    if given.shape[-2:] != noise.shape[-2:]:
        height, width = (8 * side for side in given.shape[-2:])
        raise PatchError(
            f"{what} is {width}×{height} pixels and the latent {8 * noise.shape[-1]}×{8 * noise.shape[-2]}. Sample the "
            "latent that this node gives."
        )
    return given


def _check_context(inputs: Inputs, context: Tensor | None) -> None:
    if not inputs.null and context is not None and not context.any():
        raise PatchError(
            "Its positive arrives with zeros for tokens: ConditioningZeroOut keeps what stands beside them (picture, "
            "pose, embedding), and is not this method's null condition. Connect this node's own negative."
        )


def _check_mask(inputs: Inputs, noise_mask: Tensor | None) -> None:
    if inputs.mask is not None and noise_mask is not None:
        raise PatchError(
            "The latent has a noise mask, and this method generates the whole joint picture. Take the latent "
            "that this node gives, without Set Latent Noise Mask."
        )


def _adding(options: dict, features: Tensor) -> dict:
    """Options under which ``features`` are added after the first convolution."""

    def add(h: Tensor, extra: Extra) -> Tensor:
        return h + features.to(h) if extra["block"] == ("input", 0) else h

    patches = dict(options.get("patches", {}))
    patches["input_block_patch"] = [*patches.get("input_block_patch", ()), add]
    return options | {"patches": patches}
