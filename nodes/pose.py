"""Poses: from a photo to keypoints, from keypoints to a picture."""

from comfy_api.latest import io

from ..preprocessors.keypoints import from_pose_keypoint, to_pose_keypoint
from ..preprocessors.people import detect_poses
from ..preprocessors.skeleton import LARGEST_SIDE, draw
from .errors import names_itself
from .inputs import people_inputs
from .progress import per_picture
from .types import PoseKeypoint


class MannequinDetectPose(io.ComfyNode):
    """Keypoints of the people in a photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDetectPose",
            display_name="Detect Pose",
            category="Mannequin/Preprocess",
            description=(
                "Finds people and their 18 OpenPose keypoints with the bundled BlazePose; nothing to download. The "
                "POSE_KEYPOINT of DWPose and OpenPose nodes can be used in its place."
            ),
            inputs=[
                io.Image.Input("image", tooltip="Photos; one frame of keypoints is made for each."),
                *people_inputs(),
                io.Float.Input(
                    "threshold",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Keypoints less visible than this are left out.",
                ),
            ],
            outputs=[PoseKeypoint.Output("pose", tooltip="OpenPose-18 keypoints, in pixels of the photo.")],
        )

    @classmethod
    @names_itself
    def execute(cls, image, on_no_person, on_several, threshold) -> io.NodeOutput:
        frames = detect_poses(image, on_no_person, on_several, threshold, per_picture(len(image)))
        return io.NodeOutput(to_pose_keypoint(frames))


class MannequinDrawPose(io.ComfyNode):
    """The skeleton picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDrawPose",
            display_name="Draw Pose",
            category="Mannequin/Preprocess",
            description=(
                "Draws keypoints as OpenPose's skeleton on black: for Apply Pose Encoder, for a ControlNet (OpenPose), "
                "and to look at."
            ),
            inputs=[
                PoseKeypoint.Input("pose", tooltip="From Detect Pose, DWPose or OpenPose."),
                io.Int.Input("width", default=352, min=1, max=LARGEST_SIDE, step=8, tooltip="Width in pixels."),
                io.Int.Input("height", default=512, min=1, max=LARGEST_SIDE, step=8, tooltip="Height in pixels."),
            ],
            outputs=[io.Image.Output(tooltip="The skeleton.")],
        )

    @classmethod
    @names_itself
    def execute(cls, pose, width, height) -> io.NodeOutput:
        return io.NodeOutput(draw(from_pose_keypoint(pose), width, height))
