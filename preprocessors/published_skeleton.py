"""Skeletons pixel by pixel as PCDMs and IMAGPose drew them: DWPose's style, in hard edges, with hands.

Their networks have seen nothing else; :mod:`.skeleton` draws smoother, and is what ControlNet reads.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from .keypoints import Frame
from .pose_parts import BODY, LEFT_HAND, RIGHT_HAND
from .skeleton import COLOURS, FINGER_COLOURS, FINGERS, HAND_POINT, LIMB_BRIGHTNESS, LIMBS, STICK

#: Half the width of every row of a disc, from its middle outwards, as OpenCV fills circles of these radii.
_DISCS = {1: (1, 0), 4: (4, 3, 3, 2, 0)}
#: Limbs of the body; OpenPose's others, from the shoulders to the ears, were left out.
_DRAWN = 17


@dataclass(frozen=True)
class Style:
    """How one method draws.

    Attributes:
        hand_line: width of the fingers' lines, in pixels.
        hand_disc: radius of a hand's points.
        everybody: whether all people are drawn, or the one who is seen best.
    """

    hand_line: int
    hand_disc: int
    everybody: bool


STYLES = {"PCDMs": Style(1, 1, True), "IMAGPose": Style(2, 4, False)}


def draw_published(
    frames: Sequence[Frame], width: int, height: int, style: Style, progress: Callable[[], None] = lambda: None
) -> Tensor:
    """Skeletons on black, stretched from their canvases to ``width`` × ``height``.

    Args:
        progress: called after every frame.

    Returns:
        IMAGE ``[frames, height, width, 3]`` in 0–1.
    """
    drawn = []
    for frame in frames:
        drawn.append(draw_frame(frame, width, height, style))
        progress()
    return torch.from_numpy(np.stack(drawn)).float() / 255


def draw_frame(frame: Frame, width: int, height: int, style: Style) -> np.ndarray:
    """One frame's people, uint8 ``[height, width, 3]``."""
    stretch = np.array([width / frame.width, height / frame.height])
    people = list(zip(frame.people.double().numpy(), frame.points[:, BODY.stop :].double().numpy(), strict=True))
    if people and not style.everybody:
        people = [max(people, key=lambda person: person[0][:, 2].mean())]
    bodies = [(person[:, :2] * stretch, person[:, 2] > 0) for person, _ in people]
    canvas = Image.new("RGB", (width, height))
    _draw_limbs(canvas, bodies)
    canvas = Image.fromarray((np.asarray(canvas) * LIMB_BRIGHTNESS).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    for joint, colour in enumerate(COLOURS):
        for points, seen in bodies:
            if seen[joint]:
                _disc(pen, points[joint], int(STICK), colour)
    for hand in (parts[side] for _, parts in people for side in (LEFT_HAND, RIGHT_HAND)):
        _draw_hand(pen, hand * [*stretch, 1], style)
    return np.asarray(canvas)


def _draw_limbs(canvas: Image.Image, bodies: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    pen = ImageDraw.Draw(canvas)
    for (start, end), colour in zip(LIMBS[:_DRAWN], COLOURS, strict=False):
        for points, seen in bodies:
            if seen[start] and seen[end]:
                pen.polygon(_stick(points[start], points[end]), fill=colour)


def _stick(start: np.ndarray, end: np.ndarray) -> list[tuple[int, int]]:
    """An ellipse of whole pixels around whole pixels: OpenCV's polygon of it, in steps of whole degrees."""
    across, down = (start + end) / 2
    along_x, along_y = start - end
    half = int(math.hypot(along_x, along_y) / 2)
    turn = math.radians(int(math.degrees(math.atan2(along_y, along_x))))
    cos, sin, points = math.cos(turn), math.sin(turn), []
    for step in range(361):
        x, y = half * math.cos(math.radians(step)), STICK * math.sin(math.radians(step))
        points.append((round(int(across) + x * cos - y * sin), round(int(down) + x * sin + y * cos)))
    return points


def _disc(pen: ImageDraw.ImageDraw, centre: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    x, y = int(centre[0]), int(centre[1])
    for row, half in enumerate(_DISCS[radius]):
        for line in {y - row, y + row}:
            pen.line((x - half, line, x + half, line), fill=colour)


def _draw_hand(pen: ImageDraw.ImageDraw, hand: np.ndarray, style: Style) -> None:
    points = hand[:, :2].astype(int)
    # Nothing is drawn on the picture's outermost row and column.
    seen = (hand[:, 2] > 0) & (points > 0).all(-1)
    for (start, end), colour in zip(FINGERS, FINGER_COLOURS, strict=True):
        if seen[start] and seen[end]:
            pen.line((*points[start], *points[end]), fill=colour, width=style.hand_line)
    for point, shown in zip(points, seen, strict=True):
        if shown:
            _disc(pen, point, style.hand_disc, HAND_POINT)
