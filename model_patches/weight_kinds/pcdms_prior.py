"""PCDMs' first stage: the prior alone."""

import math
from typing import Any

from torch import nn

from ..errors import PatchError
from ..networks.pcdms import METHOD
from ..networks.prior import Prior, PriorShape
from ..unclip import MEAN, STD
from ..unet_family import whole_number
from .kind import METHOD_KEY, Metadata, State, WeightKind, dtype_of, shapes_of
from .pcdms_unets import CONVERTED, STAGE_KEY, stage_metadata

PRIOR = "prior"
#: Before its keys.
PREFIX = f"{PRIOR}."
#: Heads of its attention, which its weights do not tell, where they are not as wide as the published ones.
HEADS_KEY = "mannequin.prior_heads"
#: By which its embeddings are normalised, where they are not CLIP ViT-H/14's.
MEAN_KEY, STD_KEY = "mannequin.prior_mean", "mannequin.prior_std"


def prior_metadata(heads: int | None = None, mean: float = MEAN, std: float = STD) -> dict[str, str]:
    """What we write into the header of a prior's file.

    Args:
        heads: where they are not as wide as the published ones.
        mean, std: by which embeddings are normalised.
    """
    normalised = {MEAN_KEY: repr(mean), STD_KEY: repr(std)} if (mean, std) != (MEAN, STD) else {}
    return stage_metadata(PRIOR) | normalised | ({HEADS_KEY: str(heads)} if heads else {})


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
    prior.mean, prior.std = _number(metadata, MEAN_KEY, MEAN), _number(metadata, STD_KEY, STD)
    return nn.ModuleDict({PRIOR: prior})


def _number(metadata: Metadata, key: str, default: float) -> float:
    try:
        value = float(metadata.get(key, default))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (key == STD_KEY and value <= 0):
        raise PatchError(
            f"Its header says '{metadata[key][:20]}' for '{key}', where a {'positive ' * (key == STD_KEY)}number "
            "belongs. Write the file again with the program that made it."
        )
    return value


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
