"""PCDMs: its weights, the joint picture of Fig. 4, and the half of it that was generated."""

from functools import partial

import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.errors import PatchError
from ..model_patches.weight_kinds.pcdms_unets import CONVERTED, PCDMS_INPAINTING, PCDMS_REFINING
from ..preprocessors.images import check_image, squashed
from ..preprocessors.joint_views import arranged
from .checks import check_rows, check_skeleton
from .errors import names_itself
from .host_features import search_aliases
from .model_files import any_name, files_of_kind, read_weights
from .types import PCDMsWeights, Tiles

#: Of a half, in the paper's larger setting; sides are cut into latents of 8 pixels.
SIDE, SMALLEST, LARGEST, STEP = 512, 64, 2048, 8


def side_inputs(what: str) -> list:
    """Width and height of what a stage works at."""
    return [
        io.Int.Input(
            name,
            default=SIDE,
            min=SMALLEST,
            max=LARGEST,
            step=STEP,
            tooltip=f"{name.capitalize()} of {what} in pixels; everything is squashed to it. The paper's: {SIDE}.",
        )
        for name in ("width", "height")
    ]


class MannequinLoadPCDMsInpainting(io.ComfyNode):
    """The second stage, or the simplified checkpoint."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadPCDMsInpainting",
            display_name="Load PCDMs Inpainting",
            category="Mannequin/Load",
            **search_aliases("pose transfer"),
            description=(
                "Loads PCDMs' inpainting model, or the simplified checkpoint, from a safetensors file in "
                "models/mannequin: its UNet, ready to sample, and what stands beside it. Make the file from the "
                f"published weights with {CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(PCDMS_INPAINTING),
                    tooltip="PCDMs' second stage or its simplified checkpoint, recognised by what is in the file.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled."),
                PCDMsWeights.Output(display_name="pcdms", tooltip="Pose encoder and projection, for the conditioning."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, PCDMS_INPAINTING), weights))

    validate_inputs = any_name


class MannequinLoadPCDMsRefining(io.ComfyNode):
    """The third stage."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadPCDMsRefining",
            display_name="Load PCDMs Refining",
            category="Mannequin/Load",
            **search_aliases("pose transfer", "refiner"),
            description=(
                "Loads PCDMs' refining model from a safetensors file in models/mannequin. It refines the result of any "
                f"method. Make the file from the published weights with {CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(PCDMS_REFINING),
                    tooltip="PCDMs' third stage, recognised by what is in the file.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled."),
                PCDMsWeights.Output(display_name="pcdms", tooltip="The projection, for the conditioning."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, PCDMS_REFINING), weights))

    validate_inputs = any_name


class MannequinPCDMsJoint(io.ComfyNode):
    """Source and target side by side (Fig. 4)."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPCDMsJoint",
            display_name="PCDMs Joint Picture",
            category="Mannequin/Condition",
            **search_aliases("side by side", "inpainting"),
            description=(
                "Puts source and target side by side as Fig. 4 of PCDMs has them: the source photo and black, the two "
                "poses, and the mask of what is to be generated. Several target poses make a batch."
            ),
            inputs=[
                io.Image.Input("image", tooltip="The source photo; one for all target poses, or one for each."),
                io.Image.Input("source_pose", tooltip="Draw Pose of the source photo, in the style PCDMs."),
                io.Image.Input("target_pose", tooltip="Draw Pose of the target; a batch makes a batch of results."),
                *side_inputs("a half"),
            ],
            outputs=[
                io.Image.Output(display_name="joint", tooltip="The source photo, and black for the target."),
                io.Mask.Output(display_name="mask", tooltip="White is the target half, which is generated."),
                io.Image.Output(display_name="joint_pose", tooltip="Source pose and target pose."),
                Tiles.Output(display_name="tiles", tooltip="Which half is generated, for Pose Interaction Field."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, source_pose, target_pose, width: int, height: int) -> io.NodeOutput:
        given = {"image": image, "source_pose": source_pose, "target_pose": target_pose}
        halves = {name: squashed(check_image(picture), width, height) for name, picture in given.items()}
        for name, whose in (("source_pose", "source"), ("target_pose", "target")):
            check_skeleton(
                halves[name], f"the {whose} pose", "; pose_strength 0 of PCDMs Conditioning is what leaves poses out"
            )
        check_rows(
            {name: len(half) for name, half in halves.items()},
            "Each is one for all, or as many as the others (RepeatImageBatch, ImageFromBatch).",
        )
        photo = halves["image"]
        mask = torch.zeros(len(photo), height, 2 * width)
        mask[:, :, width:] = 1
        return io.NodeOutput(
            torch.cat([photo, torch.zeros_like(photo)], 2),
            mask,
            _side_by_side(halves["source_pose"], halves["target_pose"]),
            arranged(1, 1, width, height, canvas=(1, 2), step=1),
        )


def _side_by_side(left: Tensor, right: Tensor) -> Tensor:
    rows = max(len(left), len(right))
    return torch.cat([half.expand(rows, -1, -1, -1) for half in (left, right)], 2)


class MannequinPCDMsTarget(io.ComfyNode):
    """The right half."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPCDMsTarget",
            display_name="PCDMs Target Half",
            category="Mannequin/Condition",
            **search_aliases("crop half"),
            description="Cuts the generated half out of PCDMs' joint picture, behind VAE Decode.",
            inputs=[io.Image.Input("joint", tooltip="The decoded joint picture: source on the left, target right.")],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The target, half as wide.")],
        )

    @classmethod
    @names_itself
    def execute(cls, joint) -> io.NodeOutput:
        width = joint.shape[2]
        if width % 2:
            raise PatchError(
                f"The picture is {width} pixels wide, which has no halves. Connect the joint picture as VAE Decode "
                "gives it."
            )
        return io.NodeOutput(joint[:, :, width // 2 :])
