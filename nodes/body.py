"""The mannequin: a body in any pose, and every condition of a target picture that it gives."""

from comfy_api.latest import io

from ..preprocessors.body.mannequin import mannequins, steps_of
from ..preprocessors.body.points import frames
from ..preprocessors.body.rendering import densepose, depth_image, mask, normal_image, parsing
from ..preprocessors.keypoints import to_pose_keypoint
from ..preprocessors.skeleton import draw
from .errors import names_itself
from .host_features import search_aliases
from .inputs import no_person_input
from .progress import per_picture
from .types import DensePose, Parsing, PoseKeypoint

#: A picture twice as high takes four times as long: half a minute.
LARGEST_SIDE = 4096


class MannequinPoseMannequin(io.ComfyNode):
    """A posed body's keypoints, DensePose, parsing, skeleton, depth, normals and mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPoseMannequin",
            display_name="Pose Mannequin",
            category="Mannequin/Pose",
            **search_aliases("pose editor", "pose studio", "3d pose", "openpose editor", "mannequin"),
            description=(
                "Poses a bundled body and gives every condition of the picture: keypoints with hands and face, "
                "DensePose, parsing, skeleton, depth, normals and mask. Nothing to download, no photo needed."
            ),
            inputs=[
                io.String.Input(
                    "mannequin",
                    default="",
                    multiline=True,
                    tooltip=(
                        "JSON: people with shape, joints in degrees, position, turn and clothes, and the camera; its "
                        "help page has an example and lists all. Empty is one person who stands."
                    ),
                ),
                io.Int.Input("width", default=512, min=16, max=LARGEST_SIDE, step=8, tooltip="Width in pixels."),
                io.Int.Input("height", default=704, min=16, max=LARGEST_SIDE, step=8, tooltip="Height in pixels."),
                io.Combo.Input(
                    "hidden_points",
                    options=["keep", "leave out"],
                    tooltip=(
                        "Keypoints behind something: kept, as detectors guess them, or left out. Face points that look "
                        "away are always left out."
                    ),
                ),
                no_person_input(),
                PoseKeypoint.Input(
                    "pose",
                    optional=True,
                    tooltip=(
                        "From Detect Pose, DWPose, OpenPose or SDPose: people of the text take these poses, at the "
                        "same places; its joints and camera are not used then. A picture is made of every frame."
                    ),
                ),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "keypoints",
                    display_name="POSE_KEYPOINT",
                    tooltip="Body, feet, hands and face of everybody, in pixels of the picture.",
                ),
                DensePose.Output("densepose", display_name="DENSEPOSE", tooltip="I, U and V of every pixel."),
                Parsing.Output("parsing", display_name="PARSING", tooltip="The clothes' and body's labels (LIP's)."),
                io.Image.Output("skeleton", display_name="skeleton", tooltip="OpenPose's skeleton on black."),
                io.Image.Output("depth", display_name="depth", tooltip="The nearest is white, nobody is black."),
                io.Image.Output(
                    "normals", display_name="normals", tooltip="Red is to the right, green up, blue to the camera."
                ),
                io.Mask.Output("mask", display_name="MASK", tooltip="Where anybody is."),
                io.String.Output(
                    "text",
                    display_name="mannequin",
                    tooltip="The first picture's people and camera as JSON, to go on from: fitted, and within limits.",
                ),
                io.String.Output(
                    "report",
                    display_name="report",
                    tooltip="What could not be shown as asked for, and how well people were fitted; else empty.",
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, mannequin, width, height, hidden_points, on_no_person, pose=None) -> io.NodeOutput:
        made = mannequins(mannequin, (height, width), pose, on_no_person, per_picture(steps_of(pose)))
        people = frames(made.pictures, hidden_points)
        return io.NodeOutput(
            to_pose_keypoint(people),
            densepose(made.pictures),
            parsing(made.pictures),
            draw(people, width, height),
            depth_image(made.pictures),
            normal_image(made.pictures),
            mask(made.pictures),
            made.text,
            made.report,
            # For the editor in the page, which can go on from it.
            ui={"mannequin": [made.text]},
        )
