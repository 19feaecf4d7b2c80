"""The files that IMAGPose's published training writes: which is which by its keys, and our names for theirs."""

import re
from collections.abc import Collection

from .published_mcld import site_of
from .weight_kinds.imagpose import MODULES
from .weight_kinds.kind import DENOISING

UNET, WHOLE_UNET, MODULES_ALONE, POSE_GUIDER, PATCH = "unet", "whole unet", "modules", "pose_guider", "patch"
#: Kinds of files, and what they are called in a sentence.
KINDS = {
    UNET: "the UNet without cross-view attention",
    WHOLE_UNET: "the UNet with cross-view attention",
    MODULES_ALONE: "modules of cross-view attention alone",
    POSE_GUIDER: "the pose guider",
    PATCH: "the patch convolution",
}
#: How the published training names its files, before a number of steps; and which kinds these may be.
NAMES = {
    "denoising_unet": {UNET, WHOLE_UNET},
    # It writes the whole UNet once more under this name; the file that training begins from has modules alone.
    "motion_module": {WHOLE_UNET, MODULES_ALONE},
    "pose_guider": {POSE_GUIDER},
    "patch": {PATCH},
}
#: Of a module's keys; in some files of AnimateDiff's they stand behind "module.".
_MODULE = re.compile(r"(?:module\.)?(?P<block>.+)\.motion_modules\.(?P<layer>\d+)\.temporal_transformer\.(?P<inner>.+)")
_PREFIXES = {UNET: DENOISING, WHOLE_UNET: DENOISING, POSE_GUIDER: "pose_guider.", PATCH: "flc."}


def kind_of(keys: Collection[str]) -> str | None:
    """The kind of file that has these keys; None for any other file."""
    modules = sum(_MODULE.fullmatch(key) is not None for key in keys)
    if modules and modules == len(keys):
        return MODULES_ALONE
    if "conv_in.weight" in keys and any(key.startswith("down_blocks.") for key in keys):
        return WHOLE_UNET if modules else UNET
    if {"conv_in.weight", "blocks.0.weight", "conv_out.weight"} <= set(keys):
        return POSE_GUIDER
    return PATCH if set(keys) == {"proj.weight", "proj.bias"} else None


def is_module(key: str) -> bool:
    """Whether a published key is of cross-view attention."""
    return MODULES.keys.fullmatch(key.removeprefix("module.")) is not None


def our_name(kind: str, key: str) -> str:
    """Where a published key goes in our file.

    Raises:
        PatchError: a module at a place that Stable Diffusion 1.x has not.
    """
    module = _MODULE.fullmatch(key)
    if module is None:
        return _PREFIXES.get(kind, "") + key
    block, layer = module["block"], module["layer"]
    return f"cva.{site_of(f'{block}.attentions.{layer}').key}.{module['inner']}"
