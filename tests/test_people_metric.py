"""Pose metrics of several people against values worked out by hand."""

import math

import numpy as np
import pytest
from few_people import Few, record
from reposedm_files import field_files

from preprocessors.keypoints import from_coco_17
from training.data.records import Pair
from training.errors import TrainingError
from training.evaluation.average_precision import RECALLS, THRESHOLDS, average_precision, match
from training.evaluation.bootstrap import set_intervals
from training.evaluation.people_metric import WITHOUT, PeopleMetric, compare, load_people_metric
from training.evaluation.pose_similarity import SIGMAS, areas, cosine_similarity, keypoint_similarity
from training.evaluation.predictors import CopySource
from training.evaluation.protocols import PROTOCOLS
from training.evaluation.report import write_report
from training.evaluation.run import Evaluation

CFLD = PROTOCOLS["cfld"]
NOSE, LEFT_EYE, LEFT_EAR, LEFT_SHOULDER = 0, 1, 3, 5


def person(**joints: tuple[float, float]) -> np.ndarray:
    """COCO's ``[17, 3]`` of the joints named, seen for sure."""
    points = np.zeros((17, 3))
    for number, place in joints.items():
        points[int(number.removeprefix("j"))] = (*place, 1)
    return points


def standing(left: float, top: float, score: float = 1.0, height: float = 40.0) -> np.ndarray:
    """A whole person, half as wide as high."""
    share = np.linspace(0, 1, 17)
    x, y = left + height / 2 * (3 * share % 1), top + height * share
    return np.stack([x, y, np.full(17, score)], 1)


class TestSimilarity:
    def test_oks_by_hand(self):
        """Half the joints are right, and the nose is 3 pixels off, of a person of 30 × 40 pixels."""
        wanted = person(j0=(0, 0), j5=(30, 40))
        found = person(j0=(3, 0), j5=(30, 40), j9=(100, 100))
        assert areas(wanted[None]).tolist() == [1200]
        nose = math.exp(-(3**2) / (2 * 1200 * (2 * 0.026) ** 2))
        (similarity,) = keypoint_similarity(wanted[None], found[None])
        assert nose == pytest.approx(0.2499, abs=1e-4) and similarity.tolist() == pytest.approx([(nose + 1) / 2])

    def test_joints_that_are_missing(self):
        """Of what is wanted they count, of what is not they do not; nobody is like nobody."""
        wanted = person(j0=(0, 0), j5=(30, 40))
        assert keypoint_similarity(wanted[None], person(j5=(30, 40))[None]).item() == 0.5
        assert keypoint_similarity(np.zeros((1, 17, 3)), wanted[None]).item() == 0
        assert keypoint_similarity(wanted[None], np.zeros((0, 17, 3))).shape == (0, 1)

    def test_sigmas_are_cocos(self):
        assert SIGMAS[[0, 1, 5, 9, 11, 16]].tolist() == [0.026, 0.025, 0.079, 0.062, 0.107, 0.089]

    def test_cosine_by_hand(self):
        """Over σ, x is 1, 2, 3, and 1, 3, 2: 0, ½, 1 against 0, 1, ½, whose cosine is 0.8; y is the same, 1."""

        def face(x: tuple[int, ...], shift: float = 0, scale: float = 1000) -> np.ndarray:
            points = np.zeros((17, 3))
            for joint, at, down in zip((NOSE, LEFT_EYE, LEFT_EAR), x, (1, 2, 3), strict=True):
                points[joint] = (scale * SIGMAS[joint] * at, scale * SIGMAS[joint] * down, 1)
            return points * (1, 1, 1)

        wanted = face((1, 2, 3))[None]
        assert cosine_similarity(wanted, face((1, 3, 2))[None]).item() == pytest.approx(0.9)
        assert cosine_similarity(wanted, face((1, 2, 3), scale=50)[None]).item() == pytest.approx(1.0)
        lost = face((1, 2, 3))
        lost[LEFT_EAR] = 0
        assert cosine_similarity(wanted, lost[None]).item() == pytest.approx(0.5 / math.sqrt(1.25))
        assert cosine_similarity(wanted, np.zeros((1, 17, 3))).item() == 0


class TestAveragePrecision:
    def test_by_hand(self):
        """Right at every threshold; wrong; right up to 0.7: five of ten. A third is never found.

        Precisions 1, ½, ⅔ at recalls ⅓, ⅓, ⅔: 34 of 101 recalls are read at 1, and 33 more at ⅔.
        """
        everyone = np.ones(2, bool)
        one = match(np.array([[1.0, 0.0], [0.1, 0.2]]), np.array([0.9, 0.8]), everyone, everyone)
        other = match(np.array([[0.72]]), np.array([0.7]), everyone[:1], everyone[:1])
        assert one.right[:, 0].all() and not one.right[:, 1].any() and other.right[:, 0].sum() == 5
        expected = ((34 + 33 * 2 / 3) + 34) / 2 / 101
        assert average_precision([one, other]) == pytest.approx(expected) == pytest.approx(45 / 101)
        assert len(THRESHOLDS) == 10 and len(RECALLS) == 101

    def test_a_wanted_person_is_found_once(self):
        """The surer one gets them; the other takes who is left, or is wrong."""
        both = np.ones(2, bool)
        taken = match(np.array([[0.9, 0.6], [0.97, 0.3]]), np.array([0.5, 0.8]), both, both)
        assert taken.scores.tolist() == [0.8, 0.5]
        assert taken.right[:, 0].all() and taken.right[0, 1] and not taken.right[3:, 1].any()

    def test_sizes_that_are_not_asked_for(self):
        """Finding them is neither right nor wrong."""
        similarity = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
        wanted, found = np.array([True, False]), np.array([True, False, False, True])
        matched = match(similarity, np.array([0.9, 0.8, 0.7, 0.6]), wanted, found)
        assert matched.wanted == 1
        assert matched.counted[0].tolist() == [True, False, False, True]
        assert average_precision([matched]) == pytest.approx(1.0), "the wrong one comes after all are found"

    def test_nobody(self):
        nobody = np.zeros(0, bool)
        empty = match(np.zeros((0, 0)), np.zeros(0), nobody, nobody)
        assert math.isnan(average_precision([empty]))
        missed = match(np.zeros((0, 1)), np.zeros(0), np.ones(1, bool), nobody)
        assert average_precision([missed, empty]) == 0


class TestMetric:
    def test_a_picture_of_two(self):
        wanted = np.stack([standing(0, 0), standing(60, 0)])
        found = np.stack([standing(60, 0, 0.4), standing(0, 0, 0.8), standing(200, 200, 0.2)])
        seen = compare(wanted, found)
        assert seen.figures == {"pose_oks": pytest.approx(1), "joints_right": 1, "people_error": 1}
        assert seen.matched["pose_ap"].scores.tolist() == pytest.approx([0.8, 0.4, 0.2])
        assert average_precision([seen.matched["pose_ap"]]) == pytest.approx(1)
        # 20 × 40 pixels are no medium size.
        assert areas(wanted).tolist() == pytest.approx([20 * 40 * 15 / 16] * 2, rel=0.01)
        assert math.isnan(average_precision([seen.matched["pose_ap_medium"]]))
        large = compare(np.stack([standing(0, 0, height=60)]), np.zeros((0, 17, 3)))
        assert average_precision([large.matched["pose_ap_medium"]]) == 0
        assert large.figures == {"pose_oks": 0, "joints_right": 0, "people_error": 1}
        moved = wanted.copy()
        # 4 of 40 pixels are more than 5 %.
        moved[0, :5, 0] += 4
        assert compare(wanted, moved).figures["joints_right"] == pytest.approx((12 / 17 + 1) / 2)
        assert math.isnan(compare(np.zeros((0, 17, 3)), found).figures["pose_oks"])

    def test_in_an_evaluation(self, tmp_path):
        """Two people of two pictures, copied: of one picture everybody is where they should be, of the other nobody."""
        import torch

        places = {"a": np.stack([standing(0, 0), standing(30, 0)]), "b": np.stack([standing(0, 20)])}
        records = {}
        for seed, (name, people) in enumerate(places.items()):
            points = from_coco_17(torch.tensor(people, dtype=torch.float32), 56, 64).people.numpy()
            records[name] = record(name, seed, people=points)
        known = {each.image.tobytes(): places[name] for name, each in records.items()}
        metric = PeopleMetric(lambda picture: known[picture.tobytes()])
        people = Few(*records.values(), pairs=[Pair("a", "a"), Pair("a", "b")])
        evaluation = Evaluation(CFLD, people, people.pairs, [], set_metrics=[metric])
        outcome = evaluation.run("copy", CopySource(CFLD))
        oks = keypoint_similarity(places["b"], places["a"]).max()
        assert outcome.values["pose_oks"].tolist() == pytest.approx([1, oks])
        assert outcome.values["people_error"].tolist() == [0, 1]
        figures = evaluation.figures(outcome)
        assert figures["people_error"].mean == 0.5
        # Three are wanted and two found of four: both before or between those that are wrong, all as sure as another.
        ap = figures["pose_ap"]
        assert 0 < ap.mean < 100 and ap.low <= ap.mean <= ap.high and ap.count == 2
        assert "pose_ap_medium" not in figures
        text = write_report(evaluation, [outcome], set(), None, tmp_path)
        assert "| pose AP, % ↑ | " in text and "| people count error (PCE) ↓ | 0.500" in text
        assert "- pose AP(m), %: undefined here; nobody is wanted in these pictures, or of that size." in text

    def test_who_is_wanted(self):
        """Whom the data know; else whom the estimator finds in the target."""
        asked = []

        def find(picture: np.ndarray) -> np.ndarray:
            asked.append(picture.shape)
            return standing(0, 0)[None]

        alone, unknown = (
            record("alone", keypoints=np.ones((18, 3), np.float32)),
            record("unknown"),
        )
        nobody = record("nobody", keypoints=np.zeros((18, 3), np.float32))
        pairs = [(each, each) for each in (alone, nobody, unknown, unknown)]
        seen = PeopleMetric(find).look(pairs, [each.image for each, _ in pairs])
        assert [each.matched["pose_ap"].wanted for each in seen] == [1, 0, 1, 1]
        assert [each.figures["people_error"] for each in seen] == [0, 1, 0, 0]
        assert seen[2].figures["pose_oks"] == pytest.approx(1) and len(asked) == 5, "a target is looked at once"

    def test_of_a_file(self):
        metric = load_people_metric(field_files()["estimator"], 64)
        (seen,) = metric.look([(record("a"), record("a"))], [record("a").image])
        assert seen.figures["people_error"] == 0
        with pytest.raises(TrainingError, match="no pose estimator that can be read"):
            load_people_metric(field_files()["decoder"])
        assert "--estimator" in WITHOUT.how

    def test_intervals_draw_people_whole(self):
        def mean(values):
            return {"mean": float(np.mean(values)), "nothing": math.nan}

        found = set_intervals([0.0, 0.0, 1.0, 1.0], mean, ["a", "a", "b", "b"])
        assert found["mean"] == (0, 1) and all(math.isnan(edge) for edge in found["nothing"])
        narrow = set_intervals([0.0, 1.0] * 50, mean, [number // 2 for number in range(100)])
        assert narrow["mean"] == (0.5, 0.5), "everybody's own mean is one half"
