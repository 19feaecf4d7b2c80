"""HigherHRNet: the pose estimator that guidance looks through, and poses found with it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import comfy.model_management
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.networks.higherhrnet import MULTIPLE, sized_for
from ..model_patches.weight_kinds.higherhrnet import CONVERTED, HIGHERHRNET, NORMALISATION_KEY, NORMALISATIONS
from ..preprocessors.joint_grouping import Maps, estimate_poses
from ..preprocessors.keypoints import to_pose_keypoint
from ..preprocessors.people import choose_people
from .errors import names_itself
from .host_features import advanced, search_aliases
from .inputs import people_inputs, person_input
from .model_files import any_name, files_of_kind, read_weights
from .progress import per_picture
from .types import PoseEstimator, PoseKeypoint

AUTO = "auto"


class MannequinLoadPoseEstimator(io.ComfyNode):
    """Reads HigherHRNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadPoseEstimator",
            display_name="Load Pose Estimator",
            category="Mannequin/Load",
            description=(
                "Loads HigherHRNet from a safetensors file in models/mannequin. Make the file from published weights "
                f"with {CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(HIGHERHRNET),
                    tooltip="A HigherHRNet (W32, W48 or other sizes), recognised by what is in the file.",
                ),
                advanced(
                    io.Combo.Input(
                        "normalisation",
                        options=[AUTO, *NORMALISATIONS],
                        tooltip=(
                            "How pictures were normalised when it was trained. Auto: as the file says, else ImageNet. "
                            "None: pictures in 0–1 as they are, as HumanSD feeds mmpose's weights."
                        ),
                    )
                ),
            ],
            outputs=[
                PoseEstimator.Output(
                    "pose_estimator",
                    display_name="POSE_ESTIMATOR",
                    tooltip="For Estimate Pose and for the pose interaction field.",
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str, normalisation: str) -> io.NodeOutput:
        stated = {} if normalisation == AUTO else {NORMALISATION_KEY: normalisation}
        return io.NodeOutput(*load_file(read_weights, partial(_load, stated), weights))

    validate_inputs = any_name


def _load(stated: Mapping[str, str], state: Mapping[str, Tensor], name: str, metadata, *options) -> tuple[Any, ...]:
    """The file's network; ``stated`` comes before what its header says."""
    return load_weights(HIGHERHRNET, state, name, (metadata or {}) | stated, *options)


class MannequinEstimatePose(io.ComfyNode):
    """Everybody's keypoints, by HigherHRNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinEstimatePose",
            display_name="Estimate Pose",
            category="Mannequin/Pose",
            **search_aliases("openpose", "higherhrnet", "several people"),
            description=(
                "Finds everybody in a picture with HigherHRNet, from heat maps that are grouped into people: many at "
                "once, and small ones. Use it to see what the pose interaction field sees."
            ),
            inputs=[
                PoseEstimator.Input("estimator", tooltip="From Load Pose Estimator."),
                io.Image.Input("image", tooltip="Pictures; one frame of keypoints is made for each."),
                *people_inputs(),
                io.Float.Input(
                    "threshold",
                    default=0.1,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="A peak of a heat map below this is no joint (published: 0.1).",
                ),
                advanced(
                    io.Int.Input(
                        "resolution",
                        default=512,
                        min=64,
                        max=2048,
                        step=MULTIPLE,
                        tooltip="Short side of the picture the network sees, in pixels: 512, or 640 for W48 of COCO.",
                    )
                ),
                person_input(),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "pose", display_name="POSE_KEYPOINT", tooltip="Keypoints, in pixels of the picture."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, estimator, image, on_no_person, on_several, threshold, resolution, person=1) -> io.NodeOutput:
        comfy.model_management.load_models_gpu([estimator])

        def network(picture: Tensor) -> Maps:
            maps = estimator.model(sized_for(picture.to(estimator.load_device), resolution))
            return maps.coarse, maps.tags, maps.fine

        frames = estimate_poses(image, network, threshold, per_picture(len(image)))
        return io.NodeOutput(choose_people(to_pose_keypoint(frames), on_no_person, on_several, person))
