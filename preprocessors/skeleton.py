"""A pose as the picture that ControlNet (OpenPose) and the papers' pose encoders read."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw
from torch import Tensor

from .errors import ConditionError
from .keypoints import Frame

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
#: Drawn this much larger and averaged down: smooth edges.
SUPERSAMPLING = 4
LARGEST_SIDE = 8192


def draw(frames: Sequence[Frame], width: int, height: int, line_width: float = 1.0) -> Tensor:
    """Skeletons on black, stretched from their canvases to ``width`` × ``height``; 1 is OpenPose's line width.

    Returns:
        IMAGE ``[frames, height, width, 3]`` in 0–1.

    Raises:
        ConditionError: no frame, or a size out of 1…8192.
    """
    if not frames:
        raise ConditionError("There is no pose to draw: the batch is empty.")
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ConditionError(f"A skeleton of {width}×{height} cannot be drawn; sides go from 1 to {LARGEST_SIDE}.")
    return torch.stack([_draw_frame(frame, width, height, line_width) for frame in frames])


def _draw_frame(frame: Frame, width: int, height: int, line_width: float) -> Tensor:
    factor = SUPERSAMPLING if max(width, height) * SUPERSAMPLING <= LARGEST_SIDE else 1
    size = width * factor, height * factor
    stretch = np.array([size[0] / frame.width, size[1] / frame.height])
    radius = max(STICK * line_width * min(width, height) / 512, 0.75) * factor
    canvas = Image.new("RGB", size)
    for person in frame.people.numpy():
        points, seen = person[:, :2] * stretch, person[:, 2] > 0
        # Limbs mix where they cross; "lighter" keeps both visible and does not depend on the order.
        limbs = Image.new("RGB", size)
        pen = ImageDraw.Draw(limbs)
        for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
            if seen[start] and seen[end]:
                dimmed = tuple(int(channel * LIMB_BRIGHTNESS) for channel in colour)
                pen.polygon(_ellipse(points[start], points[end], radius), fill=dimmed)
        pen = ImageDraw.Draw(limbs)
        for (x, y), shown, colour in zip(points, seen, COLOURS, strict=True):
            if shown:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        canvas = ImageChops.lighter(canvas, limbs)
    if factor > 1:
        canvas = canvas.resize((width, height), Image.Resampling.BOX)
    return torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255)


def _ellipse(start: np.ndarray, end: np.ndarray, radius: float) -> list[tuple[float, float]]:
    """OpenPose's stick: an ellipse from joint to joint."""
    middle, half = (start + end) / 2, (end - start) / 2
    length = float(np.linalg.norm(half))
    along = half / length if length > 0 else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    steps = min(max(16, int(length / 8)), 1024)
    turns = (2 * math.pi * step / steps for step in range(steps))
    return [tuple(middle + along * length * math.cos(t) + across * radius * math.sin(t)) for t in turns]
