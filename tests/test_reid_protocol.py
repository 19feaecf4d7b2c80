"""The single-query protocol: Rank-k and mAP, without what the own camera took, junk left out."""

import numpy as np
import pytest

from training.errors import TrainingError
from training.reid.protocol import single_query


def by_hand(**changes):
    """One query of person 1 by camera 1; the gallery in the order of its distances."""
    people, cameras = ["1", "-1", "2", "1", "0000", "1"], [1, 2, 2, 2, 3, 3]
    told = {"gallery_people": people, "gallery_cameras": cameras} | changes
    distances = np.arange(len(told["gallery_people"]), dtype=float)[None]
    return single_query(distances, ["1"], [1], **told)


def test_scores_by_hand():
    """What counts: 2, 1, a distractor, 1. Right at places 2 and 4, so that AP = (1/2 + 2/4) / 2."""
    scores = by_hand()
    assert (scores.rank1, scores.rank5, scores.queries) == (0, 1, 1) and scores.mean_ap == pytest.approx(0.5)


def test_the_own_cameras_pictures_are_left_out():
    """By another camera the first would be right: 1, 2, 1, a distractor, 1."""
    scores = by_hand(gallery_cameras=[2, 2, 2, 2, 3, 3])
    assert scores.rank1 == 1 and scores.mean_ap == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_junk_is_left_out_and_distractors_are_not():
    """A number in junk's place is somebody wrong: right at 3 and 5."""
    assert by_hand(gallery_people=["1", "7", "2", "1", "0000", "1"]).mean_ap == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert by_hand(gallery_people=["1", "-1", "2", "1", "-1", "1"]).mean_ap == pytest.approx((1 / 2 + 2 / 3) / 2)


def plainly(distances, query_people, query_cameras, gallery_people, gallery_cameras):
    """The protocol in plain words."""
    first, fifth, precisions = [], [], []
    for query in range(len(query_people)):
        ranking = []
        for place in sorted(range(len(gallery_people)), key=lambda place: distances[query][place]):
            if gallery_people[place] == "-1":
                continue
            same = gallery_people[place] == query_people[query]
            if same and gallery_cameras[place] == query_cameras[query]:
                continue
            ranking.append(same)
        if not any(ranking):
            continue
        first.append(ranking[0])
        fifth.append(any(ranking[:5]))
        at = [sum(ranking[: place + 1]) / (place + 1) for place, right in enumerate(ranking) if right]
        precisions.append(sum(at) / len(at))
    return [sum(values) / len(values) for values in (first, fifth, precisions)]


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_random_rankings(seed):
    draw = np.random.default_rng(seed)
    people, cameras = draw.choice(["-1", "0000", "1", "2", "3", "4"], 40), draw.integers(1, 4, 40)
    asked, seen_by = draw.choice(["1", "2", "3", "4"], 9), draw.integers(1, 4, 9)
    distances = draw.random((9, 40))
    scores = single_query(distances, asked, seen_by, people, cameras)
    assert [scores.rank1, scores.rank5, scores.mean_ap] == pytest.approx(
        plainly(distances, asked, seen_by, people, cameras)
    )


def test_a_query_that_nobody_can_answer_does_not_count():
    distances = np.zeros((2, 1))
    assert single_query(distances, ["1", "2"], [1, 1], ["1"], [2]).queries == 1
    with pytest.raises(TrainingError, match="seen by two cameras at least"):
        single_query(distances, ["1", "2"], [1, 1], ["1"], [1])
