"""The host's UNet class with weights in diffusers' names: sizes are read off them, names go by the host's table."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.supported_models
import comfy.utils
import torch
from torch import Tensor

from .comfy_inputs import ModelWithInputs, XLWithInputs, takes_inputs
from .comfy_latents import latents_of
from .comfy_networks import host_patcher
from .unet_family import UNetFamily
from .unet_layout import HEAD, UNetLayout, complete_layout

#: The host calls linear in √β "linear", and "sqrt_linear" what is linear in β.
_BETAS = {"scaled_linear": "linear", "linear": "sqrt_linear"}
_PREDICTIONS = {
    "epsilon": comfy.model_base.ModelType.EPS,
    "v_prediction": comfy.model_base.ModelType.V_PREDICTION,
}


class _OfFamily:
    """A configuration of the host that predicts, and is sampled, as a family says."""

    model_with_inputs = ModelWithInputs

    def __init__(self, unet_config: dict[str, Any], family: UNetFamily) -> None:
        super().__init__(unet_config)
        self.family = family
        # SDXL's own latents are of four channels too, and of another scale.
        if family.generation != "XL" or unet_config["out_channels"] != self.latent_format.latent_channels:
            self.latent_format = latents_of(unet_config["out_channels"])
        schedule = family.schedule
        self.sampling_settings |= {
            "beta_schedule": _BETAS[schedule.betas],
            "linear_start": schedule.start,
            "linear_end": schedule.end,
            "zsnr": schedule.zero_snr,
        }

    def model_type(self, state_dict, prefix=""):
        return _PREDICTIONS[self.family.prediction]

    def get_model(self, state_dict, prefix="", device=None):
        if takes_inputs(self.unet_config):
            return self.model_with_inputs(self, self.model_type(state_dict, prefix), device)
        return super().get_model(state_dict, prefix, device)

    def inpaint_model(self):
        # The host takes any UNet of more than four channels for its own inpainting, and overwrites what we concatenate.
        return False


class StableDiffusion1(_OfFamily, comfy.supported_models.SD15):
    """Families of the first generation."""


class StableDiffusion2(_OfFamily, comfy.supported_models.SD20):
    """Families of the second, whose attention is computed in single precision."""


class StableDiffusionXL(_OfFamily, comfy.supported_models.SDXL):
    """Families on SDXL's UNet, with its own latents."""

    model_with_inputs = XLWithInputs


_GENERATIONS = {1: StableDiffusion1, 2: StableDiffusion2, "XL": StableDiffusionXL}


def host_model(config_class: Callable[[dict[str, Any]], Any], unet_config: dict[str, Any], dtype: torch.dtype) -> Any:
    """The host's model of a configuration, with unset weights.

    Args:
        config_class: of ``comfy.supported_models``, or what makes one of its objects.
        unet_config: arguments of the host's ``UNetModel``.
        dtype: of the weights; the host casts where its device wants another.
    """
    config = config_class(unet_config)
    config.unet_config.update(unet_config)
    compute = comfy.model_management.unet_manual_cast(dtype, comfy.model_management.get_torch_device())
    config.set_inference_dtype(dtype, compute)
    return config.get_model({}, device=comfy.model_management.unet_offload_device())


def load_unet(
    state: Mapping[str, Tensor], name: str, family: UNetFamily, headless: bool = False, disable_dynamic: bool = False
) -> Any:
    """A MODEL from a UNet's weights in diffusers' names.

    Args:
        state: of a UNet of any width; the family's extra layers are left to whoever builds them.
        name: what it is, for errors.
        family: what the weights do not tell: heads, how the MODEL predicts, what its schedule is.
        headless: without ``conv_norm_out`` and ``conv_out``, as a reference network is published.
        disable_dynamic: as :func:`host_patcher` has it.

    Raises:
        PatchError: keys are missing, or there are others.
    """
    layout = complete_layout(state, name, family, headless)
    family = family.seen_in(state)
    config, config_class = unet_config(layout, family), _GENERATIONS[family.generation]
    names = comfy.utils.unet_to_diffusers(config)
    weights = {key: tensor for key, tensor in state.items() if not family.has_extra(key)}
    if headless:
        # What the head would give is never looked at; unset memory would still be carried around.
        weights |= {key: torch.zeros(layout.shapes()[key]) for key in HEAD}
    if family.learned_variance:
        # The prediction's channels come first; the host's samplers ask for no other.
        weights |= {key: weights[key][: config["out_channels"]] for key in ("conv_out.weight", "conv_out.bias")}
    dtype = comfy.model_management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(weights),
        supported_dtypes=config_class.supported_inference_dtypes,
        weight_dtype=state["conv_in.weight"].dtype,
    )
    model = host_model(partial(config_class, family=family), config, dtype)
    # Layers that wait for a file take its tensors as they are.
    model.load_model_weights({names[key]: tensor.to(dtype) for key, tensor in weights.items()}, "")
    return host_patcher(model, disable_dynamic)


def unet_config(layout: UNetLayout, family: UNetFamily) -> dict[str, Any]:
    """Arguments of the host's ``UNetModel``."""
    levels = len(layout.widths)
    depths = [layout.depth(level) if attends else 0 for level, attends in enumerate(layout.attends)]
    vector = layout.class_dim or layout.vector_dim
    classes = {"num_classes": "sequential"} if vector else {}
    return classes | {
        "image_size": 32,
        "in_channels": layout.in_channels,
        "out_channels": layout.out_channels // 2 if family.learned_variance else layout.out_channels,
        "model_channels": layout.widths[0],
        "channel_mult": [width // layout.widths[0] for width in layout.widths],
        "num_res_blocks": [layout.layers] * levels,
        "transformer_depth": [depth for depth in depths for _ in range(layout.layers)],
        "transformer_depth_middle": layout.depth(-1),
        "transformer_depth_output": [depth for depth in depths for _ in range(layout.layers + 1)],
        "context_dim": layout.context_dim,
        "use_linear_in_transformer": layout.linear,
        "use_spatial_transformer": True,
        "use_temporal_attention": False,
        "adm_in_channels": vector or None,
        "num_heads": family.heads.number or -1,
        "num_head_channels": family.heads.width or -1,
        "legacy": False,
    }
