"""MCLD's file: denoising UNet, ReferenceNet, and the modules between them."""

from typing import Any

from torch import nn

from ..errors import PatchError
from ..networks.mcld import MCLD, METHOD, MCLDShape
from ..unet_family import SD1, SD1_ZERO_SNR, whole_number
from .kind import (
    DENOISING,
    METHOD_KEY,
    PREDICTION_KEY,
    REFERENCE,
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

#: What makes our file of the published ones.
CONVERTED = by_training("convert mcld FOLDER OUT")
#: Heads of the face projector, which its weights do not tell.
FACE_HEADS_KEY = "mannequin.face_projector_heads"
#: Whose face embeddings the face projector reads, where not the published weights' antelopev2.
FACE_MODEL_KEY = "mannequin.face_model"


def mcld_metadata() -> dict[str, str]:
    """What we write into the header of an MCLD weight file: how to sample it, besides what it is."""
    return header(METHOD) | {
        PREDICTION_KEY: V_PREDICTION,
        "mannequin.schedule": "linear betas 0.00085–0.012, zero terminal SNR, trailing",
    }


def mcld_shape(state: State, metadata: Metadata) -> MCLDShape:
    """Sizes of the modules in ``state``.

    Raises:
        KeyError: a key that tells a size is missing.
        PatchError: the header's number of heads does not fit the face projector.
    """
    heads = whole_number(metadata, FACE_HEADS_KEY)
    shape = MCLDShape.of(state, heads)
    if shape.resampler and shape.resampler.inner % shape.resampler.heads:
        raise PatchError(
            f"Its face projector is {shape.resampler.inner} wide, which {shape.resampler.heads} heads "
            f"('{FACE_HEADS_KEY}' in its header) cannot share. Convert the published folder again with --face-heads."
        )
    return shape


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    network = MCLD(mcld_shape(state, metadata), dtype=dtype_of(state), operations=operations)
    network.face_model = metadata.get(FACE_MODEL_KEY, network.face_model)
    return network


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    return (
        UNetPart(DENOISING, "The denoising UNet", SD1_ZERO_SNR.stated_in(metadata)),
        UNetPart(REFERENCE, "ReferenceNet", SD1.stated_in(metadata), headless=True),
    )


MCLD_MODEL = WeightKind(
    name="MCLD",
    what="MCLD weights",
    node="Load MCLD",
    advice=f"An MCLD weight file is made by {CONVERTED}",
    mend="Convert the whole published folder again.",
    recognise=lambda keys, metadata: (
        metadata.get(METHOD_KEY) == METHOD or any(key.startswith(("mfca.", "face_projector.")) for key in keys)
    ),
    unets=_unets,
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (MCLD_MODEL,)
