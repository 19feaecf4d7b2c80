"""Photos become conditions: on the real photos of the repository, and on what is no photo at all."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mannequin.preprocessors.blazepose import find_people
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.keypoints import OPENPOSE_18, Frame, from_blazepose, from_pose_keypoint, to_pose_keypoint
from mannequin.preprocessors.labels import LIP_20, Parsing
from mannequin.preprocessors.overlay import overlay
from mannequin.preprocessors.parsing import parse
from mannequin.preprocessors.people import detect_poses
from mannequin.preprocessors.regions import region_crops
from mannequin.preprocessors.selection import IMPLIED, select
from mannequin.preprocessors.skeleton import draw
from PIL import Image

from devtools.host import ROOT

FULL_BODY = ["mannequin_source.png", "mannequin_pose.png"]


def photo(name: str) -> torch.Tensor:
    picture = Image.open(ROOT / "workflows" / "inputs" / name).convert("RGB")
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None]


def point(frame: Frame, name: str) -> torch.Tensor:
    return frame.people[0, OPENPOSE_18.index(name)]


# Real photos


@pytest.mark.parametrize("name", FULL_BODY)
def test_a_whole_person_is_found_the_right_way_round(name):
    (frame,) = detect_poses(photo(name))
    # She who walks away to the side hides an arm and half her face.
    assert len(frame.people) == 1 and len(frame.visible()) >= 14
    heights = [
        float(point(frame, f"{side} {joint}")[1])
        for side in ("right",)
        for joint in ("eye", "shoulder", "hip", "ankle")
    ]
    assert heights == sorted(heights)
    # Both stand between a tenth and nine tenths of a picture of 350 pixels.
    assert heights[0] < 90 and heights[-1] > 280


def test_facing_us_her_right_is_on_our_left():
    (frame,) = detect_poses(photo("mannequin_source.png"))
    for joint in ("shoulder", "hip", "ankle"):
        assert point(frame, f"right {joint}")[0] < point(frame, f"left {joint}")[0]


def test_a_mirrored_photo_gives_the_mirrored_pose():
    image = photo("mannequin_source.png")
    (straight,), (mirrored,) = detect_poses(image), detect_poses(image.flip(2))
    for side, other in (("right", "left"), ("left", "right")):
        for joint in ("shoulder", "hip", "knee"):
            there, back = point(straight, f"{side} {joint}"), point(mirrored, f"{other} {joint}")
            assert abs(float(there[0] + back[0]) - straight.width) < 12 and abs(float(there[1] - back[1])) < 12


def test_several_people_and_who_counts():
    image = photo("mannequin_group.jpg")
    everyone = detect_poses(image, on_several="all")[0]
    assert len(everyone.people) >= 2
    largest, central = (detect_poses(image, on_several=who)[0] for who in ("largest", "most central"))
    assert len(largest.people) == len(central.people) == 1
    with pytest.raises(ConditionError, match="people were found in picture 1"):
        detect_poses(image, on_several="error")


@pytest.mark.parametrize("name", FULL_BODY)
def test_coarse_parsing_of_a_photo(name):
    parsing = parse(photo(name))
    assert parsing.labels.shape == photo(name).shape[:3] and parsing.labels.dtype == torch.uint8
    assert {"Face", "Hair", "Upper-clothes", "Pants", "Left-shoe", "Right-shoe"} <= set(parsing.present())
    person = float((parsing.labels > 0).float().mean())
    assert 0.15 < person < 0.5

    def height(name: str) -> float:
        return float(parsing.mask([name])[0].nonzero()[:, 0].float().mean())

    assert height("Hair") < height("Upper-clothes") < height("Pants") < height("Left-shoe")


def test_every_pixel_of_the_person_has_a_label():
    image = photo("mannequin_source.png")
    (person,) = find_people(image[0])
    labels = parse(image).labels[0]
    clearly_in, clearly_out = person.mask > 0.7, person.mask < 0.3
    assert (labels[clearly_in] > 0).all() and (labels[clearly_out] == 0).all()


def test_the_overlay_keeps_the_background():
    image = photo("mannequin_source.png")
    parsing = parse(image)
    shown = overlay(image, parsing)
    outside = parsing.labels[0] == 0
    # The legend lies beside the photo.
    difference = (shown[0, :, : image.shape[2]] - image[0]).abs()
    assert difference[outside].max() == 0 and difference[~outside].max() > 0.1
    assert shown.shape[2] > image.shape[2] + 50


def test_a_batch_is_its_pictures_one_by_one():
    image = torch.cat([photo(name) for name in FULL_BODY])
    together = parse(image)
    assert all(torch.equal(together.labels[i], parse(image[i : i + 1]).labels[0]) for i in range(2))


def test_transparency_shows_white():
    image = torch.cat([photo("mannequin_source.png"), torch.ones(1, 350, 175, 1)], -1)
    assert torch.equal(detect_poses(image)[0].people, detect_poses(image[..., :3])[0].people)


# Nobody, nothing, too much


@pytest.mark.parametrize("size", [(1, 1), (300, 4000), (4000, 300), (7, 3)], ids=str)
def test_no_person(size):
    image = torch.full((1, *size, 3), 0.4)
    with pytest.raises(ConditionError, match="Nobody was found"):
        parse(image)
    parsing = parse(image, on_no_person="skip")
    assert parsing.labels.shape == (1, *size) and not parsing.labels.any()
    assert len(detect_poses(image, on_no_person="skip")[0].people) == 0


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 8, 8), (1, 8, 8, 1), (1, 0, 8, 3)], ids=str)
def test_what_is_no_image(shape):
    with pytest.raises(ConditionError, match="The image has shape"):
        parse(torch.zeros(shape))


def test_nan_pixels():
    image = photo("mannequin_source.png")
    image[0, 5, 5, 0] = torch.nan
    with pytest.raises(ConditionError, match="not numbers"):
        detect_poses(image)


# POSE_KEYPOINT


def frames(people: int = 1, seed: int = 0) -> Frame:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(people, 18, 3, generator=generator)
    points[..., 2] = 0.3 + 0.7 * points[..., 2]
    return Frame(points * torch.tensor([200.0, 100.0, 1.0]), 200, 100)


@given(people=st.integers(0, 4), seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_pose_keypoint_reads_back(people, seed):
    frame = frames(people, seed)
    (back,) = from_pose_keypoint(to_pose_keypoint([frame]))
    assert torch.allclose(back.people, frame.people, atol=1e-4) and (back.width, back.height) == (200, 100)


def test_fractions_are_read_as_pixels():
    pose = to_pose_keypoint([frames()])
    whole = from_pose_keypoint(pose)[0]
    values = torch.tensor(pose[0]["people"][0]["pose_keypoints_2d"]).reshape(-1, 3) / torch.tensor([200.0, 100.0, 1.0])
    pose[0]["people"][0]["pose_keypoints_2d"] = values.flatten().tolist()
    assert torch.allclose(from_pose_keypoint(pose)[0].people, whole.people, atol=1e-3)


@pytest.mark.parametrize("count", [17, 25])
def test_other_layouts_are_reordered(count):
    values = [value for index in range(count) for value in (10.0 + index, 20.0 + index, 1.0)]
    pose = {"people": [{"pose_keypoints_2d": values}], "canvas_width": 100, "canvas_height": 100}
    frame = from_pose_keypoint(pose)[0]
    left_ankle = {17: 15, 25: 14}[count]
    assert point(frame, "left ankle")[0] == 10 + left_ankle
    neck = point(frame, "neck")[0]
    assert neck == (11.0 if count == 25 else 10 + (5 + 6) / 2)


def test_a_person_without_points_is_read():
    frame = from_pose_keypoint([{"people": [{"pose_keypoints_2d": None}], "canvas_width": 9, "canvas_height": 9}])[0]
    assert frame.people.shape == (1, 18, 3) and not frame.visible()


@pytest.mark.parametrize(
    "pose, words",
    [
        (None, "no POSE_KEYPOINT"),
        ([], "no POSE_KEYPOINT"),
        ([{"people": []}], "no canvas size"),
        (
            [{"people": [{"pose_keypoints_2d": [1.0, 2.0, 3.0]}], "canvas_width": 9, "canvas_height": 9}],
            "1 body points",
        ),
    ],
)
def test_what_is_no_pose(pose, words):
    with pytest.raises(ConditionError, match=words):
        from_pose_keypoint(pose)


def test_invisible_landmarks_are_not_seen():
    (person,) = find_people(photo("mannequin_source.png")[0])
    person.landmarks[27, 2] = 0.1
    assert "left ankle" not in from_blazepose([person], 175, 350).visible()
    assert "left ankle" in from_blazepose([person], 175, 350, threshold=0.05).visible()


# Skeletons


@given(width=st.integers(1, 300), height=st.integers(1, 300), people=st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_skeletons_of_any_size(width, height, people):
    picture = draw([frames(people)], width, height)
    assert picture.shape == (1, height, width, 3) and picture.dtype == torch.float32
    assert 0 <= float(picture.min()) and float(picture.max()) <= 1
    assert bool(picture.any()) or people == 0 or min(width, height) < 8


def test_joints_have_openposes_colours():
    people = torch.zeros(1, 18, 3)
    people[0, 0] = torch.tensor([256.0, 256.0, 1.0])
    picture = draw([Frame(people, 512, 512)], 512, 512)[0]
    assert torch.equal(picture[256, 256], torch.tensor([1.0, 0.0, 0.0])), "the nose is red"
    assert float((picture.sum(-1) > 0).sum()) == pytest.approx(np.pi * 4**2, rel=0.3), "of radius 4 at 512"


def test_a_limb_needs_both_ends():
    people = torch.zeros(1, 18, 3)
    people[0, 2] = torch.tensor([20.0, 50.0, 1.0])
    people[0, 3] = torch.tensor([180.0, 50.0, 0.0])
    alone = draw([Frame(people, 200, 100)], 200, 100)
    assert not alone[0, 50, 100].any()
    people[0, 3, 2] = 1
    assert draw([Frame(people, 200, 100)], 200, 100)[0, 50, 100].any()


@pytest.mark.parametrize("size", [(0, 5), (5, 9000)])
def test_sizes_that_cannot_be_drawn(size):
    with pytest.raises(ConditionError, match="cannot be drawn"):
        draw([frames()], *size)


# Target-oriented selection


def every_label(height: int = 20, width: int = 1) -> Parsing:
    return Parsing(torch.arange(20, dtype=torch.uint8)[:, None].expand(height, width)[None])


def seen(*names: str) -> Frame:
    people = torch.zeros(1, 18, 3)
    for name in names:
        people[0, OPENPOSE_18.index(name)] = torch.tensor([5.0, 5.0, 1.0])
    return Frame(people, 10, 10)


def selected(*names: str) -> set[str]:
    mask = select(every_label(), [seen(*names)])[0, :, 0]
    return {label for label, chosen in zip(LIP_20, mask, strict=True) if chosen}


def test_every_keypoint_and_every_label_has_its_place():
    assert IMPLIED.keys() == set(OPENPOSE_18)
    assert {label for labels in IMPLIED.values() for label in labels} == set(LIP_20) - {"Background"}


def test_a_pose_without_legs_drops_trousers_and_shoes():
    upper = selected("nose", "neck", "right shoulder", "left shoulder", "right wrist")
    assert not upper & {"Pants", "Skirt", "Left-leg", "Right-leg", "Left-shoe", "Right-shoe", "Socks"}
    assert {"Face", "Upper-clothes", "Right-arm"} <= upper and "Left-arm" not in upper


def test_seen_from_behind_there_is_no_face():
    assert not selected("right ear", "left ear", "neck") & {"Face", "Sunglasses"}


def test_the_background_is_never_selected():
    assert "Background" not in selected(*OPENPOSE_18) and len(selected(*OPENPOSE_18)) == 19


@pytest.mark.parametrize("rows, poses, result", [(1, 1, 1), (1, 3, 3), (3, 1, 3), (2, 2, 2)])
def test_batches_of_parsings_and_poses(rows, poses, result):
    parsing = Parsing(every_label().labels.expand(rows, -1, -1))
    assert select(parsing, [seen("neck")] * poses).shape[0] == result


def test_batches_that_do_not_match():
    with pytest.raises(ConditionError, match="2 pictures and the pose 3 frames"):
        select(Parsing(every_label().labels.expand(2, -1, -1)), [seen("neck")] * 3)


def test_source_and_target_that_share_nothing():
    only_shoes = Parsing(torch.full((1, 4, 4), LIP_20.index("Left-shoe"), dtype=torch.uint8))
    with pytest.raises(ConditionError, match="share no part.*the parsing has Left-shoe"):
        select(only_shoes, [seen("nose")])


# Regions


@given(seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_crops_wrap_their_label_exactly(seed):
    labels = torch.randint(0, 4, (2, 9, 7), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    labels[labels == 3] = 0
    position = torch.stack(torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij"), -1)
    image = torch.cat([position, torch.zeros(9, 7, 1)], -1).expand(2, -1, -1, -1)
    for row, label, crop in region_crops(image, Parsing(labels)):
        where = (labels[row] == label).nonzero()
        assert crop[0, 0, 0, :2].tolist() == where.amin(0).tolist()
        assert crop[0, -1, -1, :2].tolist() == where.amax(0).tolist()
