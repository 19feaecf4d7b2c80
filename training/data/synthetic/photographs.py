"""One picture of someone in some clothes: a pose, a side, a camera, a light, a background, and the truth."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..records import Record
from .backgrounds import background
from .bodies import Bodies, bodies, skin
from .camera import Camera, turn
from .casting import Hits, cast
from .charts import Charts, charts
from .figure import Figure, dress
from .garments import shells
from .painting import Light, colours
from .poses import draw_pose
from .truth import face_box, openpose
from .wardrobe import Identity, Outfit

#: Sub-pixels of a pixel's colour, (down, across) in pixels; its truth is its centre's.
SAMPLES = ((-0.375, -0.125), (-0.125, 0.375), (0.125, -0.375), (0.375, 0.125))
#: Yaws a person is seen from, degrees (0 is the front, positive shows their left), and how likely.
VIEWS = {
    "front": (-18, 18),
    "left": (25, 60),
    "right": (-60, -25),
    "side": (70, 110),
    "other side": (-110, -70),
    "back": (150, 210),
}
SHARES = (0.44, 0.11, 0.11, 0.07, 0.07, 0.2)


@dataclass(frozen=True, eq=False)
class Look:
    """Someone in some clothes, ready to be posed."""

    identity: Identity
    outfit: Outfit
    rest: dict
    figure: Figure

    @classmethod
    def make(cls, identity: Identity, outfit: Outfit) -> "Look":
        model = bodies()
        rest = model.rest(identity.phenotypes, identity.changes)
        worn = shells(model.surface, _charts(), identity, outfit, model.model.bone_labels)
        return cls(identity, outfit, rest, dress(model, rest, worn))


@functools.cache
def _charts() -> Charts:
    return charts(bodies().surface)


def render(
    name: str,
    identity: str,
    look: Look,
    draw: np.random.Generator,
    camera_size: tuple[int, int],
    front: bool,
    device: str,
    backdrop: np.ndarray | None = None,
    shares: Sequence[float] = SHARES,
) -> Record:
    """One picture and its truth.

    Args:
        draw: what decides pose, side, camera, light and background.
        camera_size: height and width in pixels.
        front: whether the person faces the camera, instead of any side that is drawn.
        device: where rays are cast, as warp calls it.
        backdrop: uint8 of the picture's size; None draws a scene.
        shares: how likely each of :data:`VIEWS` is.
    """
    model = bodies()
    rotations, stance = draw_pose(draw, model.surface, sits=look.outfit.skirt is None)
    side = "front" if front else list(VIEWS)[draw.choice(len(VIEWS), p=shares)]
    yaw = float(draw.uniform(*VIEWS[side]))
    if stance == "sit" and not 20 < abs(yaw) < 120:
        yaw = float(draw.choice([-1, 1]) * draw.uniform(25, 80))
    light, back = Light.draw(draw), int(draw.integers(2**31))
    transforms, turned = model.bone_transforms(look.rest, rotations), turn(yaw).T
    vertices, normals = (np.float32(values @ turned) for values in look.figure.posed(transforms))
    joints = _joints(model, look, transforms) @ turned
    camera = Camera.frame(vertices, joints, draw, camera_size)
    rays = [camera.rays(0.0, 0.0), *(camera.rays(*sample) for sample in SAMPLES)]
    origins, directions = (np.concatenate(parts) for parts in zip(*rays, strict=True))
    hits = cast(vertices, look.figure.faces, look.figure.cover, origins, directions, device)
    scene = background(back, camera_size) if backdrop is None else backdrop
    behind = _with_shadow(scene.astype(np.float64), vertices, camera, light)
    picture = _picture(look, hits, normals, light, behind, 0.5 / camera.scale)
    parsing, iuv, distance = _maps(look.figure, hits, camera_size)
    keypoints = openpose(joints, camera, distance)
    fields = {"parsing": parsing, "iuv": iuv, "keypoints": keypoints}
    box = face_box(parsing, keypoints)
    if box is not None:
        fields["face_box"] = box
    return Record(name, identity, name.rsplit("-", 1)[0], picture, fields)


def _joints(model: Bodies, look: Look, transforms: np.ndarray) -> np.ndarray:
    """COCO's keypoints (17 of them) of the posed body."""
    regressor = model.keypoints
    weights = regressor.regression_weights.numpy()
    used = np.flatnonzero(weights.any(0))
    rest = look.rest["rest_vertices"][0].numpy()[used]
    posed = skin(rest, model.surface.bones[used], model.surface.weights[used], transforms)
    return (weights[:17, used] @ posed).astype(np.float32)


def _picture(
    look: Look, hits: Hits, normals: np.ndarray, light: Light, behind: np.ndarray, footprint: float
) -> np.ndarray:
    """The mean of every pixel's samples, uint8 ``[H, W, 3]``; the first of a pixel's rays is for its truth alone.

    Args:
        normals: of the posed vertices.
        behind: the background, ``[H, W, 3]``.
        footprint: metres that a sample stands for.
    """
    figure, pixels = look.figure, behind.shape[0] * behind.shape[1]
    face, weight = hits.face[pixels:], hits.corners[pixels:]
    met = face >= 0
    face, weight = face[met], weight[met]
    corner = figure.faces[face]

    def mixed(values: np.ndarray) -> np.ndarray:
        return np.einsum("rk,rkc->rc", weight, values)

    normal = mixed(normals[corner])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    places, cloth = mixed(figure.canonical[corner]), mixed(figure.cloth[face])
    painted = colours(figure.material[face], places, cloth, bodies().surface, look.identity, look.outfit, footprint)
    seen = np.tile(behind.reshape(-1, 3), (len(SAMPLES), 1))
    seen[met] = painted * light.shade(normal)
    picture = seen.reshape(len(SAMPLES), *behind.shape).mean(0)
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def _maps(figure: Figure, hits: Hits, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parsing, I U V, and the distance from the camera (infinite in the background) at the pixels' centres."""
    pixels = size[0] * size[1]
    parsing, iuv = np.zeros(pixels, np.uint8), np.zeros((pixels, 3), np.uint8)
    distance = np.full(pixels, np.inf)
    met = np.flatnonzero(hits.face[:pixels] >= 0)
    face = hits.face[met]
    uv = np.einsum("rk,rkc->rc", hits.corners[met], figure.uv[face])
    parsing[met] = figure.label[face]
    iuv[met] = np.concatenate([figure.part[face, None], np.clip(uv, 0, 1) * 255], 1).astype(np.uint8)
    distance[met] = hits.distance[met]
    return parsing.reshape(size), iuv.reshape(*size, 3), distance.reshape(size)


def _with_shadow(behind: np.ndarray, vertices: np.ndarray, camera: Camera, light: Light) -> np.ndarray:
    """Dark where the feet stand, drawn out away from the sun."""
    height, width = camera.size
    ground = vertices[vertices[:, 2] < vertices[:, 2].min() + 0.05]
    (x, y), reach = camera.project(ground.mean(0, keepdims=True))[0][0], camera.scale * 0.26
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x = x - light.direction[0] * reach * 0.5
    distance = ((columns - x) / reach) ** 2 + ((rows - y + 0.01 * height) / (0.16 * reach)) ** 2
    return behind * (1 - 0.38 * np.exp(-distance * 1.3))[..., None]
