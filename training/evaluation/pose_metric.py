"""How far the result's pose is from the wanted one, by the keypoints that the bundled BlazePose finds in it."""

from collections.abc import Sequence

import numpy as np
import torch

from preprocessors.blazepose import find_people
from preprocessors.keypoints import from_blazepose

from ..data.records import Record
from .columns import Column

NAN = float("nan")
#: A keypoint at most this far off, in percent of the person's height, is right.
RIGHT = 5.0
#: A keypoint above this is seen; the target's hidden ones (0.5) are not asked for.
SEEN = 0.5


class PoseError:
    """Mean distance of keypoints in percent of the person's height, and the shares of the wanted ones that are found,
    and found within 5 % of it: one that is not found is not right either.

    The target's keypoints are its record's, or what BlazePose finds in the target where it has none. A detector places
    joints a little otherwise than whoever annotated them: the predictor ``target`` shows by how much.
    """

    columns = (
        Column("pose_error", "pose error, % of height", "lower", 2),
        Column("pose_right", f"keypoints within {RIGHT:g} %, share", "higher", 3),
        Column("pose_found", "keypoints found, share", "higher", 3),
    )
    needs = "no target has keypoints, and BlazePose finds nobody"
    batch = 0

    def __init__(self) -> None:
        self._found_in_target: dict[str, np.ndarray] = {}

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [
            pose_error(self._wanted(target), find_keypoints(picture), _height(target))
            for (_, target), picture in zip(pairs, made, strict=True)
        ]

    def _wanted(self, target: Record) -> np.ndarray:
        known = target.fields.get("keypoints")
        if known is not None:
            return known
        if target.name not in self._found_in_target:
            self._found_in_target[target.name] = find_keypoints(target.image)
        return self._found_in_target[target.name]


def pose_error(wanted: np.ndarray, found: np.ndarray, height: float | None = None) -> dict[str, float]:
    """Error, share right and share found of keypoints ``[18, 3]`` (x, y in pixels, confidence).

    Args:
        height: of the person in pixels; None takes the wanted keypoints' vertical extent.
    """
    asked = wanted[:, 2] > SEEN
    if not asked.any():
        return {"pose_error": NAN, "pose_right": NAN, "pose_found": NAN}
    both = asked & (found[:, 2] > SEEN)
    height = height or float(np.ptp(wanted[asked, 1]))
    share_found = float(both.sum() / asked.sum())
    if not height:
        return {"pose_error": NAN, "pose_right": NAN, "pose_found": share_found}
    distances = 100 * np.linalg.norm((wanted - found)[both, :2], axis=1) / height
    error = float(distances.mean()) if both.any() else NAN
    return {
        "pose_error": error,
        "pose_right": float((distances <= RIGHT).sum() / asked.sum()),
        "pose_found": share_found,
    }


def find_keypoints(picture: np.ndarray) -> np.ndarray:
    """OpenPose's points ``[18, 3]`` of the largest person in a picture uint8 ``[H, W, 3]``; zeros for nobody."""
    height, width = picture.shape[:2]
    people = from_blazepose(find_people(torch.tensor(picture).float() / 255), width, height).people
    return people[0].numpy() if len(people) else np.zeros((18, 3), np.float32)


def _height(target: Record) -> float | None:
    """Rows from the person's first to the last one, where there is a parsing with someone in it."""
    labels = target.fields.get("parsing")
    rows = np.flatnonzero((labels > 0).any(1)) if labels is not None else ()
    return float(rows[-1] - rows[0] + 1) if len(rows) else None
