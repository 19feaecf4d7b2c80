"""HigherHRNet, the pose estimator."""

from typing import Any

from torch import nn

from ..errors import PatchError
from ..networks.higherhrnet import HigherHRNet, HigherHRNetShape
from .kind import Metadata, State, WeightKind, by_training, header, shapes_of

METHOD = "higherhrnet"
#: What makes our files of the published ones.
CONVERTED = by_training("convert higherhrnet FILE OUT")
#: What pictures are normalised by, and the two there are; a file that says nothing is of a published network.
NORMALISATION_KEY, IMAGENET, UNNORMALISED = "mannequin.normalisation", "ImageNet", "none"
NORMALISATIONS = (IMAGENET, UNNORMALISED)
#: Keys that no other network has beside each other.
_OWN = ("final_layers.0.weight", "deconv_layers.0.0.0.weight", "stage4.0.branches.0.0.conv1.weight")


def estimator_metadata(normalisation: str = IMAGENET) -> dict[str, str]:
    """What we write into the header of an estimator's file."""
    return header(METHOD) | {NORMALISATION_KEY: normalisation}


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    normalisation = metadata.get(NORMALISATION_KEY, IMAGENET)
    if normalisation not in NORMALISATIONS:
        raise PatchError(
            f"Its header says '{normalisation}' for '{NORMALISATION_KEY}'; {' or '.join(NORMALISATIONS)} is known. "
            "Write the file again with the program that made it."
        )
    shape = HigherHRNetShape.of(state)
    dtype = state["conv1.weight"].dtype
    return HigherHRNet(shape, normalisation == IMAGENET, dtype=dtype, operations=operations)


HIGHERHRNET = WeightKind(
    name="HigherHRNet",
    what="HigherHRNet, a pose estimator",
    node="Load Pose Estimator",
    advice=f"A pose estimator's file is made by {CONVERTED}",
    mend="Convert the published file again.",
    recognise=lambda keys, metadata: all(key in keys for key in _OWN),
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (HIGHERHRNET,)
