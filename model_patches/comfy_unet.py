"""The host's UNet class with weights in diffusers' names: sizes are read off them, names go by the host's table."""

from collections.abc import Mapping
from typing import Any

import comfy.model_base
import comfy.model_management
import comfy.supported_models
import comfy.utils
import torch
from torch import Tensor

from .comfy_networks import host_patcher
from .errors import PatchError
from .unet_layout import HEAD, HEADS, UNetLayout, check_unet


class ZeroSNR(comfy.supported_models.SD15):
    """SD1.5's UNet under v-prediction and a zero-terminal-SNR schedule, as MCLD samples (DDIM, linear betas)."""

    # The host calls linear in β what diffusers calls "linear", and "linear" what is linear in √β.
    sampling_settings = {"beta_schedule": "sqrt_linear", "linear_start": 0.00085, "linear_end": 0.012, "zsnr": True}

    def model_type(self, state_dict, prefix=""):
        return comfy.model_base.ModelType.V_PREDICTION


def host_model(config_class: type, unet_config: dict[str, Any], dtype: torch.dtype) -> Any:
    """The host's model of a configuration, with unset weights.

    Args:
        config_class: of ``comfy.supported_models``.
        unet_config: arguments of the host's ``UNetModel``.
        dtype: of the weights; the host casts where its device wants another.
    """
    config = config_class(unet_config)
    config.unet_config.update(unet_config)
    compute = comfy.model_management.unet_manual_cast(dtype, comfy.model_management.get_torch_device())
    config.set_inference_dtype(dtype, compute)
    return config.get_model({}, device=comfy.model_management.unet_offload_device())


def load_unet(
    state: Mapping[str, Tensor], name: str, config_class: type, headless: bool = False, disable_dynamic: bool = False
) -> Any:
    """A MODEL from a UNet's weights in diffusers' names.

    Args:
        state: of a UNet of SD1.x's layout, of any width.
        name: what it is, for errors.
        config_class: of ``comfy.supported_models``: how the MODEL predicts and what its schedule is.
        headless: without ``conv_norm_out`` and ``conv_out``, as a reference network is published.
        disable_dynamic: as :func:`host_patcher` has it.

    Raises:
        PatchError: keys are missing, or there are others.
    """
    try:
        layout = check_unet(state, headless)
    except ValueError as error:
        raise PatchError(f"{name} is no complete UNet of Stable Diffusion 1.x: {error}.") from error
    config = unet_config(layout)
    names = comfy.utils.unet_to_diffusers(config)
    dtype = comfy.model_management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state),
        supported_dtypes=config_class.supported_inference_dtypes,
        weight_dtype=state["conv_in.weight"].dtype,
    )
    model = host_model(config_class, config, dtype)
    weights = dict(state)
    if headless:
        # What the head would give is never looked at; unset memory would still be carried around.
        weights |= {key: torch.zeros(layout.shapes()[key]) for key in HEAD}
    # Layers that wait for a file take its tensors as they are.
    model.load_model_weights({names[key]: tensor.to(dtype) for key, tensor in weights.items()}, "")
    return host_patcher(model, disable_dynamic)


def unet_config(layout: UNetLayout) -> dict[str, Any]:
    """Arguments of the host's ``UNetModel``."""
    levels, depths = len(layout.widths), [int(attends) for attends in layout.attends]
    return {
        "image_size": 32,
        "in_channels": layout.in_channels,
        "out_channels": 4,
        "model_channels": layout.widths[0],
        "channel_mult": [width // layout.widths[0] for width in layout.widths],
        "num_res_blocks": [layout.layers] * levels,
        "transformer_depth": [depth for depth in depths for _ in range(layout.layers)],
        "transformer_depth_middle": 1,
        "transformer_depth_output": [depth for depth in depths for _ in range(layout.layers + 1)],
        "context_dim": layout.context_dim,
        "use_linear_in_transformer": layout.linear,
        "use_spatial_transformer": True,
        "use_temporal_attention": False,
        "adm_in_channels": None,
        "num_heads": HEADS,
        "num_head_channels": -1,
        "legacy": False,
    }
