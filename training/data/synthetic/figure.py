"""A dressed person as one mesh, posed, with everything a ray's hit is looked up in."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from preprocessors.body.normals import vertex_normals

from .bodies import Bodies, skin
from .shell import Shell


@dataclass(frozen=True, eq=False)
class Figure:
    """Shells of one identity and outfit, merged at rest; V vertices, F faces.

    Attributes:
        rest, canonical: vertices of this body and of the canonical one, ``[V, 3]``.
        faces: ``[F, 3]``.
        cover: ``[V]``.
        bones, weights: ``[V, K]``.
        material, label, part: by face, ``[F]``.
        uv, cloth: of the faces' corners, ``[F, 3, 2]``.
    """

    rest: np.ndarray
    canonical: np.ndarray
    faces: np.ndarray
    cover: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    material: np.ndarray
    label: np.ndarray
    part: np.ndarray
    uv: np.ndarray
    cloth: np.ndarray

    def posed(self, transforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in a pose, and their normals."""
        vertices = skin(self.rest, self.bones, self.weights, transforms).astype(np.float32)
        return vertices, vertex_normals(vertices, self.faces)


def dress(bodies: Bodies, rest: dict[str, Tensor], shells: list[Shell]) -> Figure:
    """Put shells onto a body at rest: they stand off along its normals, rings are moved with the spot they are at."""
    surface = bodies.surface
    body = rest["rest_vertices"][0].numpy().astype(np.float32)
    normals = vertex_normals(body, surface.faces)
    widest = max(shell.bones.shape[1] for shell in shells)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in Figure.__dataclass_fields__}
    first = 0
    for shell in shells:
        if shell.vertices is None:
            used, faces = np.unique(shell.faces, return_inverse=True)
            faces = faces.reshape(-1, 3)
            rest_vertices = _draped(body[used], normals[used], shell.offset[used], faces, shell.smooth)
            canonical, cover = surface.vertices[used], shell.cover[used]
            bones, weights = shell.bones[used], shell.weights[used]
        else:
            faces, canonical, cover, bones, weights = (
                shell.faces,
                shell.vertices,
                shell.cover,
                shell.bones,
                shell.weights,
            )
            rest_vertices = fitted(canonical, body, surface.vertices)
        missing = widest - bones.shape[1]
        parts["rest"].append(rest_vertices)
        parts["canonical"].append(canonical)
        parts["faces"].append(faces + first)
        parts["cover"].append(cover)
        parts["bones"].append(np.pad(bones, ((0, 0), (0, missing))))
        parts["weights"].append(np.pad(weights, ((0, 0), (0, missing))))
        parts["material"].append(np.full(len(faces), shell.material))
        for name in ("label", "part", "uv", "cloth"):
            parts[name].append(getattr(shell, name))
        first += len(rest_vertices)
    return Figure(**{name: np.concatenate(values) for name, values in parts.items()})


def _draped(body: np.ndarray, normals: np.ndarray, offset: np.ndarray, faces: np.ndarray, rounds: int) -> np.ndarray:
    """A shell off the body, averaged with its neighbours so often, but nowhere too near to the skin."""
    shell = body + offset[:, None] * normals
    if rounds:
        from scipy import sparse

        ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        ends = np.concatenate([ends, ends[:, ::-1]])
        links = sparse.csr_matrix((np.ones(len(ends), np.float32), (ends[:, 0], ends[:, 1])), (len(body), len(body)))
        links.data[:] = 1
        links = sparse.diags(1 / np.maximum(links.sum(1).A1, 1)) @ links
        for _ in range(rounds):
            shell = (shell + links @ shell) / 2
    off = ((shell - body) * normals).sum(1)
    return (shell + np.maximum(offset * 0.6 - off, 0)[:, None] * normals).astype(np.float32)


def fitted(points: np.ndarray, body: np.ndarray, canonical: np.ndarray) -> np.ndarray:
    """Points around the canonical body, moved as the body's surface nearest to each is."""
    from scipy.spatial import cKDTree

    distance, near = cKDTree(canonical).query(points, k=24)
    weight = 1 / np.maximum(distance, 1e-3)
    weight /= weight.sum(1, keepdims=True)
    return (points + np.einsum("pk,pkc->pc", weight, (body - canonical)[near])).astype(np.float32)
