"""What is known of a rendered picture besides its maps: keypoints and whether they are seen, the face's box."""

import numpy as np

from preprocessors.labels import LIP_20

from .camera import Camera

#: COCO-17 numbers of OpenPose-18's points; the neck is half-way between the shoulders.
COCO_OF_OPENPOSE = (0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
SHOULDERS = (5, 6)
#: A joint lies inside the body: so far behind the surface it is still seen, metres.
DEPTH = {"limb": 0.13, "torso": 0.2, "face": 0.05}
_FACE, _TORSO = (0, 14, 15, 16, 17), (1, 2, 5, 8, 11)


def openpose(joints: np.ndarray, camera: Camera, distance: np.ndarray) -> np.ndarray:
    """OpenPose-18 in pixels ``[18, 3]``: x, y, and 1 seen, 0.5 behind something, 0 outside of the picture.

    Args:
        joints: COCO-17 in the camera's axes, ``[17, 3]``.
        distance: of what every pixel shows from the camera, infinite for the background, ``[H, W]``.
    """
    neck = joints[list(SHOULDERS)].mean(0)
    points = np.stack([neck if number is None else joints[number] for number in COCO_OF_OPENPOSE])
    pixels, away = camera.project(points)
    height, width = distance.shape
    result = np.concatenate([pixels, np.zeros((18, 1))], 1).astype(np.float32)
    for number, ((x, y), far) in enumerate(zip(pixels, away, strict=True)):
        if not (0 <= x < width and 0 <= y < height):
            continue
        allowed = DEPTH["face" if number in _FACE else "torso" if number in _TORSO else "limb"]
        top, left = int(y), int(x)
        near = distance[max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2]
        # Whoever stands sideways hides their far shoulder, but it is guessed at by every detector: 0.5.
        # In front of the background alone it is beside the body, which a joint never is: another part hid it.
        result[number, 2] = 1.0 if np.isfinite(near.min()) and far - near.min() < allowed else 0.5
    # Eyes, nose and ears that look away are not seen at all.
    for number in _FACE:
        if result[number, 2] == 0.5:
            result[number] = 0
    return result


def face_box(parsing: np.ndarray, keypoints: np.ndarray) -> np.ndarray | None:
    """Left, top, right, bottom around the face's pixels, ``[4]``; None where no eye or nose is seen."""
    if not (keypoints[[0, 14, 15], 2] == 1).any():
        return None
    rows, columns = np.nonzero(parsing == LIP_20.index("Face"))
    if len(rows) < 4:
        return None
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)
