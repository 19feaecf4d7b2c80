"""RePoseSD's files: Stable Diffusion's UNet, fine-tuned with the drawn poses' latent beside the noise."""

from dataclasses import replace
from typing import get_args

from ..errors import PatchError
from ..unet_family import SD1, SD2, Beside, NoiseSchedule, UNetFamily
from .kind import (
    DENOISING,
    METHOD_KEY,
    PREDICTION_KEY,
    V_PREDICTION,
    Metadata,
    UNetPart,
    WeightKind,
    by_training,
    header,
)

METHOD = "reposesd"
#: What writes them.
TRAINED = by_training("train RECIPE.yaml")
#: Of which generation of Stable Diffusion the base was; and its β, with a word more where the last step is pure noise.
GENERATION_KEY, SCHEDULE_KEY, ZERO_SNR = "mannequin.generation", "mannequin.schedule", ", zero_snr"
#: Section 4.4: everybody's poses in one picture beside the noise.
FAMILIES = {number: replace(family, beside=Beside(latents=1)) for number, family in ((1, SD1), (2, SD2))}
_SCHEDULES = {
    betas + (ZERO_SNR if zero else ""): NoiseSchedule(betas, zero_snr=zero)
    for betas in get_args(NoiseSchedule.__annotations__["betas"])
    for zero in (False, True)
}


def reposesd_metadata(family: UNetFamily) -> dict[str, str]:
    """What we write into the header of a RePoseSD file, whose UNet is of ``family``."""
    schedule = next(text for text, schedule in _SCHEDULES.items() if schedule == family.schedule)
    return (
        header(METHOD)
        | {GENERATION_KEY: str(family.generation), PREDICTION_KEY: family.prediction, SCHEDULE_KEY: schedule}
        | family.heads.metadata(FAMILIES[family.generation])
    )


def _unets(metadata: Metadata) -> tuple[UNetPart, ...]:
    generation, schedule = metadata.get(GENERATION_KEY), metadata.get(SCHEDULE_KEY)
    prediction = V_PREDICTION if metadata.get(PREDICTION_KEY) == V_PREDICTION else "epsilon"
    if generation not in map(str, FAMILIES) or schedule not in _SCHEDULES:
        raise PatchError(
            "Its header does not say of which Stable Diffusion it is, or of which schedule. Write the file again with "
            f"{TRAINED}; an older run goes on from its checkpoint."
        )
    try:
        family = replace(FAMILIES[int(generation)], prediction=prediction, schedule=_SCHEDULES[schedule])
    except ValueError as error:
        raise PatchError(f"Its header contradicts itself: {error}") from error
    return (UNetPart(DENOISING, "The UNet", family.stated_in(metadata)),)


REPOSESD = WeightKind(
    name="RePoseSD",
    what="RePoseSD, Stable Diffusion's UNet that is given poses",
    node="Load RePoseSD",
    advice=f"A RePoseSD file is written by {TRAINED}",
    mend=f"Take the file that is written by {TRAINED}.",
    recognise=lambda keys, metadata: metadata.get(METHOD_KEY) == METHOD,
    unets=_unets,
    shapes=lambda state, metadata: {},
)
KINDS = (REPOSESD,)
