"""Poses between nodes: who counts, other layouts, files, and onto another person."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pose import MannequinChoosePerson, MannequinDetectPose, MannequinDrawPose, MannequinRetargetPose
from mannequin.nodes.pose_files import MannequinLoadPose, MannequinSavePose, saved_poses
from mannequin.preprocessors import people as people_module
from mannequin.preprocessors import pose_json
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.keypoints import OPENPOSE_18, Frame, from_pose_keypoint, to_pose_keypoint
from mannequin.preprocessors.people import choose_people, detect_poses
from mannequin.preprocessors.pose_json import read_pose, write_pose
from mannequin.preprocessors.retarget import BONES, MOST_RATIO, retarget
from mannequin.preprocessors.skeleton import COLOURS, draw
from PIL import Image

from devtools.host import ROOT

#: Someone who stands and faces us, in a 100×200 picture.
STANDING = """
    50 20  50 40  40 40  35 65  33 90  60 40  65 65  67 90  44 95  43 135  42 175  56 95  57 135  58 175
    47 17  53 17  43 19  57 19
"""
FITS = ("height and place", "place only", "none")


def standing(scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> torch.Tensor:
    """``[18, 3]``, everything seen."""
    points = torch.tensor([float(value) for value in STANDING.split()]).reshape(18, 2)
    return torch.cat([points * scale + torch.tensor([x, y]), torch.ones(18, 1)], 1)


def frame(*people: torch.Tensor, width: int = 100, height: int = 200) -> Frame:
    return Frame(torch.stack(people) if people else torch.zeros(0, 18, 3), width, height)


def index(*names: str) -> list[int]:
    return [OPENPOSE_18.index(name) for name in names]


def photo(name: str) -> torch.Tensor:
    picture = Image.open(ROOT / "workflows" / "inputs" / name).convert("RGB")
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None]


# Who counts


def three() -> list[dict]:
    """From left to right: small, large and with hands, middle-sized in the middle; listed in another order."""
    people = [standing(0.7, 110, 0), standing(0.4, 10, 0), standing(1.0, 200, 0)]
    poses = to_pose_keypoint([frame(*people, width=290)])
    poses[0]["people"][2]["hand_left_keypoints_2d"] = [1.0, 2.0, 0.9] * 21
    poses[0]["people"][2]["foot_keypoints_2d"] = [3.0, 4.0, 0.9] * 6
    poses[0]["version"] = "1.3"
    return poses


@pytest.mark.parametrize(
    "options, chosen",
    [
        ({"on_several": "largest"}, [2]),
        ({"on_several": "most central"}, [0]),
        ({"on_several": "all"}, [0, 1, 2]),
        ({"on_several": "index"}, [1]),
        ({"on_several": "index", "person": 2}, [0]),
        ({"on_several": "index", "person": 3}, [2]),
        ({"on_several": "index", "person": 4, "on_no_person": "skip"}, []),
    ],
    ids=str,
)
def test_choose_person(options, chosen):
    poses = three()
    (kept,) = choose_people(poses, **options)
    assert kept["people"] == [poses[0]["people"][number] for number in chosen], "with hands and feet"
    assert kept["version"] == "1.3" and poses == three(), "what came in is as it was"


def test_a_person_beyond_those_found():
    with pytest.raises(ConditionError, match="Person 4 is asked for and picture 1 of the batch shows 3"):
        choose_people(three(), on_several="index", person=4)


def test_someone_without_points_is_nobody():
    poses = to_pose_keypoint([frame(torch.zeros(18, 3), standing())])
    assert choose_people(poses, on_several="index") == choose_people(poses, on_several="error")
    assert len(choose_people(poses, on_several="all")[0]["people"]) == 1
    with pytest.raises(ConditionError, match="Nobody was found in picture 2"):
        choose_people(poses + to_pose_keypoint([frame(torch.zeros(18, 3))]))


def test_several_can_be_an_error():
    with pytest.raises(NodeError, match="^Choose Person: 3 people were found in picture 1"):
        MannequinChoosePerson.execute(pose=three(), on_no_person="error", on_several="error")


def test_people_of_a_photo_from_the_left():
    image = photo("mannequin_group.jpg")
    (everyone,) = detect_poses(image, on_several="all")
    one_by_one = [
        detect_poses(image, on_several="index", person=number + 1)[0].people[0]
        for number in range(len(everyone.people))
    ]
    assert {tuple(person.flatten().tolist()) for person in one_by_one} == {
        tuple(person.flatten().tolist()) for person in everyone.people
    }
    hips = [float(person[index("right hip", "left hip"), 0].mean()) for person in one_by_one]
    assert hips == sorted(hips) and len(hips) >= 2
    beyond = {"on_several": "index", "person": 90}
    with pytest.raises(ConditionError, match="Person 90 is asked for and picture 1"):
        detect_poses(image, **beyond)
    assert not len(detect_poses(image, on_no_person="skip", **beyond)[0].people)


# Layouts, and what other nodes expect


@pytest.mark.parametrize("layout, points", [("OpenPose-18", 18), ("COCO-17", 17)])
def test_layouts_read_back(layout, points):
    (pose,) = to_pose_keypoint([frame(standing())], layout)
    assert len(pose["people"][0]["pose_keypoints_2d"]) == 3 * points
    assert torch.equal(from_pose_keypoint([pose])[0].people[0], standing())


def test_coco_is_in_cocos_order():
    (pose,) = to_pose_keypoint([frame(standing())], "COCO-17")
    points = np.reshape(pose["people"][0]["pose_keypoints_2d"], (17, 3))
    names = ("left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow")
    for place, name in enumerate(names, start=1):
        assert points[place].tolist() == standing()[OPENPOSE_18.index(name)].tolist(), name
    assert points[16].tolist() == standing()[OPENPOSE_18.index("right ankle")].tolist()


def test_detect_pose_in_both_layouts():
    options = {"image": photo("mannequin_source.png"), "on_no_person": "error", "on_several": "largest"}
    poses = [
        MannequinDetectPose.execute(**options, threshold=0.5, layout=layout)[0] for layout in ("OpenPose-18", "COCO-17")
    ]
    body, coco = (from_pose_keypoint(pose)[0].people for pose in poses)
    assert torch.allclose(body, coco, atol=1e-3)


def test_faces_and_hands_are_there_for_who_expects_them():
    """The host's SDPose nodes reshape them to 70 and 21 points, whatever they are; one list for each person."""
    first, second = to_pose_keypoint([frame(standing(), standing())])[0]["people"]
    for name, points in (("face", 70), ("hand_left", 21), ("hand_right", 21)):
        assert np.reshape(first[f"{name}_keypoints_2d"], (points, 3)).any() == False  # noqa: E712
        assert first[f"{name}_keypoints_2d"] is not second[f"{name}_keypoints_2d"]


def test_whole_body_of_coco_is_read():
    values = [value for number in range(133) for value in (10.0 + number, 20.0, 1.0)]
    pose = {"people": [{"pose_keypoints_2d": values}], "canvas_width": 200, "canvas_height": 100}
    (read,) = from_pose_keypoint(pose)
    assert read.people[0, OPENPOSE_18.index("left ankle"), 0] == 25


def test_unlikely_points_are_not_seen():
    """SDPose scores every point; its own drawing begins at 0.3."""
    person = standing()
    person[index("left ankle"), 2] = 0.29
    (read,) = from_pose_keypoint(to_pose_keypoint([frame(person)]))
    assert read.visible() == set(OPENPOSE_18) - {"left ankle"}


def test_numbers_of_any_length():
    pose = {"people": [{"pose_keypoints_2d": [10**400] * 54}], "canvas_width": 200, "canvas_height": 100}
    with pytest.raises(ConditionError, match="not numbers"):
        from_pose_keypoint(pose)


# Units, forms and values that other packs and programs write


def values_of(person: torch.Tensor) -> list[float]:
    return person.flatten().tolist()


def pose_of(*people, **more) -> dict:
    return {"people": [{"pose_keypoints_2d": person} for person in people]} | more


CANVAS = {"canvas_width": 100, "canvas_height": 200}


def fractions(person: torch.Tensor) -> torch.Tensor:
    return person / torch.tensor([100.0, 200.0, 1.0])


@given(strays=st.sets(st.integers(0, 17), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_stray_points_do_not_decide_the_unit(strays):
    """Most points of each person tell pixels or fractions; whoever else is there does not count."""
    whole, strays = standing(), sorted(strays)
    stray = fractions(whole)
    stray[strays, :2] = whole[strays, :2]
    in_pixels = whole.clone()
    in_pixels[strays, :2] = fractions(whole)[strays, :2]
    (read,) = from_pose_keypoint(pose_of(*map(values_of, (whole, stray, in_pixels, fractions(whole))), **CANVAS))
    wanted = whole.clone()
    wanted[strays] = 0
    for person, right in zip(read.people, (whole, wanted, wanted, whole), strict=True):
        assert torch.allclose(person, right, atol=1e-3)


def test_a_stray_shoulder_of_coco_makes_no_neck():
    (pose,) = to_pose_keypoint([frame(standing())], "COCO-17")
    points = np.reshape(pose["people"][0]["pose_keypoints_2d"], (17, 3))
    points[5, :2] = 0.5
    (read,) = from_pose_keypoint(pose_of(points.flatten().tolist(), **CANVAS))
    assert read.visible() == set(OPENPOSE_18) - {"left shoulder", "neck"}


def test_few_points_are_of_the_others_unit():
    """A wrist at the corner, and no more of someone, among people in pixels."""
    wrist = torch.zeros(18, 3)
    wrist[4] = torch.tensor([1.5, 1.9, 1.0])
    (read,) = from_pose_keypoint(pose_of(values_of(standing()), values_of(wrist), **CANVAS))
    assert torch.equal(read.people[1], wrist)
    (read,) = from_pose_keypoint(pose_of(values_of(fractions(standing())), values_of(wrist), **CANVAS))
    assert read.people[1, 4].tolist() == [150, pytest.approx(380), 1]


def test_on_a_tiny_canvas_small_numbers_are_pixels():
    tiny = standing() / torch.tensor([50.0, 50.0, 1.0])
    (read,) = from_pose_keypoint(pose_of(values_of(tiny), canvas_width=2, canvas_height=4))
    assert torch.allclose(read.people[0], tiny)


def test_openposes_own_has_no_canvas():
    """Worked out: as far from the right edge as from the left, from below as from above; for all frames one."""
    own = pose_of(values_of(standing(1.0, 20, 10)), version=1.3)
    (read,) = from_pose_keypoint(own)
    assert torch.equal(read.people[0], standing(1.0, 20, 10))
    assert (read.width, read.height) == (53 + 87, 27 + 185)
    both = from_pose_keypoint([own, pose_of(values_of(standing(1.0, 60, 30)))])
    assert {(one.width, one.height) for one in both} == {(53 + 127, 27 + 205)}
    stray = standing()
    stray[4, :2] = 1e6
    assert from_pose_keypoint(pose_of(values_of(stray)))[0].width < 200, "a mistake makes no canvas"
    (chosen,) = choose_people(own)
    assert (chosen["canvas_width"], chosen["canvas_height"], chosen["version"]) == (140, 212, 1.3)


def test_a_canvas_for_files_without_one(folders):
    own, ours = pose_of(values_of(standing())), pose_of(values_of(standing()), **CANVAS)
    for name, pose in (("own", own), ("ours", ours), ("share", pose_of(values_of(fractions(standing()))))):
        (folders / "input" / f"{name}.json").write_text(json.dumps(pose))
    for name, size in (("own", (300, 400)), ("ours", (100, 200)), ("share", (300, 400))):
        pose = MannequinLoadPose.execute(saved_pose=f"{name}.json", canvas_width=300, canvas_height=400)[0]
        (read,) = from_pose_keypoint(pose)
        assert (read.width, read.height) == (pose[0]["canvas_width"], pose[0]["canvas_height"]) == size
        assert torch.allclose(read.people[0, 2], torch.tensor([120.0, 80, 1] if name == "share" else [40.0, 40, 1]))
    assert MannequinLoadPose.execute(saved_pose="own.json")[0][0]["canvas_height"] == 17 + 175
    with pytest.raises(NodeError, match="^Load Pose: share.json: The pose has no canvas size.*Give Load Pose"):
        MannequinLoadPose.execute(saved_pose="share.json")
    with pytest.raises(NodeError, match="^Load Pose: The canvas is 300×0"):
        MannequinLoadPose.execute(saved_pose="own.json", canvas_width=300)


@pytest.mark.parametrize("name", ["pose_keypoints", "keypoints"])
def test_other_names_of_a_persons_array(name):
    """OpenPose's before version 1.2, and COCO's; also without a dictionary around it."""
    for person in ({name: values_of(standing()), "score": 0.5}, standing().numpy(), standing().tolist()):
        pose = {"people": [person], **CANVAS}
        assert torch.equal(from_pose_keypoint(pose)[0].people[0], standing())
        assert torch.equal(from_pose_keypoint(choose_people(pose))[0].people[0], standing())


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("nested", [False, True])
def test_an_editors_form(people, nested):
    """Points without confidences, people one after the other; −1 or 0, 0 or null is one that is missing."""
    each = [standing(0.5, 60 * number, 10)[:, :2].round().tolist() for number in range(people)]
    each[0][4], each[0][7], each[0][10] = [-1, -1], [0, 0], None
    keypoints = each if nested else [point for person in each for point in person]
    (read,) = from_pose_keypoint({"width": 100, "height": 200, "keypoints": keypoints})
    assert (read.width, read.height) == (100, 200) and len(read.people) == people
    wanted = standing(0.5, 0, 10).round()
    wanted[[4, 7, 10]] = 0
    assert torch.equal(read.people[0], wanted)
    (pose,) = choose_people({"width": 100, "height": 200, "keypoints": keypoints}, on_several="all")
    assert len(pose["people"]) == people and (pose["canvas_width"], pose["canvas_height"]) == (100, 200)


@pytest.mark.parametrize("layout", [17, 18, 25])
@pytest.mark.parametrize("numbers", [2, 3])
@pytest.mark.parametrize(
    "form",
    [
        lambda points: points.flatten().tolist(),
        lambda points: points.tolist(),
        lambda points: tuple(map(tuple, points.tolist())),
        lambda points: points,
        lambda points: points.flatten().numpy(),
        lambda points: list(points.flatten()),
        lambda points: list(points.numpy()),
        lambda points: list(points.double().numpy().flatten()),
    ],
    ids=("flat", "rows", "tuples", "tensor", "array", "tensors", "arrays", "numpy floats"),
)
def test_arrays_of_any_kind(layout, numbers, form):
    points = torch.cat([torch.arange(2 * layout).reshape(layout, 2) + 5.0, torch.ones(layout, 1)], 1)
    plain = from_pose_keypoint(pose_of(values_of(points), **CANVAS))[0].people
    size = {"canvas_width": np.int64(100), "canvas_height": torch.tensor(200)}
    (read,) = from_pose_keypoint(pose_of(form(points[:, :numbers]), **size))
    assert torch.equal(read.people, plain) and (read.width, read.height) == (100, 200)
    (kept,) = from_pose_keypoint(choose_people((pose_of(form(points[:, :numbers]), **size),)))
    assert torch.equal(kept.people, plain)


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(18, 4),
        torch.zeros(1, 1, 18, 3),
        np.zeros((18, 3), complex),
        np.array(["a"] * 54),
        np.array(5.0),
        [torch.zeros(2)] * 53,
        [[1.0, 2.0, 3.0]] * 17 + [[1.0]],
        "a" * 54,
        {"nose": 1},
        object(),
        3.5,
        True,
        [b"x"] * 54,
    ],
    ids=lambda value: type(value).__name__,
)
def test_nonsense_is_one_sentence(wrong):
    for pose in (pose_of(wrong, **CANVAS), {"width": 9, "height": 9, "keypoints": wrong}):
        with pytest.raises(NodeError, match="^Choose Person: The pose has [^\n]*(not numbers|body points)[^\n]*$"):
            MannequinChoosePerson.execute(pose=pose, on_no_person="skip", on_several="all")


@pytest.mark.parametrize("side", [torch.zeros(2), [1, 2], "wide", {}, b"\xff", -5, 1j], ids=str)
def test_a_canvas_that_is_none(side):
    with pytest.raises(ConditionError, match="no canvas size .canvas_width is"):
        from_pose_keypoint(pose_of(values_of(standing()), canvas_width=side, canvas_height=9))


# Drawing


def test_line_width():
    areas = [float((draw([frame(standing())], 256, 512, width).sum(-1) > 0).sum()) for width in (0.5, 1.0, 2.0)]
    assert 1.6 < areas[1] / areas[0] < 2.2 and 1.5 < areas[2] / areas[1] < 2.2


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (8192, 64)], ids=str)
def test_a_skeleton_at_extreme_sizes(size):
    picture = MannequinDrawPose.execute(pose=to_pose_keypoint([frame(standing())]), width=size[0], height=size[1])[0]
    assert picture.shape == (1, size[1], size[0], 3) and picture.any()


def test_limbs_in_openposes_colours():
    """Six tenths of the joint's colour, half-way between two joints."""
    picture = draw([frame(standing())], 512, 1024)[0]
    for (start, end), colour in (((2, 3), 2), ((8, 9), 7), ((12, 13), 11)):
        x, y = (5.12 * standing()[[start, end], :2].mean(0)).round().int().tolist()
        assert torch.allclose(picture[y, x] * 255, torch.tensor(COLOURS[colour]) * 0.6, atol=1), (start, end)


# Retargeting


def bent(seed: int) -> torch.Tensor:
    """Someone standing whose limbs turn by up to 60 degrees: same lengths, other directions."""
    generator = torch.Generator().manual_seed(seed)
    person = standing()
    for chain in ((2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12, 13)):
        for joint, start in enumerate(chain[:-1]):
            angle = float((torch.rand((), generator=generator) - 0.5) * 2 * math.pi / 3)
            turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            rest = list(chain[joint + 1 :])
            person[rest, :2] = (person[rest, :2] - person[start, :2]) @ turn.T + person[start, :2]
    return person


def hidden(person: torch.Tensor, seed: int, most: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(0, most + 1, (), generator=generator))
    person = person.clone()
    person[torch.randperm(18, generator=generator)[:count]] = 0
    return person


def bones(person: torch.Tensor) -> dict[tuple[int, int], torch.Tensor]:
    pairs = [pair for bone in BONES for side in bone.sides for pair in zip(side, side[1:], strict=False)]
    return {pair: person[pair[1], :2] - person[pair[0], :2] for pair in pairs if (person[list(pair), 2] > 0).all()}


seeds = st.integers(0, 10**6)
either = st.sampled_from(("target", "source"))


@given(seed=seeds, fit=st.sampled_from(FITS), limbs=either, people=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_retargeted_to_themselves_people_stay(seed, fit, limbs, people):
    crowd = frame(*(hidden(bent(seed + number), seed + number) * 1.0 for number in range(people)))
    (same,) = retarget([crowd], [crowd], fit, limbs)
    assert (same.width, same.height) == (100, 200) and same.people.shape == crowd.people.shape
    assert {tuple(np.round(person.flatten().tolist(), 2)) for person in same.people} == {
        tuple(np.round(person.flatten().tolist(), 2)) for person in crowd.people
    }


@given(seed=seeds, limbs=either, scale=st.floats(0.1, 10), x=st.floats(-50, 50), y=st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_where_and_how_large_the_target_was_does_not_count(seed, limbs, scale, x, y):
    source, person = hidden(bent(seed), seed, 4), hidden(bent(seed + 1), seed + 1, 4)
    moved = person.clone()
    moved[:, :2] = (moved[:, :2] * scale + torch.tensor([x, y])) * (moved[:, 2:] > 0)
    first, second = (retarget([frame(each)], [frame(source)], limb_lengths=limbs)[0] for each in (person, moved))
    assert torch.allclose(first.people, second.people, atol=0.05)


@given(seed=seeds, limbs=either, scale=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_a_larger_photo_of_the_source_gives_the_larger_pose(seed, limbs, scale):
    source, target = frame(hidden(bent(seed), seed, 4)), frame(hidden(bent(seed + 1), seed + 1, 4))
    large = Frame(source.people * torch.tensor([scale, scale, 1.0]), 100 * scale, 200 * scale)
    first, second = (retarget([target], [each], limb_lengths=limbs)[0] for each in (source, large))
    assert torch.allclose(first.people * torch.tensor([scale, scale, 1.0]), second.people, atol=0.01 * scale)
    assert (second.width, second.height) == (large.width, large.height)


@given(seed=seeds, fit=st.sampled_from(FITS), limbs=either)
@settings(max_examples=60, deadline=None)
def test_directions_are_kept(seed, fit, limbs):
    target = hidden(bent(seed), seed)
    source = hidden(bent(seed + 1), seed + 1)
    source[:, :2] *= torch.tensor([1.2, 0.8])
    if not (source[:, 2] > 0).any():
        return
    (result,) = retarget([frame(target)], [frame(source)], fit, limbs)
    if not len(result.people):
        return
    before, after = bones(target), bones(result.people[0])
    assert before.keys() == after.keys()
    for pair, direction in before.items():
        cross = direction[0] * after[pair][1] - direction[1] * after[pair][0]
        assert abs(float(cross)) < 1e-3 * float(direction.norm() * after[pair].norm()) + 1e-3
        assert float(direction @ after[pair]) >= 0


def test_height_and_place_of_the_source():
    """A child at the left becomes as tall as the adult at the right, with feet on their floor."""
    (result,) = retarget([frame(standing(0.5, 3, 60))], [frame(standing(1.0, 20, 10), width=140, height=220)])
    assert torch.allclose(result.people[0], standing(1.0, 20, 10), atol=1e-3)
    assert (result.width, result.height) == (140, 220)


def test_place_only_keeps_the_size():
    (result,) = retarget([frame(standing(0.5, 3, 60))], [frame(standing(1.0, 0, 0))], "place only")
    assert torch.allclose(result.people[0], standing(0.5, 25, 87.5), atol=1e-3), "feet at 175, hips at 50"


def test_without_a_fit_the_canvas_goes_into_the_other():
    (result,) = retarget([frame(standing())], [frame(standing(), width=400, height=400)], "none")
    assert torch.allclose(result.people[0], standing(2.0, 100, 0), atol=1e-3)


def test_source_limbs_are_the_sources():
    """Long legs in the source, short ones in the target, whose legs point elsewhere: the source's lengths arrive."""
    source, target = standing(), bent(5)
    for knee, ankle in ((9, 10), (12, 13)):
        source[[knee, ankle], 1] += 10
        source[ankle, 1] += 10
    (result,) = retarget([frame(target)], [frame(source)], limb_lengths="source")
    wanted, got = bones(source), bones(result.people[0])
    for pair, bone in wanted.items():
        assert float(got[pair].norm()) == pytest.approx(float(bone.norm()), rel=1e-3), pair
    kept = bones(retarget([frame(target)], [frame(source)], limb_lengths="target")[0].people[0])
    assert float(kept[(8, 9)].norm()) < 0.9 * float(wanted[(8, 9)].norm())


def test_a_foreshortened_limb_stays_foreshortened():
    target = standing()
    target[4, :2] = target[3, :2] + 0.3 * (target[4, :2] - target[3, :2])
    (result,) = retarget([frame(target)], [frame(standing())], limb_lengths="source")
    assert torch.allclose(result.people[0], target, atol=1e-3), "the other forearm tells its true length"


def test_both_shins_foreshortened_do_not_make_a_giant():
    target = standing()
    for knee, ankle in ((9, 10), (12, 13)):
        target[ankle, :2] = target[knee, :2] + 0.2 * (target[ankle, :2] - target[knee, :2])
    (result,) = retarget([frame(target)], [frame(standing())], limb_lengths="source")
    lengths = {pair: float(bone.norm()) for pair, bone in bones(result.people[0]).items()}
    assert lengths[(8, 9)] == pytest.approx(float(bones(standing())[(8, 9)].norm()), rel=1e-3)
    assert lengths[(9, 10)] == pytest.approx(0.2 * MOST_RATIO * float(bones(standing())[(9, 10)].norm()), rel=1e-3)


def test_upper_bodies_have_no_feet():
    """Hips on hips where no ankle is seen, neck on neck where no hip is."""
    source, target = standing(2.0), standing(1.0)
    lower = index("right knee", "right ankle", "left knee", "left ankle")
    source[lower] = 0
    (result,) = retarget([frame(target)], [frame(source)])
    assert torch.allclose(result.people[0], standing(2.0), atol=1e-3)
    source[index("right hip", "left hip")] = 0
    (result,) = retarget([frame(target)], [frame(source)])
    assert torch.allclose(result.people[0], standing(2.0), atol=1e-3)


def test_people_of_equal_number_are_matched_from_the_left():
    target = frame(standing(0.5, 120, 0), standing(0.5, 0, 0), width=300)
    source = frame(standing(0.8, 0, 5), standing(1.2, 150, 0), width=300, height=220)
    (result,) = retarget([target], [source])
    assert torch.allclose(result.people[0], standing(0.8, 0, 5), atol=1e-3)
    assert torch.allclose(result.people[1], standing(1.2, 150, 0), atol=1e-3)


def test_the_largest_drives_all_where_numbers_differ():
    target = frame(standing(0.5, 0, 0), standing(0.4, 60, 0), width=300)
    (result,) = retarget([target], [frame(standing(1.0))])
    assert torch.allclose(result.people, torch.stack([standing(1.0), standing(0.8, 120, 0)]), atol=1e-3)


@pytest.mark.parametrize("targets, sources, results", [(1, 3, 3), (3, 1, 3), (2, 2, 2)])
def test_batches(targets, sources, results):
    assert len(retarget([frame(standing())] * targets, [frame(standing())] * sources)) == results


def test_what_cannot_be_retargeted():
    pose = to_pose_keypoint([frame(standing())])
    with pytest.raises(NodeError, match="^Retarget Pose: The source pose shows nobody in frame 1"):
        options = {"fit": "height and place", "limb_lengths": "source"}
        MannequinRetargetPose.execute(pose=pose, source_pose=to_pose_keypoint([frame()]), **options)
    with pytest.raises(ConditionError, match="2 frames and the source pose 3"):
        retarget([frame(standing())] * 2, [frame(standing())] * 3)
    assert not len(retarget([frame()], [frame(standing())])[0].people), "frames of a video may show nobody"


@given(seed=seeds, fit=st.sampled_from(FITS), limbs=either)
@settings(max_examples=80, deadline=None)
def test_whatever_is_seen_the_result_is_numbers(seed, fit, limbs):
    generator = torch.Generator().manual_seed(seed)
    crowds = []
    for _ in range(2):
        points = torch.rand(2, 18, 3, generator=generator) * torch.tensor([100.0, 200.0, 1.0])
        # All at one place, one point only, and the like.
        points = points * torch.randint(0, 2, (2, 18, 1), generator=generator)
        points[..., :2] *= torch.randint(0, 2, (2, 1, 1), generator=generator)
        crowds.append(Frame(points, 100, 200))
    if not (crowds[1].people[..., 2] > 0).any():
        return
    (result,) = retarget([crowds[0]], [crowds[1]], fit, limbs)
    assert torch.isfinite(result.people).all() and draw([result], 20, 40).shape == (1, 40, 20, 3)


# Files


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The host's input and output folder."""
    import folder_paths

    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


def test_saved_and_loaded_a_pose_is_the_same(folders):
    poses = three()
    for number in (1, 2):
        saved = MannequinSavePose.execute(pose=poses, prefix="poses/pose")
        name = f"pose_{number:05}_.json"
        assert saved.ui == {"poses": [{"filename": name, "subfolder": "poses", "type": "output"}]}
        assert saved[0] == poses
    assert saved_poses() == ["poses/pose_00001_.json [output]", "poses/pose_00002_.json [output]"]
    assert MannequinLoadPose.execute(saved_pose="poses/pose_00002_.json [output]")[0] == poses
    assert [option for option in MannequinLoadPose.define_schema().inputs[0].options] == saved_poses()


def test_a_file_in_the_input_folder(folders):
    """As comfyui_controlnet_aux's Save Pose Keypoints writes it, and a single frame as editors do."""
    (folders / "input" / "PoseKeypoint_00001.json").write_text(json.dumps(three()), encoding="utf-8")
    (folders / "input" / "one.json").write_text(json.dumps(three()[0]), encoding="utf-8")
    assert saved_poses() == ["PoseKeypoint_00001.json", "one.json"]
    for name in saved_poses():
        assert MannequinLoadPose.validate_inputs(saved_pose=name) is True
        assert MannequinLoadPose.execute(saved_pose=name)[0] == three()


def test_a_changed_file_is_read_again(folders):
    file = folders / "input" / "a.json"
    write_pose(file, three())
    before = MannequinLoadPose.fingerprint_inputs(saved_pose="a.json")
    assert before == MannequinLoadPose.fingerprint_inputs(saved_pose="a.json")
    write_pose(file, to_pose_keypoint([frame()]))
    assert before != MannequinLoadPose.fingerprint_inputs(saved_pose="a.json")
    # The host hands over all inputs here.
    inputs = MannequinLoadPose.define_schema().inputs
    MannequinLoadPose.fingerprint_inputs(**{one.id: "a.json" if one.id == "saved_pose" else 0 for one in inputs})


@pytest.mark.parametrize("name", ["gone.json", "../secret.json", "/etc/passwd", "a.txt", "../secret.json [output]"])
def test_a_file_that_is_not_listed_is_not_read(folders, name):
    write_pose(folders / "secret.json", three())
    assert "There is no pose" in MannequinLoadPose.validate_inputs(saved_pose=name)
    assert MannequinLoadPose.fingerprint_inputs(saved_pose=name) == ""
    with pytest.raises(NodeError, match="^Load Pose: There is no pose"):
        MannequinLoadPose.execute(saved_pose=name)
    assert MannequinLoadPose.validate_inputs(saved_pose=None) is True, "a value on a wire is not known yet"


@pytest.mark.parametrize(
    "text, words",
    [
        (b"", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"{}", "no canvas size"),
        (b"[]", "no POSE_KEYPOINT"),
        (b"3", "no POSE_KEYPOINT"),
        (b'{"nodes": [], "links": []}', "no canvas size"),
        (b'[{"people": [{"pose_keypoints_2d": [1]}], "canvas_width": 9, "canvas_height": 9}]', "body points"),
    ],
)
def test_files_of_something_else(tmp_path, text, words):
    (tmp_path / "some.json").write_bytes(text)
    with pytest.raises(ConditionError, match=f"some.json.*{words}"):
        read_pose(tmp_path / "some.json")


def test_an_enormous_file(tmp_path, monkeypatch):
    monkeypatch.setattr(pose_json, "MOST_BYTES", 10)
    write_pose(tmp_path / "some.json", three())
    with pytest.raises(ConditionError, match="some.json has 0 MB; a pose may have"):
        read_pose(tmp_path / "some.json")


@pytest.mark.parametrize("prefix", ["", " ", "../pose", "a/../../b", "/tmp/pose", "C:/pose", "..\\pose"])
def test_nothing_is_saved_outside_the_output_folder(folders, prefix):
    with pytest.raises(NodeError, match="^Save Pose: .* is no name in the output folder"):
        MannequinSavePose.execute(pose=three(), prefix=prefix)
    assert not list(folders.rglob("*.json"))


def test_arrays_and_what_is_no_number_are_written(tmp_path):
    """Some nodes give numpy's arrays, and NaN for what they did not find; JSON has neither."""
    poses = three()
    poses[0]["people"] = poses[0]["people"][:1]
    poses[0]["people"][0]["face_keypoints_2d"] = np.array([1.5, np.nan, np.inf])
    poses[0]["people"][0]["score"] = np.float32(0.5)
    write_pose(tmp_path / "a.json", poses)
    person = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))[0]["people"][0]
    assert person["face_keypoints_2d"] == [1.5, 0.0, 0.0] and person["score"] == 0.5
    with pytest.raises(ConditionError, match="JSON cannot: a object"):
        write_pose(tmp_path / "b.json", [three()[0] | {"extra": object()}])
    with pytest.raises(ConditionError, match="no POSE_KEYPOINT"):
        write_pose(tmp_path / "b.json", "pose")


def test_boxes_around_people():
    image = photo("mannequin_source.png")
    (box,) = people_module.people_boxes(image)
    assert 0 <= box.left < 60 and box.width < 140 and box.height > 250
    assert people_module.people_boxes(image * 0, on_no_person="skip") == [None]
