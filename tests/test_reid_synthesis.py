"""Shares of the real pictures, and which pairs are synthesised."""

import itertools

import numpy as np
import pytest

from training.data.records import Record
from training.errors import TrainingError
from training.reid.experiment import KeptPeople
from training.reid.shares import SHARES, kept
from training.reid.synthesis import draw_pairs, posed


def test_shares_are_nested_and_have_everybody():
    whose = {f"{person}-c1-{view}": str(person) for person in range(10) for view in range(1 + person)}
    sets = {share: kept(whose, share, seed=0) for share in SHARES}
    for smaller, larger in itertools.pairwise(SHARES):
        assert {*sets[smaller]} < {*sets[larger]}
    for share, names in sets.items():
        assert {whose[name] for name in names} == {*whose.values()} and len(names) == round(55 * share / 100)
    assert sets[100] == list(whose) and sets[20] == kept(whose, 20, 0) != kept(whose, 20, 1)
    assert len(kept(whose, 1, 0)) == 10, "one of everybody, if it is more"


@pytest.mark.parametrize("share", [0, -20, 101])
def test_a_share_out_of_range(share):
    with pytest.raises(TrainingError, match="from 1 to 100"):
        kept({"a": "a"}, share, 0)


# What is synthesised


def test_pairs_are_of_kept_pictures_of_a_person():
    whose = {f"{person}-c1-{view}": str(person) for person in range(4) for view in range(1 + person)}
    pairs = draw_pairs(whose, list(whose), each=5, seed=0)
    assert len({*pairs}) == len(pairs)
    counts = [sum(whose[pair.source] == str(person) for pair in pairs) for person in range(4)]
    assert counts == [0, 2, 5, 5], "all there are of two pictures, none of one"
    assert all(whose[source] == whose[target] and source != target for source, target in pairs)
    assert draw_pairs(whose, list(whose), 5, 0) == pairs != draw_pairs(whose, list(whose), 5, 1)
    anyone = draw_pairs(whose, list(whose), 5, 0, "anyone")
    assert [sum(whose[pair.source] == str(person) for pair in anyone) for person in range(4)] == [5] * 4
    assert any(whose[source] != whose[target] for source, target in anyone)
    assert {target for _, target in draw_pairs(whose, ["3-c1-0"], 5, 0)} == {"3-c1-0"}, "whose pose is known"


class Posed:
    """A person without a pose, one with, and one of whom nothing is known."""

    names = ("none-c1", "some-c1", "unknown-c1")

    def record(self, name: str) -> Record:
        points = np.zeros((18, 3), np.float32)
        points[:9, 2] = name.startswith("some")
        fields = {} if name.startswith("unknown") else {"keypoints": points}
        return Record(name, name, name, np.zeros((8, 8, 3), np.uint8), fields)


def test_who_shows_no_pose_is_no_target():
    assert posed(Posed(), Posed.names) == ["some-c1", "unknown-c1"]


def test_a_kept_persons_other_pictures_are_kept_ones():
    people = KeptPeople(Posed(), {"none-c1": "a", "some-c1": "a", "unknown-c1": "b"})
    assert sorted(people.pairs) == [("none-c1", "some-c1"), ("some-c1", "none-c1")]
