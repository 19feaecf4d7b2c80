"""TruePose's files: what it adds to Stable Diffusion, alone or together with its two UNets."""

from collections.abc import Collection
from typing import Any

from torch import nn

from ..networks.truepose import METHOD, TruePose, TruePoseShape
from ..unet_family import SD1
from .kind import (
    DENOISING,
    PREDICTION_KEY,
    REFERENCE,
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

#: What writes the files of whole models.
TRAINED = by_training("train RECIPE.yaml")
#: Of keys that only TruePose's modules have.
_OWN = ("hpfa.", "caa.", "pose_encoder.downs.")


def truepose_metadata(prediction: str | None = None) -> dict[str, str]:
    """What we write into the header of a TruePose weight file; ``prediction`` where there are UNets in it."""
    return header(METHOD) | ({PREDICTION_KEY: prediction} if prediction else {})


def _is_truepose(keys: Collection[str], with_unets: bool) -> bool:
    return any(key.startswith(_OWN) for key in keys) and with_unets == any(
        key.startswith((DENOISING, REFERENCE)) for key in keys
    )


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    return TruePose(TruePoseShape.of(state), dtype=dtype_of(state), operations=operations)


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    return (
        UNetPart(DENOISING, "TargetNet", stated(SD1, metadata)),
        UNetPart(REFERENCE, "SourceNet", SD1.stated_in(metadata), headless=True),
    )


TRUEPOSE = WeightKind(
    name="TruePose",
    what="TruePose weights",
    node="Load TruePose",
    beside=", beside the checkpoint they belong to",
    advice="A TruePose weight file has keys such as 'hpfa.input_1_0.to_k.weight'",
    recognise=lambda keys, metadata: _is_truepose(keys, with_unets=False),
    shapes=shapes_of(_network),
    network=_network,
)
TRUEPOSE_MODEL = WeightKind(
    name="TruePose",
    what="TruePose together with its two UNets",
    node="Load TruePose Model",
    beside=", which gives all",
    advice=f"A whole TruePose, as demo_truepose.safetensors is, is written by {TRAINED}",
    mend=f"Take the file that is written by {TRAINED}.",
    recognise=lambda keys, metadata: _is_truepose(keys, with_unets=True),
    unets=_unets,
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (TRUEPOSE, TRUEPOSE_MODEL)
