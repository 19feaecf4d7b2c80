"""A data set of synthetic people: any number of them, the same for the same seed, each picture with its truth."""

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from ...errors import TrainingError
from ..pictures import parse_size
from ..records import Pair, Record
from .backgrounds import background
from .bodies import Bodies, bodies
from .casting import cast
from .charts import Charts, charts
from .figure import Figure, dress
from .garments import shells
from .painting import Light, colours
from .poses import draw_pose
from .truth import face_box, openpose
from .wardrobe import SPLITS, Identity, Outfit, draw_identity, draw_outfit

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
DISTANCE = 5.0


@dataclass(frozen=True, eq=False)
class SyntheticPeople:
    """Implements :class:`training.data.records.People`.

    Attributes:
        split: "train" or "test"; no identity, garment or word is in both.
        seed: of everything.
        identities, outfits, views: how many people, outfits of each, pictures of each outfit.
        size: height and width of the pictures, also as "128x96".
        device: where rays are cast, as warp calls it.
    """

    split: str = "train"
    seed: int = 0
    identities: int = 100
    outfits: int = 1
    views: int = 4
    size: str | tuple[int, int] = (256, 192)
    device: str = "cpu"
    #: What is known of every picture: where no face's box is, there is no face.
    complete_fields: ClassVar = ("parsing", "iuv", "keypoints", "face_box")
    _figures: dict = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise TrainingError(f"There is no split '{self.split}'; there is {' and '.join(SPLITS)}.")
        object.__setattr__(self, "size", parse_size(self.size))

    @functools.cached_property
    def names(self) -> Sequence[str]:
        return [
            f"{self.split}{person:06d}-o{outfit}-v{view}"
            for person in range(self.identities)
            for outfit in range(self.outfits)
            for view in range(self.views)
        ]

    @functools.cached_property
    def pairs(self) -> Sequence[Pair]:
        groups = [self.names[start : start + self.views] for start in range(0, len(self.names), self.views)]
        return [Pair(source, target) for group in groups for source in group for target in group if source != target]

    def record(self, name: str) -> Record:
        person, outfit, view = name.removeprefix(self.split).split("-")
        look = self._look(int(person), int(outfit[1:]))
        return render(name, f"{self.split}{person}", look, self._draw("view", name), self.size, self.device)

    def render(self, names: Sequence[str]) -> list[Record]:
        """Several; pictures of one outfit, in a row, share its making."""
        return [self.record(name) for name in names]

    def _look(self, person: int, outfit: int) -> "Look":
        key = (person, outfit)
        if key not in self._figures:
            self._figures.clear()
            identity = draw_identity(self._draw("identity", str(person)))
            woman = float(identity.phenotypes["gender"] > 0.5)
            worn = draw_outfit(self._draw("outfit", f"{person}-{outfit}"), woman, self.split)
            self._figures[key] = Look.make(identity, worn)
        return self._figures[key]

    def _draw(self, purpose: str, name: str) -> np.random.Generator:
        words = (purpose, self.split, name)
        return np.random.default_rng([self.seed, *(zlib.crc32(word.encode()) for word in words)])


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
    low, high = list(VIEWS.values())[draw.choice(len(VIEWS), p=SHARES)]
    yaw = float(draw.uniform(low, high))
    if stance == "sit" and not 20 < abs(yaw) < 120:
        yaw = float(draw.choice([-1, 1]) * draw.uniform(25, 80))
    light, back = Light.draw(draw), int(draw.integers(2**31))
    transforms = model.bone_transforms(look.rest, rotations)
    vertices, normals = look.figure.posed(transforms)
    turn = _turn(yaw)
    vertices, normals = vertices @ turn.T, normals @ turn.T
    joints = _joints(model, look, transforms) @ turn.T
    camera = Camera.frame(vertices, joints, draw, size)
    picture, maps = _draw_picture(look, vertices.astype(np.float32), normals, camera, light, back, size, device)
    keypoints = openpose(joints, camera, maps["distance"])
    fields = {"parsing": maps["parsing"], "iuv": maps["iuv"], "keypoints": keypoints}
    box = face_box(maps["parsing"], keypoints)
    if box is not None:
        fields["face_box"] = box
    return Record(name, identity, name.rsplit("-", 1)[0], picture, fields)


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
        tall, wide = high[2] - bottom, high[0] - low[0]
        fill = draw.uniform(0.85, 0.93)
        scale = min(fill * size[0] / tall, 0.94 * size[1] / wide)
        # Perspective enlarges what is near: a little less keeps hands in the picture.
        scale *= 0.975
        middle_x = (high[0] + low[0]) / 2 + draw.normal(0, 0.012)
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


def _turn(yaw: float) -> np.ndarray:
    """About the vertical; positive shows the person's left side."""
    angle = np.deg2rad(yaw)
    return np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)


def _joints(model: Bodies, look: Look, transforms: np.ndarray) -> np.ndarray:
    """COCO's keypoints (17 of them) of the posed body."""
    regressor = model.keypoints
    weights = regressor.regression_weights.numpy()
    used = np.flatnonzero(weights.any(0))
    from .bodies import skin

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
