"""People drawn: what every pixel shows of whom, and every condition that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..densepose import DensePose
from ..labels import Parsing
from .camera import Camera
from .clothes import Dressed
from .normals import vertex_normals
from .pose import Posed
from .rasterizer import Hits, rasterize

#: Of a depth picture: how bright what is farthest is. The nearest is 1, the background 0.
FARTHEST = 0.2


@dataclass(frozen=True, eq=False)
class Person:
    """Someone posed and dressed."""

    posed: Posed
    dressed: Dressed


@dataclass(frozen=True, eq=False)
class Rendering:
    """A picture of people; all maps ``[H, W]``.

    Attributes:
        person: whom a pixel shows, −1 for nobody.
        iuv: uint8 ``[H, W, 3]``, as in :class:`~preprocessors.densepose.DensePose`.
        label: of the parsing, uint8.
        normal: unit, in the camera's axes (x right, y away, z up), zero for nobody, ``[H, W, 3]``.
        away: in front of the camera, metres; infinite for nobody.
    """

    camera: Camera
    people: Sequence[Person]
    person: np.ndarray
    iuv: np.ndarray
    label: np.ndarray
    normal: np.ndarray
    away: np.ndarray


def render(people: Sequence[Person], camera: Camera) -> Rendering:
    """Draw people; who is nearer hides who is farther."""
    if not people:
        empty = np.zeros(camera.size, np.uint8)
        nobody = Hits(np.full(camera.size, -1), np.zeros((*camera.size, 3)), np.full(camera.size, np.inf))
        three = np.zeros((*camera.size, 3), np.float32)
        return Rendering(camera, people, nobody.face, three.astype(np.uint8), empty, three, nobody.away)
    body = people[0].posed.shaped.body
    triangles = body.corner_vertex[body.faces]
    seen, normal, faces, first = [], [], [], 0
    for one in people:
        vertices = camera.seen(one.posed.skinned(one.dressed.rest)).astype(np.float32)
        own = triangles[one.dressed.chosen]
        seen.append(vertices)
        normal.append(vertex_normals(vertices, own))
        faces.append(own + first)
        first += len(vertices)
    pixels, away = camera.project(np.concatenate(seen))
    chosen = np.concatenate([one.dressed.chosen for one in people])
    cover = np.tile(body.mesh_cover, len(people))
    faces = np.concatenate(faces)
    hits = rasterize(pixels, away, faces, camera.size, cover, body.mesh[chosen] == 0)
    shown = hits.face >= 0
    met, weights = hits.face[shown], hits.corners[shown]
    vertex = faces[met]
    whom = vertex[:, 0] // len(body.vertices)
    face = chosen[met]
    uv = _mixed(body.corner_uv[body.faces[face]], weights)
    turned = _mixed(np.concatenate(normal)[vertex], weights)
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-6)
    # An open mesh has an inside, whose normals point away.
    turned *= np.where(turned[:, 1:2] > 0.3, -1, 1)
    iuv = np.concatenate([body.part[face][:, None], uv.clip(0, 1) * 255], 1)
    label = _labels(people, whom, face, vertex - (whom * len(body.vertices))[:, None], weights)
    return Rendering(
        camera,
        people,
        _spread(shown, whom, -1),
        _spread(shown, iuv.astype(np.uint8), 0),
        _spread(shown, label, 0),
        _spread(shown, turned, 0),
        hits.away,
    )


def _mixed(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("pk,pkc->pc", weights, values)


def _spread(shown: np.ndarray, values: np.ndarray, nothing: float) -> np.ndarray:
    result = np.full((*shown.shape, *values.shape[1:]), nothing, values.dtype)
    result[shown] = values
    return result


def _labels(
    people: Sequence[Person], whom: np.ndarray, face: np.ndarray, vertex: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    body = people[0].posed.shaped.body
    label = body.label[face].copy()
    for number, one in enumerate(people):
        on_body = np.flatnonzero((whom == number) & (body.mesh[face] == 0))
        corner, share = vertex[on_body], weights[on_body]
        for named, cover in one.dressed.layers:
            lying = (cover[corner] * share).sum(1) >= 0
            label[on_body[lying]] = named[corner[lying, 0]]
        for mesh, named in one.dressed.mesh_labels.items():
            label[(whom == number) & (body.mesh[face] == mesh)] = named
    return label


def densepose(pictures: Sequence[Rendering]) -> DensePose:
    """Part, U and V of a batch of pictures of one size."""
    return DensePose(torch.from_numpy(np.stack([one.iuv for one in pictures])))


def parsing(pictures: Sequence[Rendering]) -> Parsing:
    """Labels of a batch of pictures of one size."""
    return Parsing(torch.from_numpy(np.stack([one.label for one in pictures])))


def mask(pictures: Sequence[Rendering]) -> Tensor:
    """Where anybody is, ``[B, H, W]`` in 0–1."""
    return torch.from_numpy(np.stack([one.person >= 0 for one in pictures])).float()


def depth_image(pictures: Sequence[Rendering]) -> Tensor:
    """IMAGE ``[B, H, W, 3]``: the nearest is white, the farthest a dark grey, evenly in 1 / distance, nobody black."""
    rows = []
    for one in pictures:
        near = np.where(one.person >= 0, 1 / one.away, 0)
        low = near[one.person >= 0].min(initial=np.inf)
        share = (near - low) / max(near.max() - low, 1e-9)
        rows.append(np.where(one.person >= 0, FARTHEST + (1 - FARTHEST) * share, 0))
    return torch.from_numpy(np.stack(rows).astype(np.float32))[..., None].repeat(1, 1, 1, 3)


def normal_image(pictures: Sequence[Rendering]) -> Tensor:
    """IMAGE ``[B, H, W, 3]``: red is to the right, green up, blue towards the camera; nobody faces the camera."""
    rows = []
    for one in pictures:
        x, y, z = np.moveaxis(one.normal, -1, 0)
        towards = np.where(one.person >= 0, -y, 1)
        rows.append(np.stack([x, z, towards], -1) / 2 + 0.5)
    return torch.from_numpy(np.stack(rows).clip(0, 1).astype(np.float32))
