"""The published PCDMs files: of which stage one is by its keys, and our names for theirs."""

import re
from collections.abc import Collection

from .weight_kinds.kind import DENOISING
from .weight_kinds.pcdms_prior import PREFIX, PRIOR
from .weight_kinds.pcdms_unets import INPAINTING, REFINING, SIMPLIFIED

#: Stages in the paper's order, and what they are called in a sentence.
STAGES = {
    PRIOR: "the prior (stage 1)",
    INPAINTING: "the inpainting model (stage 2)",
    REFINING: "the refining model (stage 3)",
    SIMPLIFIED: "the simplified one-stage model",
}
_PREFIXES = {
    "unet.": DENOISING,
    "image_proj_model_p.": "image_projection.",
    "image_proj_model.": "image_projection.",
    "pose_proj.": "pose_encoder.",
}
#: Published names tell the stage so, as in s2_512.pt.
_NAMED = re.compile(r"s(?P<number>[123])(?![0-9a-z])", re.IGNORECASE)


def stage_of(keys: Collection[str]) -> str | None:
    """The stage of which a published file is, complete or not; None for any other file."""

    def any_of(start: str) -> bool:
        return any(key.startswith(start) for key in keys)

    if "prd_embedding" in keys or any_of("pose_encoder1."):
        return PRIOR
    if not any_of("unet."):
        return None
    if any_of("image_proj_model."):
        return SIMPLIFIED
    if any_of("unet.class_embedding."):
        return INPAINTING
    if any_of("image_proj_model_p."):
        return INPAINTING if any_of("pose_proj.") else REFINING
    return SIMPLIFIED if any_of("pose_proj.") else None


def stage_in_name(name: str) -> str | None:
    """The stage that a published file's name says; None where it says none."""
    found = _NAMED.match(name)
    return list(STAGES)[int(found["number"]) - 1] if found else None


def our_name(stage: str, key: str) -> str:
    """Where a published key goes in our file; a key of no known part stays as it is."""
    if stage == PRIOR:
        return PREFIX + key
    return next((ours + key.removeprefix(own) for own, ours in _PREFIXES.items() if key.startswith(own)), key)
