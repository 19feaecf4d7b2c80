"""PCDMs' first stage: the prior alone."""

from typing import Any

from torch import nn

from ..errors import PatchError
from ..networks.pcdms import METHOD
from ..networks.prior import Prior, PriorShape
from ..unet_family import whole_number
from .kind import METHOD_KEY, Metadata, State, WeightKind, dtype_of, shapes_of
from .pcdms_unets import CONVERTED, STAGE_KEY, stage_metadata

PRIOR = "prior"
#: Before its keys.
PREFIX = f"{PRIOR}."
#: Heads of its attention, which its weights do not tell, where they are not as wide as the published ones.
HEADS_KEY = "mannequin.prior_heads"


def prior_metadata(heads: int | None = None) -> dict[str, str]:
    """What we write into the header of a prior's file; ``heads`` where they are not as wide as the published ones."""
    return stage_metadata(PRIOR) | ({HEADS_KEY: str(heads)} if heads else {})


def prior_shape(state: State, metadata: Metadata) -> PriorShape:
    """Sizes of the prior in ``state``, under the keys of our file.

    Raises:
        KeyError: a key that tells a size is missing.
        PatchError: its width cannot be shared by its heads.
    """
    own = {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}
    shape = PriorShape.of(own, whole_number(metadata, HEADS_KEY))
    if shape.inner % shape.heads or shape.inner % 2:
        raise PatchError(
            f"Its tokens are {shape.inner} wide, which {shape.heads} heads ('{HEADS_KEY}' in its header) cannot share. "
            "Write the file again with the program that made it."
        )
    return shape


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    prior = Prior(prior_shape(state, metadata), dtype=dtype_of(state), operations=operations)
    return nn.ModuleDict({PRIOR: prior})


PCDMS_PRIOR = WeightKind(
    name="PCDMs prior",
    what="PCDMs' prior",
    node="Load PCDMs Prior",
    advice=f"A PCDMs weight file is made by {CONVERTED}",
    mend="Convert the published file again.",
    recognise=lambda keys, metadata: metadata.get(METHOD_KEY) == METHOD and metadata.get(STAGE_KEY) == PRIOR,
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (PCDMS_PRIOR,)
