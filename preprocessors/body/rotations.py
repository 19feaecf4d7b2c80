"""Rotation vectors and matrices: Rodrigues' formula and its inverse."""

import numpy as np


def matrices(vectors: np.ndarray) -> np.ndarray:
    """Rotations ``[…, 3, 3]`` about rotation vectors ``[…, 3]``, radians."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(np.asarray(vectors, np.float64), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
    small = angle < 1e-6
    safe = np.where(small, 1, angle)
    first = np.where(small, 1 - angle**2 / 6, np.sin(safe) / safe)
    second = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.eye(3) + first * cross + second * (cross @ cross)


def vectors(rotations: np.ndarray) -> np.ndarray:
    """Rotation vectors ``[…, 3]``, up to half a turn long, of rotations ``[…, 3, 3]``."""
    r = np.asarray(rotations, np.float64)
    # Quaternions, each from the largest of its four squares: half a turn has no antisymmetric part.
    diagonal = np.stack([r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]], -1)
    trace = diagonal.sum(-1, keepdims=True)
    squares = np.concatenate([1 + trace, 1 - trace + 2 * diagonal], -1)
    off = lambda i, j, sign: r[..., i, j] + sign * r[..., j, i]  # noqa: E731
    w, x, y, z = np.moveaxis(squares, -1, 0)
    rows = [
        [w, off(2, 1, -1), off(0, 2, -1), off(1, 0, -1)],
        [off(2, 1, -1), x, off(0, 1, 1), off(0, 2, 1)],
        [off(0, 2, -1), off(0, 1, 1), y, off(1, 2, 1)],
        [off(1, 0, -1), off(0, 2, 1), off(1, 2, 1), z],
    ]
    table = np.stack([np.stack(row, -1) for row in rows], -2)
    best = squares.argmax(-1)[..., None, None]
    quaternion = np.take_along_axis(table, np.broadcast_to(best, (*table.shape[:-2], 1, 4)), -2)[..., 0, :]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = quaternion * np.where(quaternion[..., :1] < 0, -1, 1)
    length = np.linalg.norm(quaternion[..., 1:], axis=-1, keepdims=True)
    angle = 2 * np.arctan2(length, quaternion[..., :1])
    return quaternion[..., 1:] * np.where(length < 1e-12, 2, angle / np.maximum(length, 1e-12))
