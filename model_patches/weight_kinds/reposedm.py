"""RePoseDM's files: its UNet of eight channels, and the recurrent pose alignment beside it."""

from dataclasses import replace
from typing import Any

from torch import nn

from ..errors import PatchError
from ..networks.map_former import GLOBAL, AlignmentShape, are_regions
from ..networks.reposedm import METHOD, RePoseDM, RePoseDMShape
from ..unet_family import SD1, Beside, NoiseSchedule
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

#: What writes them.
TRAINED = by_training("train RECIPE.yaml")
#: Sides of the alignment's regions, one an iteration, with commas between; and whether the UNet's head gives a
#: variance too (Eq. 4).
REGIONS_KEY, VARIANCE_KEY, LEARNED = "mannequin.regions", "mannequin.variance", "learned"
#: The drawn pose's latent beside the noise (section 3.1). The paper does not state its schedule; PIDM's, on which it
#: builds, is linear.
FAMILY = replace(SD1, schedule=NoiseSchedule("linear"), beside=Beside(latents=1))


def reposedm_metadata(
    regions: tuple[int, ...], prediction: str | None = None, learned_variance: bool = False
) -> dict[str, str]:
    """What we write into the header of a RePoseDM file.

    Args:
        regions: of the alignment; none without one.
        prediction: of its UNet, where it may be another than ε.
    """
    return (
        header(METHOD)
        | ({REGIONS_KEY: ",".join(map(str, regions))} if regions else {})
        | ({PREDICTION_KEY: prediction} if prediction else {})
        | ({VARIANCE_KEY: LEARNED} if learned_variance else {})
    )


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    family = replace(stated(FAMILY, metadata), learned_variance=metadata.get(VARIANCE_KEY) == LEARNED)
    return (UNetPart(DENOISING, "The UNet", family),)


def _network(state: State, metadata: Metadata, operations: Any) -> nn.Module:
    shape = RePoseDMShape.of(state, _regions(metadata))
    return RePoseDM(shape, dtype=dtype_of(state), operations=operations)


def _regions(metadata: Metadata) -> tuple[int, ...]:
    text = metadata.get(REGIONS_KEY)
    if text is None:
        return AlignmentShape.regions
    sides = tuple(int(part) if part.isascii() and part.isdigit() and len(part) < 4 else -1 for part in text.split(","))
    if not are_regions(sides):
        raise PatchError(
            f"Its header says '{text[:40]}' for '{REGIONS_KEY}', where odd numbers belong, or {GLOBAL} for the whole "
            "map, with commas between. Write the file again with the program that made it."
        )
    return sides


REPOSEDM = WeightKind(
    name="RePoseDM",
    what="RePoseDM together with its UNet",
    node="Load RePoseDM",
    advice=f"A RePoseDM file is written by {TRAINED}",
    mend=f"Take the file that is written by {TRAINED}.",
    recognise=lambda keys, metadata: metadata.get(METHOD_KEY) == METHOD,
    unets=_unets,
    shapes=shapes_of(_network),
    network=_network,
)
KINDS = (REPOSEDM,)
