"""Preprocessors where photos are awkward and poses come from elsewhere: small people, panoramas, malformed files."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mannequin.preprocessors.blazepose import find_people
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.images import check_image, crop_square
from mannequin.preprocessors.keypoints import OPENPOSE_18, from_pose_keypoint, to_pose_keypoint
from mannequin.preprocessors.parsing import parse
from mannequin.preprocessors.people import detect_poses
from mannequin.preprocessors.skeleton import draw
from PIL import Image

from devtools.host import ROOT


def photo(name: str) -> torch.Tensor:
    picture = Image.open(ROOT / "workflows" / "inputs" / name).convert("RGB")
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)


def person_at(height: int, width: int, top: int, left: int) -> torch.Tensor:
    """A grey picture ``[1, height, width, 3]`` with the full-body photo, 350×175 pixels, in it."""
    canvas = torch.full((1, height, width, 3), 0.5)
    canvas[0, top : top + 350, left : left + 175] = photo("mannequin_source.png")
    return canvas


def pose_of(values: list, **canvas) -> list[dict]:
    return [{"people": [{"pose_keypoints_2d": values}], "canvas_width": 90, "canvas_height": 60} | canvas]


# Small people


@pytest.mark.parametrize(
    "size, place",
    [((400, 4000), (50, 3000)), ((4000, 300), (2000, 50))],
    ids=["panorama", "scroll"],
)
def test_someone_small_is_found_once_and_in_place(size, place):
    (frame,) = detect_poses(person_at(*size, *place), on_several="all")
    (alone,) = detect_poses(photo("mannequin_source.png")[None])
    assert len(frame.people) == 1
    offset = torch.tensor([place[1], place[0]])
    body = [OPENPOSE_18.index(name) for name in ("nose", "right shoulder", "left shoulder", "right hip", "left hip")]
    assert (frame.people[0, body, :2] - offset - alone.people[0, body, :2]).abs().max() < 12


def test_the_mask_is_where_the_person_is():
    image = person_at(400, 4000, 50, 3000)
    (person,) = find_people(image[0])
    assert person.mask.shape == (400, 4000)
    inside = person.mask[50:400, 3000:3175]
    assert inside.sum() > 0.97 * person.mask.sum() and 0.2 < float(inside.mean()) < 0.5


@given(height=st.integers(1, 90), width=st.integers(1, 90))
@settings(max_examples=3, deadline=None)
@example(1, 1)
@example(1, 90)
def test_any_size_of_nobody(height, width):
    image = torch.zeros(1, height, width, 3)
    assert find_people(image[0]) == []
    assert parse(image, on_no_person="skip").labels.shape == (1, height, width)


# Resampling


@pytest.mark.parametrize("side", [8, 10, 100, 333])
def test_a_crop_of_the_whole_picture_is_the_picture_resampled(side):
    """Also where the picture is no multiple of the averaged cells: a ramp stays in place to a tenth of a cell."""
    size = 1000
    ramp = (torch.arange(size) + 0.5).expand(size, size)[..., None]
    crop = crop_square(ramp, torch.tensor([[size, 0.0, 0.0], [0.0, size, 0.0]]), side)[side // 2, :, 0]
    wanted = (torch.arange(side) + 0.5) * size / side
    assert (crop - wanted)[1:-1].abs().max() < 0.1 * size / side


def test_images_of_any_float_type_are_read_in_single_precision():
    image = photo("mannequin_source.png")[None].half()
    checked = check_image(image)
    assert checked.dtype == torch.float32 and checked.device.type == "cpu"
    assert torch.equal(checked, image.float())


# Poses from elsewhere


def test_what_is_seen_has_confidence_one():
    """comfyui_controlnet_aux reads a point with a confidence below 1 as missing."""
    (pose,) = to_pose_keypoint(detect_poses(photo("mannequin_pose.png")[None]))
    points = np.reshape(pose["people"][0]["pose_keypoints_2d"], (18, 3))
    assert set(points[:, 2]) == {0.0, 1.0}, "this walker hides an arm"
    assert not points[points[:, 2] == 0].any(), "a point that is missing is 0, 0, 0"


@pytest.mark.parametrize(
    "pose, words",
    [
        (pose_of([None] * 54), "not numbers"),
        (pose_of(["x"] * 54), "not numbers"),
        (pose_of([[1.0]] * 54), "not numbers"),
        ([{"people": [None], "canvas_width": 9, "canvas_height": 9}], "'people'"),
        ([{"people": {"a": 1}, "canvas_width": 9, "canvas_height": 9}], "'people'"),
        (pose_of([0.0] * 54, canvas_width="9px"), "no canvas size"),
        (pose_of([0.0] * 54, canvas_width=math.inf), "no canvas size"),
        (pose_of([0.0] * 54, canvas_height=math.nan), "no canvas size"),
    ],
)
def test_a_malformed_pose_is_explained(pose, words):
    with pytest.raises(ConditionError, match=words):
        from_pose_keypoint(pose)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 1e7, -1e30])
def test_a_point_that_cannot_be_is_not_seen(wrong):
    values = [value for index in range(18) for value in (4.0 * index, 30.0, 1.0)]
    values[3 * OPENPOSE_18.index("left wrist")] = wrong
    (frame,) = from_pose_keypoint(pose_of(values))
    assert frame.visible() == set(OPENPOSE_18) - {"left wrist"}
    assert torch.isfinite(frame.people).all()
    assert draw([frame], 90, 60).any()


def test_visibility_flags_of_coco_are_confidences():
    (frame,) = from_pose_keypoint(pose_of([30.0, 20.0, 2.0] * 17))
    assert frame.people[..., 2].unique().tolist() == [1.0]


def test_canvas_sizes_as_text_are_read():
    (frame,) = from_pose_keypoint(pose_of([0.0] * 54, canvas_width="90", canvas_height=60.0))
    assert (frame.width, frame.height) == (90, 60)


numbers = st.floats(width=32) | st.integers(-(10**6), 10**6)


@given(values=st.lists(numbers, min_size=54, max_size=54))
@settings(max_examples=40, deadline=None)
def test_whatever_numbers_come_a_skeleton_is_drawn(values):
    (frame,) = from_pose_keypoint(pose_of(values))
    picture = draw([frame], 48, 32)
    assert torch.isfinite(picture).all() and picture.shape == (1, 32, 48, 3)


# Parsing


def test_hips_are_dressed_and_the_waist_is_level():
    """Between the legs, right under the hips, there are trousers: no wedge of the top reaches down."""
    image = photo("mannequin_source.png")[None]
    parsing, (frame,) = parse(image), detect_poses(image)
    hips = frame.people[0, [OPENPOSE_18.index("right hip"), OPENPOSE_18.index("left hip")], :2]
    x, y = hips.mean(0).round().int().tolist()
    assert parsing.mask(["Pants"])[0, y + 5 : y + 30, x].all()
    assert not parsing.mask(["Upper-clothes"])[0, y + 5 :, x].any()


@pytest.mark.parametrize("name", ["mannequin_source.png", "mannequin_pose.png"])
def test_brown_trousers_are_not_bare_legs(name):
    assert not {"Left-leg", "Right-leg"} & set(parse(photo(name)[None]).present())


def test_limbs_the_colour_of_the_face_are_bare():
    image = photo("mannequin_source.png")[None].clone()
    (person,) = find_people(image[0])
    x, y = person.landmarks[0, :2].int().tolist()
    cheek = image[0, y - 4 : y + 5, x - 4 : x + 5].flatten(0, 1).median(0).values
    knee = int(person.landmarks[[25, 26], 1].mean())
    image[0, knee:310] = torch.where(person.mask[knee:310, :, None] > 0.5, cheek, image[0, knee:310])
    assert {"Left-leg", "Right-leg"} <= set(parse(image).present())
