"""Pictures of people with who is in each and which camera took it, in memory."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..data.records import People
from ..errors import TrainingError

#: ``0002_c1s1_000451_03`` of Market-1501, ``train000002-c1-v0`` of the synthetic people.
CAMERA = re.compile(r"[_-]c(\d+)")


@dataclass(frozen=True, eq=False)
class Pictures:
    """Attributes:
    names: unique.
    images: uint8 ``[N, H, W, 3]``.
    people: who is in each.
    cameras: which took each.
    """

    names: Sequence[str]
    images: np.ndarray
    people: Sequence[str]
    cameras: Sequence[int]

    def __len__(self) -> int:
        return len(self.names)

    def of(self, names: Sequence[str]) -> "Pictures":
        """Some of them, in the order of ``names``."""
        place = {name: number for number, name in enumerate(self.names)}
        at = [place[name] for name in names]
        people, cameras = ([values[number] for number in at] for values in (self.people, self.cameras))
        return Pictures(list(names), self.images[at], people, cameras)

    def with_(self, others: "Pictures") -> "Pictures":
        """These and others."""
        images = np.concatenate([self.images, others.images])
        return Pictures(
            [*self.names, *others.names], images, [*self.people, *others.people], [*self.cameras, *others.cameras]
        )


def read_pictures(people: People, size: tuple[int, int], done: Callable[[], None] = lambda: None) -> Pictures:
    """Every picture of a data set.

    Args:
        size: height and width that they are stretched to, bilinear.
        done: called after every picture.

    Raises:
        TrainingError: there is none, or a name does not say which camera took it.
    """
    if not people.names:
        raise TrainingError("The data set has no pictures.")
    images, whose = np.empty((len(people.names), *size, 3), np.uint8), []
    for place, name in enumerate(people.names):
        record = people.record(name)
        picture = Image.fromarray(record.image)
        if picture.size != size[::-1]:
            picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
        images[place] = np.asarray(picture)
        whose.append(record.identity)
        done()
    return Pictures(list(people.names), images, whose, [camera_of(name) for name in people.names])


def camera_of(name: str) -> int:
    """The camera's number, which is in a picture's name.

    Raises:
        TrainingError: it is not.
    """
    found = CAMERA.search(name)
    if found is None:
        raise TrainingError(
            f"The picture '{name}' does not say which camera took it. Name it as Market-1501 does, "
            "'0002_c1s1_000451_03' for the first camera, or 'anna-c1-5'."
        )
    return int(found[1])
