"""Poses: from a photo to keypoints, from keypoints to a picture, and onto another person."""

from comfy_api.latest import io

from ..preprocessors.keypoints import from_pose_keypoint, to_pose_keypoint
from ..preprocessors.people import choose_people, detect_poses
from ..preprocessors.published_skeleton import STYLES, draw_published
from ..preprocessors.retarget import retarget
from ..preprocessors.skeleton import LARGEST_SIDE, draw
from .errors import names_itself
from .host_features import search_aliases
from .inputs import people_inputs, person_input
from .progress import per_picture
from .types import PoseKeypoint

#: As ControlNet reads it; the others are as methods drew them.
OPENPOSE = "OpenPose"
#: What is drawn besides the body.
PARTS = {
    "body, hands, face": ("hands", "face"),
    "body": (),
    "body, hands": ("hands",),
    "body, feet, hands, face": ("feet", "hands", "face"),
}
WITH_FACE = next(iter(PARTS))
#: What is looked for in a photo besides the body. The body alone first, as it was when there was nothing else: pose
#: encoders that know no hands would be shown some.
DETECTED = {"body": (), "body, hands": ("hands",), "body, feet, hands": ("feet", "hands")}
BODY_ALONE = next(iter(DETECTED))


class MannequinDetectPose(io.ComfyNode):
    """Keypoints of the people in a photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDetectPose",
            display_name="Detect Pose",
            category="Mannequin/Pose",
            **search_aliases("openpose", "dwpose", "pose estimation", "hands", "skeleton", "blazepose", "mediapipe"),
            description=(
                "Finds people and their 18 OpenPose keypoints, feet and hands with the bundled BlazePose and MediaPipe "
                "Hands; nothing to download. The POSE_KEYPOINT of DWPose and OpenPose nodes can be used in its place."
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
                io.Combo.Input(
                    "layout",
                    options=["OpenPose-18", "COCO-17"],
                    optional=True,
                    tooltip="Order of the points. Other nodes expect OpenPose-18; COCO-17 is for tools that read it.",
                ),
                person_input(),
                io.Combo.Input(
                    "parts",
                    options=list(DETECTED),
                    optional=True,
                    tooltip=(
                        "Hands (21 points each) for a ControlNet (OpenPose), PCDMs and IMAGPose; feet (big toe and "
                        "heel) for tools that read them. Drawn by Draw Pose."
                    ),
                ),
            ],
            outputs=[
                PoseKeypoint.Output("pose", display_name="POSE_KEYPOINT", tooltip="Keypoints, in pixels of the photo.")
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls, image, on_no_person, on_several, threshold, layout="OpenPose-18", person=1, parts=BODY_ALONE
    ) -> io.NodeOutput:
        progress, looked_for = per_picture(len(image)), DETECTED[parts]
        frames = detect_poses(image, on_no_person, on_several, threshold, progress, person, looked_for)
        return io.NodeOutput(to_pose_keypoint(frames, layout))


class MannequinChoosePerson(io.ComfyNode):
    """One of several people."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinChoosePerson",
            display_name="Choose Person",
            category="Mannequin/Person",
            description=(
                "Keeps one of the people in the POSE_KEYPOINT of any node (DWPose, OpenPose, SDPose), with face and "
                "hands if it has them."
            ),
            inputs=[
                PoseKeypoint.Input("pose", tooltip="From Detect Pose, DWPose, OpenPose or SDPose."),
                *people_inputs(),
                person_input(),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "chosen", display_name="POSE_KEYPOINT", tooltip="The same frames, with the people who count."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, pose, on_no_person, on_several, person=1) -> io.NodeOutput:
        return io.NodeOutput(choose_people(pose, on_no_person, on_several, person))


class MannequinRetargetPose(io.ComfyNode):
    """The target pose on the source person's body."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinRetargetPose",
            display_name="Retarget Pose",
            category="Mannequin/Pose",
            **search_aliases("proportions", "bone lengths", "pose transfer"),
            description=(
                "Fits a target pose to the person of the source photo: as tall, at the same place and, if asked for, "
                "with the same limb lengths; hands, feet and face go along. Draw it at the source's size."
            ),
            inputs=[
                PoseKeypoint.Input("pose", tooltip="The target pose; one, or a frame for every source."),
                PoseKeypoint.Input("source_pose", tooltip="Detect Pose of the source photo; one, or one a frame."),
                io.Combo.Input(
                    "fit",
                    options=["height and place", "place only", "none"],
                    tooltip=(
                        "Height and place: as large as the source person, feet (or hips) where theirs are. Place only: "
                        "its own size. None: its own size and place."
                    ),
                ),
                io.Combo.Input(
                    "limb_lengths",
                    options=["target", "source"],
                    tooltip=(
                        "Whose proportions: the target's, or the source person's in the directions of the target. "
                        "Source helps when a child, a statue or a drawing poses for an adult."
                    ),
                ),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "retargeted",
                    display_name="POSE_KEYPOINT",
                    tooltip="Keypoints in pixels of the source photo, with the target's hands, feet and face.",
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, pose, source_pose, fit, limb_lengths) -> io.NodeOutput:
        frames = retarget(from_pose_keypoint(pose), from_pose_keypoint(source_pose), fit, limb_lengths)
        return io.NodeOutput(to_pose_keypoint(frames))


class MannequinDrawPose(io.ComfyNode):
    """The skeleton picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDrawPose",
            display_name="Draw Pose",
            category="Mannequin/Pose",
            **search_aliases("openpose", "skeleton", "stick figure"),
            description=(
                "Draws keypoints as OpenPose's skeleton on black, with hands and faces: for a ControlNet (OpenPose), "
                "for Apply Pose Encoder, for PCDMs and IMAGPose in their own style, and to look at."
            ),
            inputs=[
                PoseKeypoint.Input("pose", tooltip="From Detect Pose, DWPose, OpenPose or SDPose."),
                io.Int.Input("width", default=352, min=1, max=LARGEST_SIDE, step=8, tooltip="Width in pixels."),
                io.Int.Input("height", default=512, min=1, max=LARGEST_SIDE, step=8, tooltip="Height in pixels."),
                io.Float.Input(
                    "line_width",
                    default=1.0,
                    min=0.1,
                    max=8.0,
                    step=0.1,
                    optional=True,
                    tooltip="1 is OpenPose's: 4 pixels from the middle of a line to its edge in a 512-pixel picture.",
                ),
                io.Combo.Input(
                    "style",
                    options=[OPENPOSE, *STYLES],
                    optional=True,
                    tooltip=(
                        "OpenPose: smooth. PCDMs and IMAGPose: pixel by pixel as their networks were trained on, body "
                        "and hands; line_width and parts are not used."
                    ),
                ),
                io.Combo.Input(
                    "parts",
                    options=list(PARTS),
                    optional=True,
                    tooltip=(
                        "What is drawn where the keypoints have it. ControlNet (OpenPose) knows hands and faces; the "
                        "pose encoders of TruePose and RePoseDM know the body alone."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The skeleton.")],
        )

    @classmethod
    @names_itself
    def execute(cls, pose, width, height, line_width=1.0, style=OPENPOSE, parts=WITH_FACE) -> io.NodeOutput:
        frames = from_pose_keypoint(pose)
        step = per_picture(len(frames))
        if style in STYLES:
            return io.NodeOutput(draw_published(frames, width, height, STYLES[style], step))
        return io.NodeOutput(draw(frames, width, height, line_width, PARTS[parts], step))
