"""PCDMs' second and third stage: a UNet each, and the modules beside it.

The simplified checkpoint is a second stage without the prior's embedding.
"""

from dataclasses import replace
from typing import Any

from torch import nn

from ..networks.pcdms import METHOD, PCDMs, PCDMsShape
from ..unet_family import SD2, Beside
from .kind import (
    DENOISING,
    METHOD_KEY,
    PREDICTION_KEY,
    Metadata,
    State,
    UNetPart,
    WeightKind,
    by_training,
    dtype_of,
    header,
    shapes_of,
    stated,
)

#: What makes our files of the published ones.
CONVERTED = by_training("convert pcdms FOLDER OUT")
#: Of which stage a file is, in its header.
STAGE_KEY = "mannequin.pcdms_stage"
INPAINTING, REFINING, SIMPLIFIED = "inpainting", "refining", "simplified"

#: A mask and a picture beside the noise; and a picture alone.
_JOINT, _COARSE = Beside(latents=1, maps=1), Beside(latents=1)
FAMILIES = {
    INPAINTING: replace(SD2, class_embedding=True, beside=_JOINT),
    SIMPLIFIED: replace(SD2, beside=_JOINT),
    REFINING: replace(SD2, beside=_COARSE),
}


def stage_metadata(stage: str, prediction: str | None = None) -> dict[str, str]:
    """The header of a stage's file; ``prediction`` of its UNet, where it may be another than ε."""
    return header(METHOD) | {STAGE_KEY: stage} | ({PREDICTION_KEY: prediction} if prediction else {})


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    return (UNetPart(DENOISING, "The UNet", stated(FAMILIES[metadata[STAGE_KEY]], metadata)),)


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    stage, shape = metadata[STAGE_KEY], PCDMsShape.of(state)
    if stage != REFINING and not shape.pose_channels:
        raise KeyError("pose_encoder.conv_out.weight")
    network = PCDMs(shape, dtype=dtype_of(state), operations=operations)
    # The published second stage's embedding is as wide as the context, which it is a token of.
    network.class_dim = shape.context_dim if stage == INPAINTING else 0
    network.projected_null = stage == SIMPLIFIED
    return network


def _kind(name: str, *stages: str) -> WeightKind:
    return WeightKind(
        name=f"PCDMs {name}",
        what=f"PCDMs' weights of {name}",
        node=f"Load PCDMs {name.capitalize()}",
        advice=f"A PCDMs weight file is made by {CONVERTED}",
        mend="Convert the published file again.",
        recognise=lambda keys, metadata: metadata.get(METHOD_KEY) == METHOD and metadata.get(STAGE_KEY) in stages,
        unets=_unets,
        shapes=shapes_of(_network),
        network=_network,
    )


PCDMS_INPAINTING = _kind("inpainting", INPAINTING, SIMPLIFIED)
PCDMS_REFINING = _kind("refining", REFINING)
KINDS = (PCDMS_INPAINTING, PCDMS_REFINING)
