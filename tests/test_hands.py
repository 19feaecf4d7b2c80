"""Hands and feet found in a photo: where MediaPipe's Holistic finds them, whose they are, and how they are drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mannequin.nodes.pose import DETECTED, MannequinDetectPose, MannequinDrawPose
from mannequin.preprocessors.blazepose import find_people
from mannequin.preprocessors.hands import hands_of
from mannequin.preprocessors.keypoints import from_pose_keypoint
from mannequin.preprocessors.people import detect_poses
from mannequin.preprocessors.pose_parts import FEET, LEFT_HAND, RIGHT_HAND
from PIL import Image

from devtools.host import ROOT

INPUTS = ROOT / "workflows" / "inputs"
BOTH = ("feet", "hands")
#: What mediapipe 0.10.21's Holistic (static images, complexity 1) says of the wrist and the five fingertips, in pixels.
TIPS = (0, 4, 8, 12, 16, 20)
HOLISTIC = {
    "mannequin_demo_pose.png": (
        [[186.7, 76.5], [171.7, 61.9], [177.7, 50.7], [182.3, 48.0], [187.0, 50.0], [191.0, 54.9]],
        [[139.8, 118.6], [156.6, 106.3], [164.0, 105.9], [166.6, 108.9], [166.1, 112.9], [162.6, 116.9]],
    ),
    "mannequin_demo_source_3.png": (
        [[111.9, 86.8], [106.3, 89.7], [108.9, 97.4], [109.7, 101.0], [110.7, 101.4], [111.4, 100.5]],
        [[36.6, 34.0], [41.9, 24.3], [36.0, 18.4], [32.9, 18.2], [30.9, 19.8], [29.3, 23.2]],
    ),
}


def photo(name: str) -> torch.Tensor:
    return torch.from_numpy(np.asarray(Image.open(INPUTS / name).convert("RGB"), np.float32) / 255)


def hands(name: str) -> torch.Tensor:
    (person,) = find_people(photo(name))
    return hands_of(photo(name), person)


@pytest.mark.parametrize("name", HOLISTIC)
def test_where_the_original_finds_them(name):
    """Within a pixel, of pictures 384 and 192 pixels high: bodies are found a little otherwise."""
    found = hands(name)
    assert found.shape == (2, 21, 3) and (found[..., 2] > 0.5).all()
    assert (found[:, list(TIPS), :2] - torch.tensor(HOLISTIC[name])).norm(dim=-1).max() < 1.0


def test_in_a_mirror_left_is_right():
    image = photo("mannequin_demo_pose.png")
    (person,) = find_people(image.flip(1))
    mirrored = hands_of(image.flip(1), person).flip(0)
    mirrored[..., 0] = image.shape[1] - mirrored[..., 0]
    # The networks are no mirrors of themselves: a tenth of a hand.
    assert (mirrored - hands("mannequin_demo_pose.png"))[..., :2].norm(dim=-1).mean() < 3.5


def test_hidden_hands_are_not_seen():
    assert not hands("mannequin_portrait.jpg").any()
    image = photo("mannequin_demo_pose.png")
    (person,) = find_people(image)
    landmarks = person.landmarks.clone()
    landmarks[15, 2] = 0.05
    left, right = hands_of(image, replace(person, landmarks=landmarks))
    assert not left.any() and right.any()


def test_parts_of_a_frame():
    image = photo("mannequin_demo_pose.png")
    (person,), (frame,) = find_people(image), detect_poses(image[None], parts=BOTH)
    (own,) = frame.parts
    assert torch.equal(own[LEFT_HAND, :2], hands_of(image, person)[0, :, :2]) and (own[LEFT_HAND, 2] == 1).all()
    seen = own[FEET, 2].bool()
    assert seen.tolist() == [True, False, True] * 2, "BlazePose knows no small toes"
    assert torch.equal(own[FEET, :2][seen], person.landmarks[[31, 29, 32, 30], :2])
    for parts, there in (((), False), (("feet",), False), (("hands",), True)):
        (other,) = detect_poses(image[None], parts=parts)
        assert torch.equal(other.people, frame.people)
        assert (other.parts is not None and bool(other.parts[0, RIGHT_HAND, 2].any())) == there


def test_a_threshold_above_the_presence_hides_a_hand():
    image = photo("mannequin_demo_pose.png")
    present = float(hands("mannequin_demo_pose.png")[1, 0, 2])
    for threshold, shown in ((present - 0.01, True), (present + 0.01, False)):
        (frame,) = detect_poses(image[None], threshold=threshold, parts=BOTH)
        assert bool(frame.parts[0, RIGHT_HAND, 2].any()) == shown


def test_detected_and_drawn():
    """The nodes: fingertips are blue points where they were found; without the choice all is as it was."""
    image = photo("mannequin_demo_pose.png")
    height, width = image.shape[:2]
    plain, chosen = (
        MannequinDetectPose.execute(image[None], "error", "largest", 0.5, **options).result[0]
        for options in ({}, {"parts": "body, hands"})
    )
    assert [*DETECTED] == ["body", "body, hands", "body, feet, hands"]
    assert not from_pose_keypoint(plain)[0].parts.any()
    assert plain[0]["people"][0]["pose_keypoints_2d"] == chosen[0]["people"][0]["pose_keypoints_2d"]
    drawn, bare = (MannequinDrawPose.execute(pose, width, height).result[0][0] for pose in (chosen, plain))
    for x, y in HOLISTIC["mannequin_demo_pose.png"][0][1:]:
        assert drawn[round(y), round(x), 2] > 0.9 and bare[round(y), round(x)].max() < 0.1
    changed = (drawn != bare).any(-1).nonzero()
    found = torch.tensor([point for hand in HOLISTIC["mannequin_demo_pose.png"] for point in hand])
    low, high = found.amin(0).flip(0) - 8, found.amax(0).flip(0) + 8
    assert (changed >= low).all() and (changed <= high).all(), "nothing else is drawn"
