"""A pose as the picture that ControlNet (OpenPose) and the papers' pose encoders read."""

import colorsys
import math
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw
from torch import Tensor

from .errors import ConditionError
from .keypoints import Frame
from .pose_parts import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND

Part = Literal["feet", "hands", "face"]
#: Limbs by OpenPose-18 index, in drawing order; limb and joint i share colour i.
LIMBS = (
    (1, 2),
    (1, 5),
    (2, 3),
    (3, 4),
    (5, 6),
    (6, 7),
    (1, 8),
    (8, 9),
    (9, 10),
    (1, 11),
    (11, 12),
    (12, 13),
    (1, 0),
    (0, 14),
    (14, 16),
    (0, 15),
    (15, 17),
)
#: OpenPose's colour wheel.
COLOURS = (
    (255, 0, 0),
    (255, 85, 0),
    (255, 170, 0),
    (255, 255, 0),
    (170, 255, 0),
    (85, 255, 0),
    (0, 255, 0),
    (0, 255, 85),
    (0, 255, 170),
    (0, 255, 255),
    (0, 170, 255),
    (0, 85, 255),
    (0, 0, 255),
    (85, 0, 255),
    (170, 0, 255),
    (255, 0, 255),
    (255, 0, 170),
    (255, 0, 85),
)
#: Half the stick's width and the joint's radius, in pixels of a 512-pixel picture, and the sticks' brightness.
STICK, LIMB_BRIGHTNESS = 4.0, 0.6
#: Bones of a hand, five fingers of four, each from the wrist: around the colour circle as DWPose draws them, with blue
#: points; half the lines' width and the points' radius, as above.
FINGERS = tuple((0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, 21))
FINGER_COLOURS = tuple(
    tuple(round(255 * channel) for channel in colorsys.hsv_to_rgb(number / len(FINGERS), 1, 1))
    for number in range(len(FINGERS))
)
HAND_POINT, HAND_LINE, HAND_RADIUS = (0, 0, 255), 1.0, 4.0
FACE_POINT, FACE_RADIUS = (255, 255, 255), 3.0
#: Bones of the feet from the ankle of OpenPose's 18, by points of :mod:`.pose_parts`' feet: to the big toe, on to the
#: small one, and to the heel, in the colours of OpenPose's BODY_25.
_TOES_AND_HEEL = ((None, 0), (0, 1), (None, 2))
SIDES = ((13, slice(FEET.start, 3), (0, 0, 255)), (10, slice(3, FEET.stop), (0, 255, 255)))
#: Drawn this much larger and averaged down: smooth edges.
SUPERSAMPLING = 4
LARGEST_SIDE = 8192


def draw(
    frames: Sequence[Frame],
    width: int,
    height: int,
    line_width: float = 1.0,
    parts: Collection[Part] = (),
    progress: Callable[[], None] = lambda: None,
) -> Tensor:
    """Skeletons on black, stretched from their canvases to ``width`` × ``height``; 1 is OpenPose's line width.

    Args:
        parts: what is drawn besides the body, where it is seen.
        progress: called after every frame.

    Returns:
        IMAGE ``[frames, height, width, 3]`` in 0–1.

    Raises:
        ConditionError: no frame, or a size out of 1…8192.
    """
    if not frames:
        raise ConditionError("There is no pose to draw: the batch is empty.")
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ConditionError(f"A skeleton of {width}×{height} cannot be drawn; sides go from 1 to {LARGEST_SIDE}.")
    pictures = []
    for frame in frames:
        pictures.append(_draw_frame(frame, width, height, line_width, parts))
        progress()
    return torch.stack(pictures)


def _draw_frame(frame: Frame, width: int, height: int, line_width: float, parts: Collection[Part]) -> Tensor:
    factor = SUPERSAMPLING if max(width, height) * SUPERSAMPLING <= LARGEST_SIDE else 1
    size = width * factor, height * factor
    stretch = np.array([size[0] / frame.width, size[1] / frame.height])
    canvas = Image.new("RGB", size)
    for body, own in zip(frame.people.numpy(), frame.points[:, BODY.stop :].numpy(), strict=True):
        # People and limbs mix where they cross; "lighter" keeps both visible and does not depend on the order.
        person = Image.new("RGB", size)
        pen = _Pen(person, stretch, line_width * min(width, height) / 512, factor)
        _draw_body(pen, body)
        if "feet" in parts:
            _draw_feet(pen, body, own[FEET])
        for hand in (LEFT_HAND, RIGHT_HAND) if "hands" in parts else ():
            _draw_hand(pen, own[hand])
        if "face" in parts:
            pen.discs(own[FACE], [FACE_POINT] * len(own[FACE]), FACE_RADIUS)
        canvas = ImageChops.lighter(canvas, person)
    if factor > 1:
        canvas = canvas.resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)


class _Pen:
    """Draws between points ``[3]`` (x, y, confidence) that are seen.

    Args:
        stretch: pixels of the picture by pixels of the pose's canvas, ``[2]``.
        scale: of widths and radii.
        factor: how much larger the picture is than what it becomes, for widths of at least three quarters of a pixel.
    """

    def __init__(self, picture: Image.Image, stretch: np.ndarray, scale: float, factor: int) -> None:
        self._pen, self._stretch, self._scale, self._factor = ImageDraw.Draw(picture), stretch, scale, factor

    def _width(self, width: float) -> float:
        return max(width * self._scale, 0.75) * self._factor

    def stick(self, start: np.ndarray, end: np.ndarray, colour: tuple[int, ...], half: float) -> None:
        """An ellipse from point to point."""
        if start[2] > 0 and end[2] > 0:
            ends = start[:2] * self._stretch, end[:2] * self._stretch
            self._pen.polygon(_ellipse(*ends, self._width(half)), fill=colour)

    def line(self, start: np.ndarray, end: np.ndarray, colour: tuple[int, ...], half: float) -> None:
        """A line from point to point."""
        if start[2] > 0 and end[2] > 0:
            ends = [tuple(point[:2] * self._stretch) for point in (start, end)]
            self._pen.line(ends, fill=colour, width=round(2 * self._width(half)))

    def discs(self, points: np.ndarray, colours: Sequence[tuple[int, ...]], radius: float) -> None:
        """A disc around every point ``[n, 3]``."""
        radius = self._width(radius)
        for (x, y), shown, colour in zip(points[:, :2] * self._stretch, points[:, 2] > 0, colours, strict=True):
            if shown:
                self._pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _draw_body(pen: _Pen, body: np.ndarray) -> None:
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        pen.stick(body[start], body[end], _dimmed(colour), STICK)
    pen.discs(body, COLOURS, STICK)


def _draw_feet(pen: _Pen, body: np.ndarray, feet: np.ndarray) -> None:
    for ankle, side, colour in SIDES:
        foot = feet[side]
        for start, end in _TOES_AND_HEEL:
            pen.stick(body[ankle] if start is None else foot[start], foot[end], _dimmed(colour), STICK)
        pen.discs(foot, [colour] * len(foot), STICK)


def _draw_hand(pen: _Pen, hand: np.ndarray) -> None:
    for (start, end), colour in zip(FINGERS, FINGER_COLOURS, strict=True):
        pen.line(hand[start], hand[end], colour, HAND_LINE)
    pen.discs(hand, [HAND_POINT] * len(hand), HAND_RADIUS)


def _dimmed(colour: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(channel * LIMB_BRIGHTNESS) for channel in colour)


def _ellipse(start: np.ndarray, end: np.ndarray, radius: float) -> list[tuple[float, float]]:
    """OpenPose's stick: an ellipse from joint to joint."""
    middle, half = (start + end) / 2, (end - start) / 2
    length = float(np.linalg.norm(half))
    along = half / length if length > 0 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    steps = min(max(16, int(length / 8)), 1024)
    turns = (2 * math.pi * step / steps for step in range(steps))
    return [tuple(middle + along * length * math.cos(t) + across * radius * math.sin(t)) for t in turns]
