"""PCDMs' first stage: which global embedding the target will have."""

from functools import partial
from typing import Any

import comfy.clip_vision
import comfy.model_management
import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.errors import PatchError
from ..model_patches.networks.prior import Prior
from ..model_patches.prior_sampling import sample_embedding
from ..model_patches.weight_kinds.pcdms_prior import PCDMS_PRIOR, PRIOR
from ..model_patches.weight_kinds.pcdms_unets import CONVERTED
from ..preprocessors.coordinates import NUMBERS, pose_coordinates
from ..preprocessors.keypoints import from_pose_keypoint
from .checks import check_rows
from .embeddings import as_embedding
from .errors import names_itself
from .host_features import advanced, search_aliases
from .model_files import any_name, files_of_kind, read_weights
from .progress import per_picture
from .types import PCDMsPrior, PoseKeypoint


class MannequinLoadPCDMsPrior(io.ComfyNode):
    """The first stage's weights."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadPCDMsPrior",
            display_name="Load PCDMs Prior",
            category="Mannequin/Load",
            **search_aliases("pose transfer", "unclip"),
            description=(
                "Loads PCDMs' prior from a safetensors file in models/mannequin. Make the file from the published "
                f"weights with {CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(PCDMS_PRIOR),
                    tooltip="PCDMs' first stage, recognised by what is in the file.",
                )
            ],
            outputs=[PCDMsPrior.Output("prior", display_name="PCDMS_PRIOR", tooltip="For PCDMs Prior.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, PCDMS_PRIOR), weights))

    validate_inputs = any_name


class MannequinPCDMsPrior(io.ComfyNode):
    """Samples the target's embedding."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPCDMsPrior",
            display_name="PCDMs Prior",
            category="Mannequin/Condition",
            **search_aliases("unclip"),
            description=(
                "Predicts the global embedding of the target picture (section 3.2 of PCDMs) from the source picture's, "
                "the source's pose and the target's. Several target poses make a batch of embeddings, for PCDMs "
                "Conditioning."
            ),
            inputs=[
                PCDMsPrior.Input("prior", tooltip="From Load PCDMs Prior."),
                io.ClipVisionOutput.Input(
                    "embedding",
                    tooltip=(
                        "The source photo's, from CLIP Vision Encode with crop none: CLIP ViT-H/14 for the published "
                        "weights. One, or one for each target."
                    ),
                ),
                PoseKeypoint.Input(
                    "source_pose", tooltip="Detect Pose of the source photo: one person. One frame, or one a target."
                ),
                PoseKeypoint.Input(
                    "target_pose", tooltip="One person; a frame for every target. All of one make a batch."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=True,
                    tooltip="Seed of the noise. Every target of a batch has its own.",
                ),
                io.Int.Input("steps", default=20, min=1, max=1000, tooltip="Steps of sampling: 20 are published."),
                io.Float.Input(
                    "cfg",
                    default=1.0,
                    min=0.0,
                    max=20.0,
                    step=0.1,
                    optional=True,
                    tooltip="Classifier-free guidance: 1 is without, as published; above, evaluations are doubled.",
                ),
                advanced(
                    io.Float.Input(
                        "missing_joint",
                        default=0.0,
                        min=-1.0,
                        max=1.0,
                        step=0.01,
                        optional=True,
                        tooltip="Coordinates of a joint that is not seen: 0, or -1 where weights were trained so.",
                    )
                ),
            ],
            outputs=[
                io.ClipVisionOutput.Output(
                    display_name="embedding", tooltip="The target's global embedding; a row for every target pose."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        prior,
        embedding,
        source_pose,
        target_pose,
        seed: int,
        steps: int,
        cfg: float = 1.0,
        missing_joint: float = 0.0,
    ) -> io.NodeOutput:
        network: Prior = prior.model[PRIOR]
        if network.shape.pose != NUMBERS:
            raise PatchError(
                f"These weights take {network.shape.pose} numbers for a pose, and OpenPose's 18 joints are {NUMBERS}. "
                "Choose other weights in Load PCDMs Prior."
            )
        given = {
            "embedding": _vector(network, embedding),
            "source_pose": pose_coordinates(from_pose_keypoint(source_pose), "The source pose", missing_joint),
            "target_pose": pose_coordinates(from_pose_keypoint(target_pose), "The target pose", missing_joint),
        }
        counts = {name: len(rows) for name, rows in given.items()}
        rows = check_rows(counts, "Each is one for all, or as many as the others.")
        comfy.model_management.load_models_gpu([prior])
        parts = (part.to(prior.load_device).expand(rows, -1) for part in given.values())
        noise = _noise(rows, steps, network.shape.embedding, seed)
        target = sample_embedding(network, *parts, noise, cfg, per_picture(len(noise)))
        output = comfy.clip_vision.Output()
        output["image_embeds"] = target.to(comfy.model_management.intermediate_device())
        return io.NodeOutput(output)


def _vector(network: Prior, embedding: Any) -> Tensor:
    """The source's embedding ``[B, embedding]``."""
    mend = "Encode the photo with the CLIP these weights were trained with (ViT-H/14 for the published ones)."
    return as_embedding(embedding, network.shape.embedding, "source", mend)


def _noise(rows: int, steps: int, width: int, seed: int) -> Tensor:
    """``[steps, rows, width]``; a row's does not depend on how many follow it."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randn(steps, width, generator=generator) for _ in range(rows)], 1)
