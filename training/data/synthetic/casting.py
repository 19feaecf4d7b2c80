"""Rays against a dressed body: what every ray meets first, where cloth that is not there lets it pass."""

import functools
from dataclasses import dataclass

import numpy as np

#: How many uncovered shells a ray may pass, and how far behind one it goes on, metres.
PASSES, STEP = 16, 2e-4


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays met.

    Attributes:
        face: its number, −1 for nothing, ``[rays]``.
        corners: weights of the face's three corners, ``[rays, 3]``.
        distance: along the ray, ``[rays]``.
    """

    face: np.ndarray
    corners: np.ndarray
    distance: np.ndarray


def cast(
    vertices: np.ndarray, faces: np.ndarray, cover: np.ndarray, origins: np.ndarray, directions: np.ndarray, device: str
) -> Hits:
    """Cast rays at a mesh.

    Args:
        vertices, faces: ``[V, 3]``, ``[F, 3]``.
        cover: a face counts where this, interpolated, is not negative, ``[V]``.
        origins, directions: ``[rays, 3]``; directions of unit length.
        device: of warp: ``"cpu"``, ``"cuda:0"``.
    """
    wp, kernel = _kernel()
    with wp.ScopedDevice(device):
        points = wp.array(vertices, dtype=wp.vec3)
        indices = wp.array(faces.reshape(-1), dtype=wp.int32)
        mesh = wp.Mesh(points=points, indices=indices)
        rays = len(origins)
        face = wp.zeros(rays, dtype=wp.int32)
        corners = wp.zeros(rays, dtype=wp.vec3)
        distance = wp.zeros(rays, dtype=wp.float32)
        wp.launch(
            kernel,
            dim=rays,
            inputs=[
                mesh.id,
                indices,
                wp.array(cover, dtype=wp.float32),
                wp.array(origins, dtype=wp.vec3),
                wp.array(directions, dtype=wp.vec3),
                face,
                corners,
                distance,
            ],
        )
        return Hits(face.numpy(), corners.numpy(), distance.numpy())


@functools.cache
def _kernel():
    """Warp and the kernel, compiled once."""
    import warp as wp

    wp.config.quiet = True

    @wp.kernel
    def first_covered(
        mesh: wp.uint64,
        indices: wp.array(dtype=wp.int32),
        cover: wp.array(dtype=wp.float32),
        origins: wp.array(dtype=wp.vec3),
        directions: wp.array(dtype=wp.vec3),
        face: wp.array(dtype=wp.int32),
        corners: wp.array(dtype=wp.vec3),
        distance: wp.array(dtype=wp.float32),
    ):
        ray = wp.tid()
        direction = directions[ray]
        travelled = 0.0
        face[ray] = -1
        for _ in range(PASSES):
            hit = wp.mesh_query_ray(mesh, origins[ray] + direction * travelled, direction, 100.0)
            if not hit.result:
                return
            travelled = travelled + hit.t
            w = 1.0 - hit.u - hit.v
            first = hit.face * 3
            there = hit.u * cover[indices[first]] + hit.v * cover[indices[first + 1]] + w * cover[indices[first + 2]]
            if there >= 0.0:
                face[ray] = hit.face
                corners[ray] = wp.vec3(hit.u, hit.v, w)
                distance[ray] = travelled
                return
            travelled = travelled + STEP

    return wp, first_covered
