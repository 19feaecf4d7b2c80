"""Hands of people whose bodies are known: 21 points each, from the two networks that come with the pack.

As MediaPipe's Holistic: the body's wrist and knuckles say where a hand may be, a small network looks there for its
palm, and the landmark network sees a square around that, turned so that the fingers point up (Zhang et al., "MediaPipe
Hands: On-device Real-time Hand Tracking", 2020; Grishchenko and Bazarevsky, "MediaPipe Holistic", 2020). No detector of
palms is needed, and every hand is somebody's left or right one.
"""

import torch
from torch import Tensor

from . import onnx
from .blazepose import Person
from .images import crop_for_mediapipe, in_picture, upright_square

#: BlazePose's wrist, little finger and index finger: of the left hand, then of the right one.
SIDES = ((15, 17, 19), (16, 18, 20))
HAND_POINTS = 21
PALM_SIDE, HAND_SIDE = 256, 224
#: The square in which the palm is looked for, in distances between wrist and middle knuckle and widened so much; that
#: around the hand, in distances between the two points found; and how far each is moved towards the fingertips, in
#: parts of the square before it is widened.
PALM_EXTENT, PALM_MARGIN, HAND_EXTENT, TOWARDS_FINGERS = 2.0, 2.7, 2.0, 0.1
#: A wrist less visible than this has no hand, and less surely than this there is none in the square.
MIN_WRIST, MIN_PRESENCE = 0.1, 0.5


def hands_of(picture: Tensor, person: Person) -> Tensor:
    """The left and the right hand of someone in a picture ``[H, W, 3]`` in 0–1.

    Returns:
        ``[2, 21, 3]``: the wrist and four of every finger from its root, the thumb first, as OpenPose orders them; x, y
        in pixels, presence in 0–1 (the same of all points of a hand; 0, 0, 0 where no hand is seen).
    """
    return torch.stack([_hand(picture, person.landmarks[list(side)]) for side in SIDES])


def _hand(picture: Tensor, body: Tensor) -> Tensor:
    """One hand ``[21, 3]``, of the body's wrist, little and index finger ``[3, 3]``."""
    nothing = torch.zeros(HAND_POINTS, 3)
    wrist, little, index = body[:, :2]
    middle = (2 * index + little) / 3
    if body[0, 2] < MIN_WRIST or not (middle - wrist).any():
        return nothing
    square = _square(middle, middle - wrist, PALM_EXTENT, PALM_MARGIN)
    (raw,) = onnx.run("hand_recrop", crop_for_mediapipe(picture, square, PALM_SIDE))
    palm, root = in_picture(torch.from_numpy(raw).reshape(2, 2) / PALM_SIDE, square)
    square = _square(palm, palm - root, HAND_EXTENT)
    points, presences = onnx.run("hand_landmark_full", crop_for_mediapipe(picture, square, HAND_SIDE))
    presence = presences.item()
    if presence < MIN_PRESENCE:
        return nothing
    found = in_picture(torch.from_numpy(points).reshape(HAND_POINTS, 3)[:, :2] / HAND_SIDE, square)
    return torch.cat([found, torch.full((HAND_POINTS, 1), presence)], 1)


def _square(centre: Tensor, up: Tensor, extent: float, margin: float = 1.0) -> Tensor:
    """Affine map from the unit square to the picture: ``up`` is upright there, and ``extent`` its length's share."""
    length = float(up.norm())
    side = extent * length
    return upright_square(centre + TOWARDS_FINGERS * side * up / max(length, 1e-6), up, side * margin)
