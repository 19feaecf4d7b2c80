"""One picture of someone in some clothes: a pose, a side, a camera, a light, a background, and the truth."""

import functools
from dataclasses import dataclass

import numpy as np

from ..records import Record
from .backgrounds import background
from .bodies import Bodies, bodies, skin
from .camera import Camera, turn
from .casting import cast
from .charts import Charts, charts
from .figure import Figure, dress
from .garments import shells
from .painting import Light, colours
from .poses import draw_pose
from .truth import face_box, openpose
from .wardrobe import Identity, Outfit

#: Sub-pixels of a pixel's colour, (down, across) in pixels; its truth is its centre's.
SAMPLES = ((-0.375, -0.125), (-0.125, 0.375), (0.125, -0.375), (0.375, 0.125))
#: Yaws a person is seen from, degrees (0 is the front, positive shows their left), and how likely. An outfit's first
#: picture is always from the front: somewhere in a pair the face and the print have been seen.
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
    name: str, identity: str, look: Look, draw: np.random.Generator, size: tuple[int, int], device: str
) -> Record:
    """One picture and its truth."""
    model = bodies()
    rotations, stance = draw_pose(draw, model.surface, sits=look.outfit.skirt is None)
    side = "front" if name.endswith("-v0") else list(VIEWS)[draw.choice(len(VIEWS), p=SHARES)]
    low, high = VIEWS[side]
    yaw = float(draw.uniform(low, high))
    if stance == "sit" and not 20 < abs(yaw) < 120:
        yaw = float(draw.choice([-1, 1]) * draw.uniform(25, 80))
    light, back = Light.draw(draw), int(draw.integers(2**31))
    transforms = model.bone_transforms(look.rest, rotations)
    vertices, normals = look.figure.posed(transforms)
    turned = turn(yaw).T
    vertices, normals = vertices @ turned, normals @ turned
    joints = _joints(model, look, transforms) @ turned
    camera = Camera.frame(vertices, joints, draw, size)
    picture, maps = _draw_picture(look, vertices.astype(np.float32), normals, camera, light, back, size, device)
    keypoints = openpose(joints, camera, maps["distance"])
    fields = {"parsing": maps["parsing"], "iuv": maps["iuv"], "keypoints": keypoints}
    box = face_box(maps["parsing"], keypoints)
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


def _draw_picture(look, vertices, normals, camera, light, back, size, device):
    height, width = size
    figure = look.figure
    rays = [camera.rays(0.0, 0.0), *(camera.rays(*sample) for sample in SAMPLES)]
    origins, directions = (np.concatenate(parts) for parts in zip(*rays, strict=True))
    hits = cast(vertices, figure.faces, figure.cover, origins, directions, device)
    met = hits.face >= 0
    face, weight = hits.face[met], hits.corners[met]
    corner = figure.faces[face]
    mix = lambda values: np.einsum("rk,rkc->rc", weight, values)  # noqa: E731
    normal = mix(normals[corner])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    painted = colours(
        figure.material[face],
        mix(figure.canonical[corner]),
        mix(figure.cloth[face]),
        bodies().surface,
        look.identity,
        look.outfit,
        # Four rays share a pixel.
        0.5 / camera.scale,
    )
    behind = _with_shadow(background(back, size).astype(np.float64), vertices, camera, light)
    seen = np.tile(behind.reshape(-1, 3), (len(rays), 1))
    seen[met] = painted * light.shade(normal)
    pixels = height * width
    picture = seen[pixels:].reshape(len(SAMPLES), height, width, 3).mean(0)
    centre = np.flatnonzero(met[:pixels])
    number = hits.face[:pixels][centre]
    uv = np.einsum("rk,rkc->rc", hits.corners[:pixels][centre], figure.uv[number])
    maps = {
        "parsing": np.zeros(pixels, np.uint8),
        "iuv": np.zeros((pixels, 3), np.uint8),
        "distance": np.full(pixels, np.inf),
    }
    maps["parsing"][centre] = figure.label[number]
    maps["iuv"][centre] = np.concatenate([figure.part[number, None], np.clip(uv, 0, 1) * 255], 1).astype(np.uint8)
    maps["distance"][centre] = hits.distance[:pixels][centre]
    shapes = {"parsing": (height, width), "iuv": (height, width, 3), "distance": (height, width)}
    return np.clip(picture, 0, 255).round().astype(np.uint8), {n: v.reshape(shapes[n]) for n, v in maps.items()}


def _with_shadow(behind: np.ndarray, vertices: np.ndarray, camera: Camera, light: Light) -> np.ndarray:
    """Dark where the feet stand, drawn out away from the sun."""
    height, width = camera.size
    ground = vertices[vertices[:, 2] < vertices[:, 2].min() + 0.05]
    (x, y), reach = camera.project(ground.mean(0, keepdims=True))[0][0], camera.scale * 0.26
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x = x - light.direction[0] * reach * 0.5
    distance = ((columns - x) / reach) ** 2 + ((rows - y + 0.01 * height) / (0.16 * reach)) ** 2
    return behind * (1 - 0.38 * np.exp(-distance * 1.3))[..., None]
