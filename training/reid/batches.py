"""Which pictures a batch has: P people, K pictures of each (section 2; Hermans et al., 2017)."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import TrainingError


def people_and_pictures(whose: Sequence[int], people: int, each: int, draw: np.random.Generator) -> Iterator[list[int]]:
    """An epoch's batches: places in ``whose``, ``each`` of one person after another.

    Everybody's pictures are shuffled and dealt in groups of ``each``; who has fewer fills a group by drawing again, and
    what is left of a person after the last whole group waits for another epoch. Batches take a group of ``people``
    different ones, until fewer have any left.

    Args:
        whose: number of the person in each picture.
        people: P; a data set of fewer has all of them in a batch.
        each: K.

    Raises:
        TrainingError: there is one person only.
    """
    places: dict[int, list[int]] = {}
    for place, person in enumerate(whose):
        places.setdefault(person, []).append(place)
    if len(places) < 2:
        raise TrainingError(
            f"The training pictures show {len(places)} identity. Two are needed at least: a person is learned by not "
            "being another."
        )
    groups = {person: _dealt(theirs, each, draw) for person, theirs in places.items()}
    at_once = min(people, len(groups))
    while len(groups) >= at_once:
        chosen = draw.permutation(np.array(sorted(groups)))[:at_once]
        yield [place for person in chosen for place in groups[person].pop()]
        groups = {person: left for person, left in groups.items() if left}


def _dealt(places: list[int], each: int, draw: np.random.Generator) -> list[list[int]]:
    shuffled = [places[at] for at in draw.permutation(len(places))]
    if len(shuffled) < each:
        shuffled += [places[at] for at in draw.integers(len(places), size=each - len(places))]
    return [shuffled[start : start + each] for start in range(0, len(shuffled) - each + 1, each)]
