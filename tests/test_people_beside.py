"""A store's people side by side."""

import numpy as np
import pytest
from training_people import NoisePeople, store

from training.data.sources import open_people
from training.drawn_pose import drawn_people
from training.errors import TrainingError


@pytest.fixture
def folder(tmp_path):
    store(NoisePeople(5), tmp_path / "store")
    return tmp_path / "store"


def test_they_stand_together_in_every_picture(folder):
    alone, together = open_people(f"stored:{folder}"), open_people(f"beside:{folder}")
    views = len(alone.names) // 5
    assert len(together.names) == 2 * views and len(together.pairs) == 2 * views * (views - 1)
    for source, target in together.pairs:
        outfits = [together.record(name).outfit for name in (source, target)]
        assert source != target and outfits in (["p0-p1"] * 2, ["p2-p3"] * 2)


def test_each_is_as_they_are_alone(folder):
    alone, together = open_people(f"stored:{folder}"), open_people(f"beside:{folder}")
    both = together.record("p2-v1-beside-p3-v1")
    parts = [alone.record(name) for name in ("p2-v1", "p3-v1")]
    width = parts[0].image.shape[1]
    for number, part in enumerate(parts):
        place = np.s_[:, number * width : (number + 1) * width]
        assert np.array_equal(both.image[place], part.image)
        assert np.array_equal(both.fields["parsing"][place], part.fields["parsing"])
        assert np.allclose(both.fields["people"][number] - part.fields["keypoints"], [number * width, 0, 0])
    assert both.fields.keys() == {"parsing", "iuv", "people", "keypoints"}
    drawn = drawn_people(both)
    assert np.array_equal(drawn[:, :width].any(-1), drawn_people(parts[0]).any(-1))


def test_a_missing_joint_stays_missing(folder, monkeypatch):
    together = open_people(f"beside:{folder}")
    read = together._people.record

    def without_a_wrist(name):
        record = read(name)
        record.fields["keypoints"][4] = 0
        return record

    monkeypatch.setattr(together._people, "record", without_a_wrist)
    assert not together.record("p0-v0-beside-p1-v0").fields["people"][:, 4].any()


def test_fewer_than_asked_for(folder):
    with pytest.raises(TrainingError, match="shows 5 people in their outfits: 6 cannot"):
        open_people(f"beside:{folder},people=6")
