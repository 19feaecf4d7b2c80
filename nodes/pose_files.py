"""Poses as JSON: saved into ComfyUI's output folder, loaded from its input folder."""

from pathlib import Path, PurePath

import folder_paths
from comfy_api.latest import io, ui

from ..preprocessors.errors import ConditionError
from ..preprocessors.keypoints import from_pose_keypoint
from ..preprocessors.pose_json import read_pose, write_pose
from .errors import names_itself
from .host_features import search_aliases
from .types import PoseKeypoint

#: Where Save Pose writes unless told otherwise, and where Load Pose looks besides the top of a folder.
SUBFOLDER = "poses"
#: The host's sign for a file of its output folder, as in Load Image (from Outputs).
FROM_OUTPUT = " [output]"
LARGEST_CANVAS = 65_536


def saved_poses() -> list[str]:
    """JSON files of the input folder, then those that Save Pose wrote, as the host names files."""
    names = []
    for folder, sign in ((folder_paths.get_input_directory(), ""), (folder_paths.get_output_directory(), FROM_OUTPUT)):
        found = [path for part in ("", SUBFOLDER) for path in (Path(folder) / part).glob("*.json") if path.is_file()]
        names += sorted(path.relative_to(folder).as_posix() + sign for path in found)
    return names


def pose_location(name: str) -> Path:
    """Where a file of that name lies.

    Raises:
        ConditionError: there is none, or it is not in the folders that Load Pose lists.
    """
    if name not in saved_poses():
        raise ConditionError(
            f"There is no pose '{name}'. Put the JSON file into ComfyUI's input folder, or its subfolder "
            f"{SUBFOLDER}, and refresh the page."
        )
    return Path(folder_paths.get_annotated_filepath(name))


class MannequinSavePose(io.ComfyNode):
    """A pose into a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinSavePose",
            display_name="Save Pose",
            category="Mannequin/Pose",
            **search_aliases("openpose json", "keypoints"),
            description=(
                "Writes a pose of any node into ComfyUI's output folder, as the JSON that pose editors and "
                "comfyui_controlnet_aux read and write."
            ),
            inputs=[
                PoseKeypoint.Input("pose", tooltip="From Detect Pose, DWPose, OpenPose or SDPose."),
                io.String.Input(
                    "prefix",
                    default=f"{SUBFOLDER}/pose",
                    tooltip=(
                        "How the name begins, as in Save Image: a number is added, %date% and the like are not; a "
                        "slash makes a subfolder."
                    ),
                ),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "saved", display_name="POSE_KEYPOINT", tooltip="The same pose, for what comes next."
                )
            ],
            is_output_node=True,
        )

    @classmethod
    @names_itself
    def execute(cls, pose, prefix) -> io.NodeOutput:
        frame = from_pose_keypoint(pose)[0]
        parts = PurePath(prefix.replace("\\", "/")).parts
        if not prefix.strip() or not parts or ".." in parts or PurePath(prefix).is_absolute() or ":" in prefix:
            raise ConditionError(f"'{prefix}' is no name in the output folder. Give one such as {SUBFOLDER}/pose.")
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, folder_paths.get_output_directory(), frame.width, frame.height
        )
        # The host counts names that go on with an underscore after the number.
        name = f"{name}_{counter:05}_.json"
        write_pose(Path(folder) / name, pose)
        return io.NodeOutput(pose, ui={"poses": [ui.SavedResult(name, subfolder, io.FolderType.output)]})


class MannequinLoadPose(io.ComfyNode):
    """A pose from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadPose",
            display_name="Load Pose",
            category="Mannequin/Pose",
            **search_aliases("openpose json", "keypoints"),
            description=(
                "Reads a pose from a JSON file in ComfyUI's input folder, or one that Save Pose wrote: ours, those of "
                "comfyui_controlnet_aux's Save Pose Keypoints, of pose editors, and OpenPose's own."
            ),
            inputs=[
                io.Combo.Input(
                    "saved_pose",
                    options=saved_poses(),
                    tooltip=f"JSON files of the folders input and input/{SUBFOLDER}, and what Save Pose wrote.",
                ),
                _canvas_input("width"),
                _canvas_input("height"),
            ],
            outputs=[
                PoseKeypoint.Output(
                    "pose", display_name="POSE_KEYPOINT", tooltip="What the file holds, face and hands included."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, saved_pose, canvas_width=0, canvas_height=0) -> io.NodeOutput:
        if bool(canvas_width) != bool(canvas_height):
            raise ConditionError(
                f"The canvas is {canvas_width}×{canvas_height}. Give its width and its height, or 0 for both: then it "
                "is worked out."
            )
        canvas = (canvas_width, canvas_height) if canvas_width else None
        return io.NodeOutput(read_pose(pose_location(saved_pose), canvas))

    @classmethod
    def fingerprint_inputs(cls, saved_pose, canvas_width=0, canvas_height=0):
        """Another value where the file has changed, so that the host runs the node again."""
        try:
            facts = pose_location(saved_pose).stat()
        except (ConditionError, OSError):
            return ""
        return f"{facts.st_mtime_ns} {facts.st_size}"

    @classmethod
    def validate_inputs(cls, saved_pose):
        """Before anything runs, and in the host's own place for it: is the file there?"""
        # A value that comes over a wire is not known yet.
        if saved_pose is None:
            return True
        try:
            pose_location(saved_pose)
        except ConditionError as error:
            return str(error)
        return True


def _canvas_input(side: str) -> io.Int.Input:
    """A side of the canvas, for files that have none."""
    return io.Int.Input(
        f"canvas_{side}",
        default=0,
        min=0,
        max=LARGEST_CANVAS,
        optional=True,
        tooltip=(
            f"For a file without a canvas, such as OpenPose's own: the {side} of its picture in pixels. 0: worked out "
            "from the people, who are then in the middle."
        ),
    )
