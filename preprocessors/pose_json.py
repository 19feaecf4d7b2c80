"""Poses as JSON files: any form is read, and the list form of POSE_KEYPOINT is written, as others do."""

import json
import math
from pathlib import Path
from typing import Any

from .errors import ConditionError
from .keypoints import from_pose_keypoint
from .pose_forms import pose_list

#: Ten thousand frames with faces and hands take less.
MOST_BYTES = 64 * 1024**2


def read_pose(path: Path, canvas: tuple[int, int] | None = None) -> list[dict[str, Any]]:
    """The POSE_KEYPOINT in a file; hands and faces stay in it.

    Args:
        canvas: width and height for poses that have none, as OpenPose's own; None works them out.

    Raises:
        ConditionError: the file is missing, too large, no JSON, or JSON of something else.
    """
    if not path.is_file():
        raise ConditionError(f"There is no file {path.name}. Put it into ComfyUI's input folder and refresh the page.")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ConditionError(
            f"{path.name} has {size / 1024**2:.0f} MB; a pose may have {MOST_BYTES // 1024**2}. Save the video's "
            "frames in several files."
        )
    try:
        poses = json.loads(path.read_bytes())
    # Brackets nested a thousand deep are a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConditionError(
            f"{path.name} is no JSON ({error}). Save the pose again, with Save Pose or Save Pose Keypoints."
        ) from error
    try:
        poses = pose_list(poses, canvas)
        from_pose_keypoint(poses)
    except ConditionError as error:
        raise ConditionError(f"{path.name}: {error}") from error
    return poses


def write_pose(path: Path, poses: Any) -> None:
    """Write a POSE_KEYPOINT of any node.

    Raises:
        ConditionError: it is none.
    """
    from_pose_keypoint(poses)
    path.write_text(json.dumps(_plain(pose_list(poses)), allow_nan=False), encoding="utf-8")


def _plain(value: Any) -> Any:
    """As JSON has it: arrays are lists, and what is no number is 0, which is how a missing point is written."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else 0.0
    if value is None or isinstance(value, str | int):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    raise ConditionError(f"The pose holds something that JSON cannot: a {type(value).__name__}.")
