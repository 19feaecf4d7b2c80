"""The mannequin's points in a picture: which of them are seen, and as a POSE_KEYPOINT."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from ..keypoints import Frame
from .model import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND
from .rendering import Rendering

Hidden = Literal["keep", "leave out"]
#: A joint lies inside the body: so far behind the surface it is still seen, metres.
DEPTH = {"limb": 0.13, "torso": 0.2, "face": 0.05, "hand": 0.04}
#: Of OpenPose's 18.
_FACE, _TORSO = (0, 14, 15, 16, 17), (1, 2, 5, 8, 11)


def allowed_depths(points: int) -> np.ndarray:
    """How far behind the surface each of the first points is still seen, metres, ``[points]``."""
    depths = np.full(max(points, BODY.stop), DEPTH["limb"])
    depths[list(_TORSO)], depths[list(_FACE)] = DEPTH["torso"], DEPTH["face"]
    for part, name in ((FEET, "limb"), (LEFT_HAND, "hand"), (RIGHT_HAND, "hand"), (FACE, "face")):
        depths[part] = DEPTH[name]
    return depths[:points]


def looking_away(points: int) -> np.ndarray:
    """Points that are nothing where they are not seen, the face's, boolean ``[points]``."""
    names = np.zeros(max(points, FACE.stop), bool)
    names[list(_FACE)], names[FACE] = True, True
    return names[:points]


def visibility(pixels: np.ndarray, away: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Points ``[K, 3]``: x, y in pixels, and 1 seen, 0.5 behind something, 0 outside of the picture.

    Eyes, nose, ears and face points that look away are 0, 0, 0.

    Args:
        pixels, away: of the first K of :class:`~.model.Body`'s points, ``[K, 2]``, ``[K]``.
        nearest: what every pixel shows, measured as ``away`` is, infinite for the background, ``[H, W]``.
    """
    height, width = nearest.shape
    result = np.concatenate([pixels, np.zeros((len(pixels), 1))], 1).astype(np.float32)
    hidden_is_nothing = looking_away(len(pixels))
    for number, allowed in enumerate(allowed_depths(len(pixels))):
        x, y = pixels[number]
        if not (0 <= x < width and 0 <= y < height):
            continue
        top, left = int(y), int(x)
        around = nearest[max(top - 1, 0) : top + 2, max(left - 1, 0) : left + 2].min()
        # Whoever stands sideways hides their far shoulder, but it is guessed at by every detector: 0.5.
        # In front of the background alone it is beside the body, which a joint never is: another part hid it.
        seen = np.isfinite(around) and away[number] - around < allowed
        result[number, 2] = 1.0 if seen else 0.5
        if not seen and hidden_is_nothing[number]:
            result[number] = 0
    return result


def points_of(picture: Rendering) -> np.ndarray:
    """Of everybody in a picture, ``[people, 136, 3]``, see :func:`visibility`."""
    rows = [np.zeros((0, FACE.stop, 3), np.float32)]
    for one in picture.people:
        pixels, away = picture.camera.project(picture.camera.seen(one.posed.points()))
        rows.append(visibility(pixels, away, picture.away)[None])
    return np.concatenate(rows)


def frames(pictures: Sequence[Rendering], hidden: Hidden = "keep") -> list[Frame]:
    """The points of every picture's people, with feet, hands and faces.

    Args:
        hidden: whether points behind something are written. What is written has confidence 1:
            comfyui_controlnet_aux takes a point with less for one that is missing.
    """
    made = []
    for picture in pictures:
        points = points_of(picture)
        points[..., 2] = points[..., 2] > (0 if hidden == "keep" else 0.6)
        points *= points[..., 2:]
        height, width = picture.camera.size
        body, parts = torch.from_numpy(points).split([BODY.stop, FACE.stop - BODY.stop], 1)
        made.append(Frame(body, width, height, parts))
    return made
