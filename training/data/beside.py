"""A store's people side by side in one picture each: for methods and measures of several people.

Who stands beside whom never changes, so that a pair shows the same people in other poses.
"""

from itertools import islice, permutations
from pathlib import Path

import numpy as np

from ..errors import TrainingError
from .records import Pair, Record, everybody, largest
from .store import StoredPeople

#: Between the names of pictures that stand side by side.
BETWEEN = "-beside-"
#: What stands side by side as the pictures do; what networks made of them is to be computed of the whole.
_MAPS = ("parsing", "iuv")


class PeopleBeside:
    """Pictures of so many people each, as wide as theirs together.

    Args:
        root: of a store whose pictures have one size, with everybody's keypoints.
        people: in a picture; of a data set's last ones, too few are left out.

    Raises:
        TrainingError: there are fewer people.
    """

    def __init__(self, root: str | Path, people: int = 2) -> None:
        self._people = StoredPeople(root)
        # Pairs are of one outfit, and pictures need not be read to know them.
        outfits: dict[str, list[str]] = {}
        for pair in self._people.pairs:
            one, other = (outfits.setdefault(name, [name]) for name in pair)
            if one is not other:
                one += other
                outfits.update(dict.fromkeys(other, one))
        outfits = {theirs[0]: theirs for theirs in outfits.values()}
        if people < 1 or people > len(outfits):
            raise TrainingError(f"'{root}' shows {len(outfits)} people in their outfits: {people} cannot stand beside.")
        named = iter(outfits.values())
        groups = [list(zip(*group, strict=False)) for group in iter(lambda: list(islice(named, people)), [])]
        self._parts = {BETWEEN.join(parts): parts for group in groups for parts in group if len(parts) == people}
        self.names = list(self._parts)
        self.pairs = [
            Pair(BETWEEN.join(source), BETWEEN.join(target))
            for group in groups
            for source, target in permutations(group, 2)
            if len(source) == people
        ]
        self.complete_fields = self._people.complete_fields & {*_MAPS, "keypoints"} | {"people"}

    def record(self, name: str) -> Record:
        """One picture of several people."""
        records = [self._people.record(part) for part in self._parts[name]]
        maps = {
            field: np.concatenate([record.fields[field] for record in records], 1)
            for field in _MAPS
            if all(field in record.fields for record in records)
        }
        people, left = [], 0
        for record in records:
            theirs = everybody(record)
            if theirs is None:
                raise TrainingError(f"The record '{record.name}' has no 'keypoints'. Compute them first.")
            people.append(_moved(theirs, left))
            left += record.image.shape[1]
        together = np.concatenate(people)
        identity, outfit = ("-".join(getattr(record, what) for record in records) for what in ("identity", "outfit"))
        image = np.concatenate([record.image for record in records], 1)
        return Record(name, identity, outfit, image, maps | {"people": together, "keypoints": largest(together)})


def _moved(points: np.ndarray, right: int) -> np.ndarray:
    """A joint that is missing stays at zero."""
    x = np.where(points[..., 2] > 0, points[..., 0] + right, points[..., 0])
    return np.concatenate([x[..., None], points[..., 1:]], -1).astype(points.dtype)
