"""Mirror images of a store's people."""

import numpy as np
import pytest
from training_people import NoisePeople, store

from preprocessors.published_skeleton import STYLES, draw_frame
from training.data.mirrored import mirrored
from training.data.sources import open_people
from training.methods.base import frame_of


@pytest.fixture
def both(tmp_path):
    store(NoisePeople(2), tmp_path / "store")
    return open_people(f"mirrored:{tmp_path / 'store'}")


def test_every_picture_is_there_twice_and_paired_with_its_like(both):
    assert len(both.names) == 8 and both.names[4:] == [f"{name}-mirrored" for name in both.names[:4]]
    assert len(both.pairs) == 8
    for source, target in both.pairs:
        assert source.endswith("-mirrored") == target.endswith("-mirrored")
        assert both.record(source).identity == both.record(target).identity


def test_what_was_found_is_mirrored_and_what_networks_made_is_left_out(both):
    plain, flipped = both.record("p0-v1"), both.record("p0-v1-mirrored")
    assert plain.fields.keys() == flipped.fields.keys() == {"parsing", "iuv", "keypoints"}
    assert np.array_equal(flipped.image, plain.image[:, ::-1])
    for name in ("parsing", "iuv"):
        assert np.array_equal(flipped.fields[name], plain.fields[name][:, ::-1])
    again = mirrored(flipped)
    assert np.array_equal(again.image, plain.image)
    assert np.allclose(again.fields["keypoints"], plain.fields["keypoints"], atol=1e-4)


def test_the_skeleton_of_a_mirrored_picture_is_the_mirrored_skeleton(both):
    """But for a pixel, by which ends of limbs are cut to whole ones."""
    frames = [frame_of(both.record(name)) for name in ("p1-v0", "p1-v0-mirrored")]
    plain, flipped = (draw_frame(frame, frame.width, frame.height, STYLES["IMAGPose"]) for frame in frames)
    same = (flipped == plain[:, ::-1]).all(-1).mean()
    assert same > 0.85 > (flipped == plain).all(-1).mean() + 0.1


def test_a_missing_joint_stays_missing(tmp_path):
    record = NoisePeople().record("p0-v0")
    record.fields["keypoints"][4] = 0
    assert not mirrored(record).fields["keypoints"][4].any()
