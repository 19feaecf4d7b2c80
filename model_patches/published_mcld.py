"""The published MCLD files: which is which by its keys, and our names for theirs."""

import re
from collections.abc import Iterable

from .errors import PatchError
from .sites import Site, site_in_diffusers
from .weight_kinds.kind import DENOISING, REFERENCE

#: Kinds of published files, by what they hold; each is needed once.
KINDS = ("denoising_unet", "reference_unet", "pose_guider", "image_proj_model")

_PREFIX = {
    "denoising_unet": DENOISING,
    "reference_unet": REFERENCE,
    "pose_guider": "pose_guider.",
    "image_proj_model": "face_projector.",
}
_FACE = re.compile(r"(?P<place>.+)\.transformer_blocks\.(?P<index>\d+)\.attn2\.processor\.to_(?P<what>[kv])_ip\.weight")
#: Of Stable Diffusion 1.x.
_LAYERS = 2


def kind_of(keys: Iterable[str]) -> str | None:
    """Which published file has these keys; None for any other file."""
    keys = set(keys)
    if "conv_in.weight" in keys and any(key.startswith("down_blocks.") for key in keys):
        if any("motion_modules" in key for key in keys):
            return None
        if any(_FACE.fullmatch(key) for key in keys):
            return "denoising_unet"
        return None if "conv_out.weight" in keys else "reference_unet"
    if {"conv_in.weight", "blocks.0.weight", "conv_out.weight"} <= keys:
        return "pose_guider"
    return "image_proj_model" if {"latents", "proj_in.weight", "norm_out.weight"} <= keys else None


def our_name(kind: str, key: str) -> str:
    """Where a published key goes in our file.

    Raises:
        PatchError: face projections at a place that Stable Diffusion 1.x has not.
    """
    face = _FACE.fullmatch(key) if kind == "denoising_unet" else None
    if face is None:
        return _PREFIX[kind] + key
    return f"mfca.{site_of(face['place'], int(face['index'])).key}.to_{face['what']}.weight"


def site_of(place: str, index: int = 0) -> Site:
    """ComfyUI's name of a diffusers attention, such as ``up_blocks.1.attentions.0``, of Stable Diffusion 1.x."""
    words = place.split(".")
    if words[0] == "mid_block":
        return site_in_diffusers("mid", 0, 0, index, _LAYERS)
    if words[0] not in ("down_blocks", "up_blocks") or len(words) != 4:
        raise PatchError(f"There is no attention at '{place}' in Stable Diffusion 1.x.")
    return site_in_diffusers(words[0].removesuffix("_blocks"), int(words[1]), int(words[3]), index, _LAYERS)
