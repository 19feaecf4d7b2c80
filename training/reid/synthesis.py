"""Pictures of the training people that a method makes of the kept ones, in a store that is made once.

PCDMs (4.4) and IMAGPose (4.4) synthesise from kept pictures in poses of the same identity, RePoseDM (4.5) from a random
source in a random pose. How many is in no paper. A synthesised picture counts as its source's camera's, whose light and
place it shows; BoT reads no cameras in training.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data import atomic
from ..data.records import Pair, People, Record
from ..data.store import StoredPeople, begin, files_of, left_to_do
from ..draws import number_of
from ..errors import TrainingError
from ..evaluation.predictors import Predictor
from ..preprocessing.alone import alone

#: Whose poses people take: other ones of their own kept pictures, or of anybody's.
Poses = Literal["identity", "anyone"]
#: Between the source's name, whose camera is the first in it, and the target's.
AS = "-as-"
#: Pictures of a unit, which is what a killed run loses at most.
UNIT = 64
#: A target shows this many joints at least: less is no pose.
LEAST_JOINTS = 6


def draw_pairs(
    people: Mapping[str, str], targets: Sequence[str], each: int, seed: int, poses: Poses = "identity"
) -> list[Pair]:
    """What is to be made: every identity's pairs of a source and the picture whose pose it takes, no pair twice.

    Args:
        people: who is in each kept picture, by the picture's name.
        targets: kept pictures whose pose is known.
        each: pairs of an identity; one with fewer has all there are, and with "identity" none if one picture is kept.
        seed: of the choice.
    """
    pairs: list[Pair] = []
    sources: dict[str, list[str]] = {}
    for name, person in people.items():
        sources.setdefault(person, []).append(name)
    for person, theirs in sources.items():
        draw = np.random.default_rng([seed, number_of(f"pairs of {person}")])
        wanted = targets if poses == "anyone" else [name for name in targets if people[name] == person]
        possible = len(theirs) * len(wanted)
        if not possible:
            continue
        order = draw.choice(possible, size=min(possible, each + len(theirs)), replace=False)
        drawn = (Pair(theirs[place // len(wanted)], wanted[place % len(wanted)]) for place in order)
        pairs += [pair for pair in drawn if pair.source != pair.target][:each]
    return pairs


def posed(people: People, names: Sequence[str]) -> list[str]:
    """The names of pictures that show somebody's pose; where no keypoints are known, of all."""
    return [name for name in names if _shows_a_pose(people.record(name))]


def _shows_a_pose(record: Record) -> bool:
    points = record.fields.get("keypoints")
    return points is None or int((points[:, 2] > 0).sum()) >= LEAST_JOINTS


class SynthesisedPeople:
    """Implements :class:`training.data.records.People`, but for records, which :func:`synthesise` makes.

    Args:
        pairs: of what; names are the source's, and whose pose it takes.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.made_of = {f"{source}{AS}{target}": Pair(source, target) for source, target in pairs}
        self.names, self.pairs = list(self.made_of), []


def synthesise(
    people: People,
    pairs: Sequence[Pair],
    predictor: Predictor,
    out: Path,
    made_by: Mapping[str, Any],
    batch: int = 16,
    quiet: bool = False,
) -> StoredPeople:
    """A store of what a predictor makes of pairs: what is left of it is made now.

    Args:
        people: whose pictures the pairs name.
        made_by: everything that the pictures depend on, of JSON's types.
        batch: pairs at once.

    Raises:
        TrainingError: there are no pairs; the store is of other ones; another run writes it.
    """
    from tqdm import tqdm

    made = SynthesisedPeople(pairs)
    if not made.names:
        raise TrainingError(
            "There is nothing to synthesise: nobody has two pictures among the kept ones. Give a larger share, or "
            "--poses anyone."
        )
    begin(out, made, {"source": {"kind": "synthesised"}, **made_by}, "shards", UNIT)
    with alone(out):
        atomic.clear(out)
        units = left_to_do(out, made.names, "shards", UNIT)
        count = sum(len(unit.names) for unit in units)
        with tqdm(total=count, desc=predictor.name, unit=" pictures", disable=quiet, dynamic_ncols=True) as bar:
            for unit in units:
                files_of(out, "shards").write(unit.number, _records(people, made, predictor, unit.names, batch))
                bar.update(len(unit.names))
        atomic.clear(out, older_than_s=0)
    return StoredPeople(out)


def _records(
    people: People, made: SynthesisedPeople, predictor: Predictor, names: Sequence[str], batch: int
) -> Iterator[Record]:
    for start in range(0, len(names), batch):
        part = names[start : start + batch]
        pairs = [tuple(people.record(one) for one in made.made_of[name]) for name in part]
        for name, (source, target), picture in zip(part, pairs, predictor.predict(pairs), strict=True):
            fields = {kind: target.fields[kind] for kind in ("keypoints",) if kind in target.fields}
            yield Record(name, source.identity, source.outfit, picture, fields)
