"""Less and less of the real training pictures, at least one of everybody (PCDMs 4.4, IMAGPose 4.4)."""

from collections.abc import Mapping

import numpy as np

from ..draws import number_of
from ..errors import TrainingError

#: Per cent, as the papers have them, and all.
SHARES = (20, 40, 60, 80, 100)


def kept(people: Mapping[str, str], share: int, seed: int) -> list[str]:
    """The names that a share keeps, in the data set's order; what a smaller share of the seed keeps is among them.

    One picture of everybody comes first, then any; where a share is fewer pictures than people, it has one of each.

    Args:
        people: who is in each picture, by the picture's name.
        share: of the pictures, per cent.
        seed: of the choice.

    Raises:
        TrainingError: the share is none.
    """
    if not 0 < share <= 100:
        raise TrainingError(f"A share of {share} % is none: give whole numbers from 1 to 100.")
    order = np.random.default_rng([seed, number_of("share")]).permutation(len(people))
    names = list(people)
    drawn = [names[place] for place in order]
    first: dict[str, str] = {}
    for name in drawn:
        first.setdefault(people[name], name)
    ahead = {*first.values()}
    rest = [name for name in drawn if name not in ahead]
    count = max(len(ahead), round(len(names) * share / 100))
    chosen = ahead.union(rest[: count - len(ahead)])
    return [name for name in names if name in chosen]
