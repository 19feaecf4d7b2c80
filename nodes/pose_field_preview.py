"""A look at the pose interaction field of a picture."""

import comfy.model_management
import torch
from comfy_api.latest import io
from torch.nn import functional as F

from ..model_patches.comfy_pose_field import check_frames
from ..model_patches.guidance.pose_interaction_field import Field, pose_field
from ..model_patches.networks.higherhrnet import sized_for
from ..preprocessors.overlay import reddened
from .checks import as_pose_picture
from .errors import names_itself
from .pose_field import target_pose
from .progress import per_picture
from .types import PoseEstimator, PoseKeypoint


class MannequinPreviewPoseField(io.ComfyNode):
    """Where a picture is far from a pose, and how far."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPreviewPoseField",
            display_name="Preview Pose Field",
            category="Mannequin/Patch",
            description=(
                "What the pose interaction field sees in a finished picture: where the estimator finds joints (W_h), "
                "where they are not the target's, and the distance G, to compare pictures with and without guidance."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Pictures, of VAE Decode or any others."),
                PoseKeypoint.Input("pose", tooltip="The pose that is wanted; one frame, or one a picture."),
                PoseEstimator.Input("estimator", tooltip="From Load Pose Estimator."),
            ],
            outputs=[
                io.Image.Output(display_name="field", tooltip="The picture, dimmed, and red where it is off the pose."),
                io.Mask.Output(display_name="weight", tooltip="W_h: where the estimator finds joints."),
                io.Float.Output(display_name="distance", tooltip="G, the mean of the pictures' distances."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, pose, estimator) -> io.NodeOutput:
        pictures, target = as_pose_picture(image, "The image"), target_pose(pose)
        check_frames(target, len(pictures))
        height, width = pictures.shape[-2:]
        comfy.model_management.load_models_gpu([estimator])
        device = estimator.load_device
        wanted = estimator.model(sized_for(target.picture(width, height).to(device))).features.float()
        step, parts = per_picture(len(pictures)), []
        for picture, own in zip(pictures.split(1), wanted.expand(len(pictures), -1, -1, -1).split(1), strict=True):
            seen = estimator.model(sized_for(picture.to(device)))
            parts.append(pose_field(seen._replace(features=seen.features.float(), fine=seen.fine.float()), own))
            step()
        field = Field(*(torch.cat(each) for each in zip(*parts, strict=True)))
        density, weight = (
            F.interpolate(part, size=(height, width), mode="bilinear").cpu() for part in (field.density, field.weight)
        )
        most = density.amax((1, 2, 3), keepdim=True)
        share = torch.where(most > 0, density / most, 0).movedim(1, -1)
        return io.NodeOutput(reddened(pictures.movedim(1, -1), share), weight[:, 0], float(field.distance.mean()))
