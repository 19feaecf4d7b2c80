"""Where the mannequin is looked at from."""

from dataclasses import dataclass

import numpy as np

from .rotations import matrices

#: Of the camera from what it looks at, metres: that of the synthetic people.
DISTANCE = 5.0
#: Of the picture's height or width that people fill when the camera is placed by itself.
FILL = 0.87


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole that looks at a place.

    Attributes:
        rotation: from the world's axes to the camera's: x to the right of the picture, y away, z up, ``[3, 3]``.
        centre: the place in the middle of the picture, metres, ``[3]``.
        distance: of the pinhole from it, metres.
        scale: pixels of a metre there.
        size: height and width of the picture, pixels.
    """

    rotation: np.ndarray
    centre: np.ndarray
    distance: float
    scale: float
    size: tuple[int, int]

    def seen(self, points: np.ndarray) -> np.ndarray:
        """Points ``[…, 3]`` of the world in the camera's axes, about the centre."""
        return (points - self.centre) @ self.rotation.T

    def project(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (x, y) of points in the camera's axes ``[n, 3]``, and how far in front of the pinhole they are."""
        height, width = self.size
        away = self.distance + seen[:, 1]
        shrink = self.distance / np.maximum(away, 1e-6) * self.scale
        return np.stack([seen[:, 0] * shrink + width / 2, height / 2 - seen[:, 2] * shrink], 1), away


def looking(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """A camera's rotation, degrees. Yaw shows the person's left side, pitch looks from above, roll turns clockwise."""
    about = lambda axis, degrees: matrices(np.deg2rad(degrees) * np.eye(3)[axis])  # noqa: E731
    return about(1, roll) @ about(0, pitch) @ about(2, -yaw)


def framing(
    vertices: np.ndarray, rotation: np.ndarray, size: tuple[int, int], distance: float = DISTANCE, fill: float = FILL
) -> Camera:
    """The camera that shows everything ``[n, 3]`` in the middle of the picture, filling so much of it."""
    seen = vertices @ rotation.T
    centre = (seen.min(0) + seen.max(0)) / 2
    # Twice: what is near is enlarged, and moves the middle of what is seen.
    for _ in range(2):
        off = seen - centre
        shrink = distance / np.maximum(distance + off[:, 1], 0.1)
        flat = off[:, [0, 2]] * shrink[:, None]
        low, high = flat.min(0), flat.max(0)
        centre[[0, 2]] += (low + high) / 2
    wide, tall = np.maximum(high - low, 1e-3)
    scale = fill * min(size[0] / tall, size[1] / wide)
    return Camera(rotation, centre @ rotation, distance, float(scale), size)
