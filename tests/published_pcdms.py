"""PCDMs' published files in small: DeepSpeed's frame, their names and keys, random numbers."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from devtools import untrained
from model_patches.networks.prior import PriorShape
from model_patches.published_pcdms import STAGES
from model_patches.unet_layout import UNetLayout
from model_patches.weight_kinds.pcdms_prior import PREFIX
from model_patches.weight_kinds.pcdms_unets import FAMILIES

#: Published names, and what stands before their keys in place of ours.
NAMES = {"prior": "s1_256.pt", "inpainting": "s2_512.pt", "refining": "s3_512.pt", "simplified": "pcdms_ckpt.pt"}
THEIRS = {"denoising_unet.": "unet.", "image_projection.": "image_proj_model_p.", "pose_encoder.": "pose_proj."}
#: Heads as wide as the published ones, which files of theirs cannot say; a context, and DINOv2's tokens, as wide as the
#: demo's image encoder embeds.
LAYOUT = UNetLayout((64, 64, 64, 64), (True, True, True, False), 1, 64, linear=True, in_channels=4)
PRIOR = PriorShape(LAYOUT.context_dim, 64, 1, 2, pose_hidden=8, pose_features=16)


def our_state(stage: str) -> dict[str, Tensor]:
    """Weights of a stage under our keys."""
    if stage == "prior":
        return untrained.prior_state(shape=PRIOR)[0]
    family = FAMILIES[stage]
    sizes = replace(
        LAYOUT, in_channels=family.beside.channels(4), class_dim=LAYOUT.context_dim if family.class_embedding else 0
    )
    return untrained.pcdms_state(stage, layout=sizes)[0]


def published_state(stage: str, ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under the published keys."""
    return {_published_key(stage, key): tensor for key, tensor in ours.items()}


def _published_key(stage: str, key: str) -> str:
    if stage == "prior":
        return key.removeprefix(PREFIX)
    ours = next(start for start in THEIRS if key.startswith(start))
    theirs = "image_proj_model." if stage == "simplified" and "image" in ours else THEIRS[ours]
    return theirs + key.removeprefix(ours)


def save(state: dict[str, Tensor], path: Path) -> None:
    """As DeepSpeed does: weights beside what training goes on from."""
    torch.save({"module": state, "global_steps": 10, "optimizer": None, "ds_version": "0.9.5"}, path)


def save_all(folder: Path) -> None:
    """Every stage's file, and the simplified one, in a folder."""
    for stage in STAGES:
        save(published_state(stage, our_state(stage)), folder / NAMES[stage])
