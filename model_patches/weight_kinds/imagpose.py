"""IMAGPose's files: its UNet with what stands beside it; and modules of cross-view attention alone."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from torch import nn

from ..networks.imagpose import METHOD, IMAGPose, IMAGPoseShape
from ..unet_family import SD1_ZERO_SNR, Beside, ExtraLayers, NoiseSchedule
from .kind import (
    DENOISING,
    METHOD_KEY,
    PREDICTION_KEY,
    V_PREDICTION,
    Metadata,
    State,
    UNetPart,
    WeightKind,
    by_training,
    dtype_of,
    header,
    shapes_of,
)

#: What makes our files of the trained ones.
CONVERTED = by_training("convert imagpose FOLDER OUT")
#: What the published UNet has between its layers; our files have it beside the UNet.
MODULES = ExtraLayers(
    "cross-view attention", re.compile(r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.motion_modules\..+")
)
#: Beside the noise a flag, then a picture.
FAMILY = replace(SD1_ZERO_SNR, beside=Beside(latents=1, maps=1), extra=MODULES)


#: As the paper has it: ε, under a linear schedule whose last step is no pure noise.
_EPSILON = replace(FAMILY, prediction="epsilon", schedule=NoiseSchedule("linear"))


def imagpose_metadata(prediction: str = V_PREDICTION) -> dict[str, str]:
    """The header of an IMAGPose file; ``prediction`` of its UNet, v as published where the header says nothing."""
    return header(METHOD) | ({} if prediction == V_PREDICTION else {PREDICTION_KEY: prediction})


def _is_imagpose(keys: Collection[str], metadata: Metadata, with_unet: bool) -> bool:
    return metadata.get(METHOD_KEY) == METHOD and with_unet == any(key.startswith(DENOISING) for key in keys)


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    family = _EPSILON if metadata.get(PREDICTION_KEY) == _EPSILON.prediction else FAMILY
    return (UNetPart(DENOISING, "The UNet", family.stated_in(metadata)),)


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    return IMAGPose(IMAGPoseShape.of(state), dtype=dtype_of(state), operations=operations)


def _whole(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    for needed in ("flc.proj.weight", "pose_guider.conv_out.weight"):
        if needed not in state:
            raise KeyError(needed)
    return _network(state, metadata, operations)


IMAGPOSE_MODEL = WeightKind(
    name="IMAGPose",
    what="IMAGPose together with its UNet",
    node="Load IMAGPose",
    advice=f"An IMAGPose weight file is made by {CONVERTED}",
    mend="Convert the trained files again.",
    recognise=lambda keys, metadata: _is_imagpose(keys, metadata, with_unet=True),
    unets=_unets,
    shapes=shapes_of(_whole),
    network=_whole,
)
CVA_MODULES = WeightKind(
    name="cross-view attention",
    what="modules of cross-view attention without a UNet",
    node="Load CVA",
    beside=", beside the checkpoint they belong to",
    advice=f"Such a file is made of a motion module by {CONVERTED}",
    recognise=lambda keys, metadata: _is_imagpose(keys, metadata, with_unet=False),
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (IMAGPOSE_MODEL, CVA_MODULES)
