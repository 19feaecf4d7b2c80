"""Pairs where nobody has chosen any: every picture of a person with every other."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import permutations

from .records import Pair


def all_pairs(people: Mapping[str, str]) -> list[Pair]:
    """All ordered pairs of each person's pictures.

    Args:
        people: who is in each picture, by the picture's name.
    """
    pictures = defaultdict(list)
    for name, person in people.items():
        pictures[person].append(name)
    return [Pair(*names) for theirs in pictures.values() for names in permutations(theirs, 2)]
