"""Where a person is photographed from."""

from dataclasses import dataclass

import numpy as np

#: Of the camera from the person, metres.
DISTANCE = 5.0


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole in front of the person (they look at −y), upright.

    Attributes:
        centre: x and z that the picture's middle looks at, metres.
        scale: pixels of a metre at the person.
    """

    centre: tuple[float, float]
    scale: float
    size: tuple[int, int]

    @classmethod
    def frame(
        cls, vertices: np.ndarray, joints: np.ndarray, draw: np.random.Generator, size: tuple[int, int]
    ) -> "Camera":
        """The whole person, with air; now and then from the knees up."""
        low, high = vertices.min(0), vertices.max(0)
        bottom, close = float(low[2]), draw.random() < 0.12
        if close:
            bottom = float(joints[[13, 14], 2].mean()) + draw.uniform(-0.02, 0.1)
        tall, fill = high[2] - bottom, draw.uniform(0.83, 0.91)
        middle_x = (high[0] + low[0]) / 2 + draw.normal(0, 0.012)
        # Perspective enlarges what is near: a hand held out.
        wide = 2 * np.abs((vertices[:, 0] - middle_x) * DISTANCE / (DISTANCE + vertices[:, 1])).max()
        scale = min(fill * size[0] / tall, 0.93 * size[1] / wide)
        top = high[2] + (size[0] / scale - tall) * draw.uniform(0.4, 0.62)
        middle_z = top - size[0] / scale / 2 if not close else high[2] + 0.09 - size[0] / scale / 2
        return cls((float(middle_x), float(middle_z)), float(scale), size)

    def rays(self, down: float, across: float) -> tuple[np.ndarray, np.ndarray]:
        """Origins and unit directions through every pixel's centre, moved by so many pixels."""
        height, width = self.size
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        target = np.stack(
            [
                self.centre[0] + (x + 0.5 + across - width / 2) / self.scale,
                np.zeros_like(x),
                self.centre[1] - (y + 0.5 + down - height / 2) / self.scale,
            ],
            -1,
        ).reshape(-1, 3)
        origin = np.array([self.centre[0], -DISTANCE, self.centre[1]], np.float32)
        direction = target - origin
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.broadcast_to(origin, direction.shape).astype(np.float32), direction.astype(np.float32)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x, y) of points ``[n, 3]``, and their distance from the camera."""
        height, width = self.size
        shrink = DISTANCE / (DISTANCE + points[:, 1])
        x = (points[:, 0] - self.centre[0]) * shrink * self.scale + width / 2
        y = (self.centre[1] - points[:, 2]) * shrink * self.scale + height / 2
        eye = np.array([self.centre[0], -DISTANCE, self.centre[1]])
        return np.stack([x, y], 1), np.linalg.norm(points - eye, axis=1)


def turn(yaw: float) -> np.ndarray:
    """About the vertical; positive shows the person's left side."""
    angle = np.deg2rad(yaw)
    return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
