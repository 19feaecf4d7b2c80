"""A store's people and, as people of their own, their mirror images: flips, for conditions that are computed once.

IMAGPose flips all views of a row together. Encodings of a flipped picture are no flip of its encodings, so that the
flip stands before them: a person's mirrored pictures are paired among themselves.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from .records import Pair, Record
from .store import StoredPeople

#: Behind the names of mirrored pictures.
SUFFIX = "-mirrored"


class MirroredPeople:
    """A store, and every picture of it once more.

    Args:
        root: of the store, with what detectors found.

    Attributes:
        complete_fields: what of it is left; what networks made of the pictures is to be computed of both.
    """

    def __init__(self, root: str | Path) -> None:
        self._people = StoredPeople(root)
        self._there = set(self._people.names)
        self.names = [name + ending for ending in ("", SUFFIX) for name in self._people.names]
        self.pairs = [
            Pair(source + ending, target + ending) for ending in ("", SUFFIX) for source, target in self._people.pairs
        ]
        self.complete_fields = self._people.complete_fields & _MIRRORED.keys()

    def record(self, name: str) -> Record:
        """One picture, or a mirrored one."""
        if name in self._there:
            whole = self._people.record(name)
            fields = {field: whole.fields[field] for field in _MIRRORED if field in whole.fields}
            return Record(name, whole.identity, whole.outfit, whole.image, fields)
        return mirrored(self._people.record(name.removesuffix(SUFFIX)))


def mirrored(record: Record) -> Record:
    """A picture mirrored, and what was found in it.

    Left and right keep their names: a skeleton's left arm goes on in its colour, as when its drawing is flipped.
    """
    width = record.image.shape[1]
    fields = {
        field: mirror(record.fields[field], width) for field, mirror in _MIRRORED.items() if field in record.fields
    }
    image = np.ascontiguousarray(record.image[:, ::-1])
    return Record(record.name + SUFFIX, record.identity, record.outfit, image, fields)


def _map(values: np.ndarray, width: int) -> np.ndarray:
    return np.ascontiguousarray(values[:, ::-1])


def _points(points: np.ndarray, width: int) -> np.ndarray:
    """A joint that is missing stays at zero."""
    x = np.where(points[..., 2] > 0, width - 1 - points[..., 0], points[..., 0])
    return np.concatenate([x[..., None], points[..., 1:]], -1).astype(points.dtype)


def _box(box: np.ndarray, width: int) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([width - right, top, width - left, bottom], box.dtype)


_MIRRORED: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "parsing": _map,
    "iuv": _map,
    "keypoints": _points,
    "people": _points,
    "face_box": _box,
}
