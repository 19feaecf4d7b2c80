"""The synthetic people as several cameras see them, split as Market-1501 is: for person re-identification."""

import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from PIL import Image, ImageFilter

from ...errors import TrainingError
from ..grouping import all_pairs
from ..pictures import parse_size
from ..records import Pair, Record
from .backgrounds import background
from .people import SyntheticPeople
from .photographs import SHARES, VIEWS, render

#: People of "query" and "gallery" are the same, and none of them is in "train".
SPLITS = ("train", "query", "gallery")
#: Places that a camera looks at: people pass before any of them.
BACKDROPS = 3


@dataclass(frozen=True, eq=False)
class Lens:
    """How one camera sees.

    Attributes:
        shares: how likely it sees people from each of :data:`.photographs.VIEWS`.
        gains: what red, green and blue are multiplied by.
        gamma: exponent of values in 0–1.
        blur: standard deviation in pixels of a picture 128 high.
        noise: standard deviation of every value in 0–255.
        backdrops: seeds of the scenes that it looks at.
    """

    shares: Sequence[float]
    gains: np.ndarray
    gamma: float
    blur: float
    noise: float
    backdrops: Sequence[int]

    @classmethod
    def draw(cls, draw: np.random.Generator) -> "Lens":
        """Any camera; most people pass each of them on one side."""
        shares = draw.dirichlet(2.5 * np.array(SHARES) * len(VIEWS))
        gains = np.exp(draw.normal(0, 0.14, 3)) * np.exp(draw.normal(0, 0.1))
        gamma, blur, noise = draw.uniform(0.75, 1.35), draw.uniform(0.2, 1.1), draw.uniform(1, 6)
        return cls(shares, gains, float(gamma), float(blur), float(noise), draw.integers(2**31, size=BACKDROPS))

    def photographed(self, picture: np.ndarray, draw: np.random.Generator) -> np.ndarray:
        """What the camera makes of a picture uint8 ``[H, W, 3]``."""
        soft = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(self.blur * len(picture) / 128))
        values = (np.asarray(soft, np.float64) / 255) ** self.gamma * self.gains * 255
        return (values + draw.normal(0, self.noise, picture.shape)).clip(0, 255).round().astype(np.uint8)


@dataclass(frozen=True, eq=False)
class WatchedPeople:
    """Implements :class:`training.data.records.People`. Names tell the camera: ``train000002-c1-v0``.

    Attributes:
        split: "train", "query" (one picture of everybody by every camera) or "gallery".
        seed: of everything.
        identities: how many people, each in one outfit, as long as they are watched.
        cameras: how many; the same ones in all splits.
        views: pictures of everybody by every camera, in "train" and "gallery".
        size: height and width of the pictures, also as "128x64".
        device: where rays are cast, as warp calls it.

    Raises:
        TrainingError: there is no such split, or fewer than two cameras.
    """

    split: str = "train"
    seed: int = 0
    identities: int = 100
    cameras: int = 6
    views: int = 2
    size: str | tuple[int, int] = (128, 64)
    device: str = "cpu"
    #: What is known of every picture: where no face's box is, there is no face.
    complete_fields: ClassVar = SyntheticPeople.complete_fields
    _people: SyntheticPeople = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise TrainingError(f"There is no split '{self.split}'; there is {', '.join(SPLITS)}.")
        if self.cameras < 2:
            raise TrainingError(f"cameras={self.cameras}: people are found again by another camera; give 2 or more.")
        object.__setattr__(self, "size", parse_size(self.size))
        whose = "train" if self.split == "train" else "test"
        people = SyntheticPeople(whose, self.seed, self.identities, views=1, size=self.size, device=self.device)
        object.__setattr__(self, "_people", people)

    @functools.cached_property
    def names(self) -> Sequence[str]:
        views = ["q"] if self.split == "query" else [f"v{view}" for view in range(self.views)]
        return [
            f"{self._people.split}{person:06d}-c{camera + 1}-{view}"
            for person in range(self.identities)
            for camera in range(self.cameras)
            for view in views
        ]

    @functools.cached_property
    def pairs(self) -> Sequence[Pair]:
        return all_pairs({name: name.split("-")[0] for name in self.names})

    def record(self, name: str) -> Record:
        person, camera, _ = name.split("-")
        lens = self._lens(int(camera[1:]))
        draw = self._draw(name)
        scene = background(int(draw.choice(lens.backdrops)), self.size)
        look = self._people.look(int(person.removeprefix(self._people.split)), 0)
        seen = render(name, person, look, draw, self.size, False, self.device, scene, lens.shares)
        return replace(seen, outfit=person, image=lens.photographed(seen.image, draw))

    def _lens(self, camera: int) -> Lens:
        return Lens.draw(self._draw(f"camera {camera}"))

    def _draw(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32(b"watched"), zlib.crc32(what.encode())])
