"""What is known of a rendered picture besides its maps: keypoints and whether they are seen, the face's box."""

import numpy as np

from preprocessors.body.points import visibility
from preprocessors.labels import LIP_20

from .camera import Camera

#: COCO-17 numbers of OpenPose-18's points; the neck is half-way between the shoulders.
COCO_OF_OPENPOSE = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)


def openpose(joints: np.ndarray, camera: Camera, distance: np.ndarray) -> np.ndarray:
    """OpenPose-18 in pixels ``[18, 3]``: x, y, and 1 seen, 0.5 behind something, 0 outside of the picture.

    Args:
        joints: COCO-17 in the camera's axes, ``[17, 3]``.
        distance: of what every pixel shows from the camera, infinite for the background, ``[H, W]``.
    """
    neck = joints[list(SHOULDERS)].mean(0)
    points = np.stack([neck if number is None else joints[number] for number in COCO_OF_OPENPOSE])
    return visibility(*camera.project(points), distance)


def face_box(parsing: np.ndarray, keypoints: np.ndarray) -> np.ndarray | None:
    """Left, top, right, bottom around the face's pixels, ``[4]``; None where no eye or nose is seen."""
    if not (keypoints[[0, 14, 15], 2] == 1).any():
        return None
    rows, columns = np.nonzero(parsing == LIP_20.index("Face"))
    if len(rows) < 4:
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
