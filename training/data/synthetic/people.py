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
from .backgrounds import studio_paper
from .photographs import Look, render
from .wardrobe import SPLITS, draw_identity, draw_outfit

#: What people stand before.
BACKDROPS = ("scenes", "studio")


@dataclass(frozen=True, eq=False)
class SyntheticPeople:
    """Implements :class:`training.data.records.People`.

    Attributes:
        split: "train" or "test"; no identity, garment or word is in both.
        seed: of everything.
        identities, outfits, views: how many people, outfits of each, pictures of each outfit.
        size: height and width of the pictures, also as "128x96".
        backdrop: "scenes" draws one for every picture; "studio" is plain paper, the same for all pictures of an outfit,
            as a shop photographs. People are the same before both.
        device: where rays are cast, as warp calls it.
    """

    split: str = "train"
    seed: int = 0
    identities: int = 100
    outfits: int = 1
    views: int = 4
    size: str | tuple[int, int] = (256, 192)
    backdrop: str = "scenes"
    device: str = "cpu"
    #: What is known of every picture: where no face's box is, there is no face.
    complete_fields: ClassVar = ("parsing", "iuv", "keypoints", "face_box")
    _figures: dict = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise TrainingError(f"There is no split '{self.split}'; there is {' and '.join(SPLITS)}.")
        if self.backdrop not in BACKDROPS:
            raise TrainingError(f"There is no backdrop '{self.backdrop}'; there is {' and '.join(BACKDROPS)}.")
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
        look = self.look(int(person), int(outfit[1:]))
        draw = self._draw("view", name)
        paper = None
        if self.backdrop == "studio":
            paper = studio_paper(int(self._draw("paper", name.rsplit("-", 1)[0]).integers(2**31)), self.size)
        # An outfit's first picture is from the front: somewhere in a pair the face and the print have been seen.
        return render(name, f"{self.split}{person}", look, draw, self.size, view == "v0", self.device, paper)

    def render(self, names: Sequence[str]) -> list[Record]:
        """Several; pictures of one outfit, in a row, share its making."""
        return [self.record(name) for name in names]

    def look(self, person: int, outfit: int) -> Look:
        """Someone in one of their outfits; the last one is kept."""
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
