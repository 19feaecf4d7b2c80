"""Skeletons in PCDMs' and IMAGPose's style: the published pixels, and what of a POSE_KEYPOINT they show."""

import pytest
import torch
from mannequin.nodes.pose import MannequinDrawPose
from mannequin.preprocessors.keypoints import from_pose_keypoint
from mannequin.preprocessors.pose_parts import LEFT_HAND, RIGHT_HAND
from mannequin.preprocessors.skeleton import draw

from devtools import parity
from devtools.parity_poses import pose_drawing, posed


@pytest.mark.parametrize("name", ["pose_drawing", "pose_drawing_256"])
def test_parity(golden, name):
    """Within a tenth of a grey level; a blank picture is three off."""
    assert parity.main([str(golden(f"{name}.safetensors"))]) == 0


def test_the_measure_tells_another_drawing(golden):
    verdict, drawn = golden("pose_drawing_256.safetensors"), pose_drawing
    assert parity.check(verdict).measured < 0.03
    found = drawn(parity.Golden.read(verdict))
    pair = found["pcdms.full.256x176"], found["imagpose.full.256x176"]
    assert parity.MEASURES["pose_drawing"].of(*pair) > 0.1


def test_the_smooth_style_has_dwposes_hands(golden):
    """IMAGPose's style is DWPose's: at 512 pixels the smooth one is half a grey level off, without hands twice that."""
    verdict = parity.Golden.read(golden("pose_drawing.safetensors"))
    theirs = pose_drawing(verdict)["imagpose.full.512x512"]
    apart = {
        parts: float(
            (draw(from_pose_keypoint([posed(verdict, "full")]), 512, 512, 1.0, parts)[0] * 255 - theirs).abs().mean()
        )
        for parts in ((), ("hands",))
    }
    assert apart[("hands",)] < 0.5 and apart[()] > 0.85


def pose(hands: bool = True, width: int = 64, height: int = 64, scale: float = 1.0) -> dict:
    """Someone with a nose, a neck, and one finger of the left hand."""
    body, hand = torch.zeros(18, 3), torch.zeros(21, 3)
    body[0], body[1] = torch.tensor([32.0, 10, 1]), torch.tensor([32.0, 40, 1])
    hand[0], hand[1] = torch.tensor([5.0, 50, 1]), torch.tensor([20.0, 50, 1])
    for points in (body, hand):
        points[:, :2] *= scale
    person = {"pose_keypoints_2d": body.flatten().tolist()}
    person |= {"hand_left_keypoints_2d": hand.flatten().tolist() if hands else None}
    return {"people": [person], "canvas_width": width, "canvas_height": height}


def drawn(style: str, *poses: dict) -> torch.Tensor:
    return (MannequinDrawPose.execute(list(poses), 64, 64, style=style)[0] * 255).round()


def test_hands_are_drawn_in_the_methods_styles():
    """A finger's first bone is red and its points are blue discs; limbs of the body are dimmed, joints are not."""
    for style, thick in (("PCDMs", 1), ("IMAGPose", 2)):
        picture = drawn(style, pose())[0]
        assert picture[50, 12].tolist() == [255, 0, 0] and picture[50, 5].tolist() == [0, 0, 255]
        assert int((picture[:, 12, 0] > 0).sum()) == thick
        assert picture[10, 32].tolist() == [255, 0, 0] and picture[40, 32].tolist() == [255, 85, 0]
        assert picture[25, 32].tolist() == [0, 0, 153], "the twelfth limb's blue, at six tenths"
    assert not drawn("PCDMs", pose(hands=False))[0, 45:55].any()


def test_fractions_and_missing_hands():
    shares = pose(scale=1 / 64)
    assert torch.equal(drawn("PCDMs", shares), drawn("PCDMs", pose()))
    (parts,) = from_pose_keypoint([pose()])[0].parts
    assert parts[LEFT_HAND][1].tolist() == [20.0, 50.0, 1.0] and not parts[RIGHT_HAND].any()
    broken = pose()
    broken["people"][0]["hand_left_keypoints_2d"] = [1.0, 2.0]
    assert not from_pose_keypoint([broken])[0].parts.any()


def test_a_frame_for_each_pose():
    assert drawn("PCDMs", pose(), pose(hands=False)).shape == (2, 64, 64, 3)


def test_imagpose_draws_whoever_is_seen_best():
    other = pose(hands=False)
    faint = [
        value if index % 3 < 2 else 0.5 * value for index, value in enumerate(other["people"][0]["pose_keypoints_2d"])
    ]
    shifted = [value + 20 if index % 3 == 0 and value else value for index, value in enumerate(faint)]
    both = pose()
    both["people"].append({"pose_keypoints_2d": shifted})
    assert torch.equal(drawn("IMAGPose", both), drawn("IMAGPose", pose()))
    assert drawn("PCDMs", both)[0, 10, 52].any() and not drawn("IMAGPose", both)[0, 10, 52].any()
