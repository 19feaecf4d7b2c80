"""The node Pose Interaction Field with files of training, and a record's pose."""

from pathlib import Path
from typing import Any

import comfy.sd
import torch
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET
from mannequin.nodes.pose_field import UNITS, MannequinPoseInteractionField
from mannequin.preprocessors.keypoints import Frame, to_pose_keypoint
from safetensors import safe_open
from safetensors.torch import load_file

from training.data.records import Record
from training.field_guided import FieldUse


def keypoints_of(record: Record) -> list:
    height, width = record.image.shape[:2]
    return to_pose_keypoint([Frame(torch.tensor(record.fields["keypoints"])[None], width, height)])


@torch.inference_mode()
def guided_in_comfy(model: Any, files: dict[str, Path], target: Record, use: FieldUse, layout: Any = None) -> Any:
    """The MODEL, guided as ``use`` says.

    Args:
        files: an ``estimator`` and a ``decoder``.
    """
    with safe_open(files["estimator"], "pt") as file:
        (estimator,) = load_weights(HIGHERHRNET, load_file(files["estimator"]), "x", file.metadata())
    vae = comfy.sd.VAE(sd=load_file(files["decoder"]), dtype=torch.float32)
    settings = {"start_percent": 0.0, "end_percent": 1.0, "every": use.every, "tiles": layout}
    scale = use.scale / UNITS[use.rule]
    given = model, keypoints_of(target), estimator, vae, scale, use.rule
    return MannequinPoseInteractionField.execute(*given, **settings).result[0]
