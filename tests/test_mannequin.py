"""The mannequin without anny: limits, occlusion, charts, points, inverse kinematics, its JSON and its node."""

import json

import numpy as np
import pytest
import torch
from mannequin.nodes.body import MannequinPoseMannequin
from mannequin.nodes.errors import NodeError
from mannequin.preprocessors.body.camera import Camera, framing, looking
from mannequin.preprocessors.body.clothes import DEFAULTS, NOTHING, dressed
from mannequin.preprocessors.body.fitting import camera_for, fit
from mannequin.preprocessors.body.mannequin import mannequins
from mannequin.preprocessors.body.model import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND, body
from mannequin.preprocessors.body.points import points_of, visibility
from mannequin.preprocessors.body.pose import STANDING, clamped, pose, turned
from mannequin.preprocessors.body.rasterizer import rasterize
from mannequin.preprocessors.body.rendering import Person, render
from mannequin.preprocessors.body.rotations import matrices, vectors
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.keypoints import OPENPOSE_18, from_pose_keypoint
from mannequin.preprocessors.labels import LIP_20

SIZE = (352, 256)
BARE = dict.fromkeys(DEFAULTS, NOTHING)


def standing(changes: dict | None = None, origin=(0.0, 0.0, 0.0), shape: dict | None = None):
    return pose(body().shaped(shape or {}), turned(body(), STANDING | (changes or {})), origin)


def person(posed, outfit: dict = BARE) -> Person:
    return Person(posed, dressed(posed.shaped, outfit))


def point(picture, name: str, who: int = 0) -> np.ndarray:
    return points_of(picture)[who, OPENPOSE_18.index(name)]


def front(*people: Person, yaw: float = 0.0):
    vertices = np.concatenate([one.posed.skinned(one.dressed.rest)[:13000] for one in people])
    return render(people, framing(vertices, looking(yaw), SIZE))


# Rotations, limits


def test_rotation_vectors_and_matrices_are_inverse():
    draw = np.random.default_rng(0)
    axes = draw.normal(size=(200, 3))
    given = axes / np.linalg.norm(axes, axis=1, keepdims=True) * draw.uniform(0, np.pi - 1e-3, (200, 1))
    given[:3] = [[0, 0, 0], [1e-9, 0, 0], [0, np.pi, 0]]
    found = matrices(given)
    assert np.abs(found @ found.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.abs(vectors(found) - given).max() < 1e-6
    quarter = matrices(np.array([0, 0, np.pi / 2])) @ [1, 0, 0]
    assert np.allclose(quarter, [0, 1, 0])


def test_limits_clamp_and_say_so():
    turns = turned(body(), {"left elbow": (200, 0, 0), "right knee": (-40, 0, 0), "head": (0, 0, 30)})
    kept, said = clamped(body(), turns)
    assert kept[body().names.index("left elbow"), 0] == 140
    assert kept[body().names.index("right knee"), 0] == -5
    assert kept[body().names.index("head"), 2] == 30
    assert len(said) == 2 and said[1].startswith("The left elbow's bend of 200°") and "140° is shown" in said[1]


@pytest.mark.parametrize("side, sign", [("left", 1), ("right", -1)])
def test_gestures_go_where_their_names_say(side, sign):
    """x is to the person's left, −y to the front, z up."""
    at = lambda name, **turn: standing({f"{side} {joint}": value for joint, value in turn.items()}).points()[  # noqa: E731
        OPENPOSE_18.index(f"{side} {name}")
    ]
    usual = {name: at(name) for name in ("wrist", "elbow", "knee", "ankle")}
    assert at("elbow", shoulder=(60, 0, 0))[1] < usual["elbow"][1] - 0.1
    assert at("elbow", shoulder=(0, 60, 0))[2] > usual["elbow"][2] + 0.2
    assert sign * at("elbow", shoulder=(0, 40, 0))[0] > sign * usual["elbow"][0] + 0.05
    # A bent elbow brings the wrist nearer to the shoulder.
    shoulder = standing().points()[OPENPOSE_18.index(f"{side} shoulder")]
    reach = np.linalg.norm(usual["wrist"] - shoulder)
    assert np.linalg.norm(at("wrist", elbow=(90, 0, 0)) - shoulder) < 0.8 * reach
    assert at("knee", hip=(60, 0, 0))[1] < usual["knee"][1] - 0.2
    assert sign * at("knee", hip=(0, 40, 0))[0] > sign * usual["knee"][0] + 0.15
    assert at("ankle", knee=(60, 0, 0))[1] > usual["ankle"][1] + 0.2


def test_the_right_side_is_the_left_in_a_mirror():
    named = {
        "shoulder": (30, 40, 50),
        "elbow": (70, 0, 0),
        "hip": (40, 30, -20),
        "knee": (50, 0, 0),
        "wrist": (20, 10, 5),
    }
    left = standing({f"left {joint}": turn for joint, turn in named.items()}).points()
    right = standing({f"right {joint}": turn for joint, turn in named.items()}).points()
    mirror = np.array([-1, 1, 1])
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        ours, theirs = OPENPOSE_18.index(f"left {name}"), OPENPOSE_18.index(f"right {name}")
        assert np.abs(left[ours] - right[theirs] * mirror).max() < 0.003
    assert np.abs(left[LEFT_HAND] - right[RIGHT_HAND] * mirror).max() < 0.005


# The rasteriser


def test_a_triangle_is_interpolated_in_space():
    """Half-way between 1 m and 3 m in the picture it is 1.5 m away, not 2: 1 / distance is linear."""
    pixels = np.array([[0.0, 0], [0, 100], [100, 0]])
    hits = rasterize(pixels, np.array([1.0, 1.0, 3.0]), np.array([[0, 1, 2]]), (100, 100))
    assert hits.face[10, 49] == 0 and hits.face[60, 60] == -1 and np.isinf(hits.away[60, 60])
    share = 49.5 / 100
    assert hits.away[10, 49] == pytest.approx(1 / (1 - share + share / 3), rel=1e-5)
    assert hits.corners[10, 49].sum() == pytest.approx(1, abs=1e-5)
    assert (hits.face == 0).sum() == pytest.approx(5000, abs=60)


def test_neighbours_leave_no_gap_and_the_nearest_is_shown():
    grid = np.stack(np.meshgrid(np.linspace(-10, 60, 12), np.linspace(-10, 60, 12)), -1).reshape(-1, 2)
    grid += np.random.default_rng(1).uniform(-2, 2, grid.shape)
    quads = np.array(
        [[r * 12 + c, r * 12 + c + 1, r * 12 + c + 13, r * 12 + c + 12] for r in range(11) for c in range(11)]
    )
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    pixels = np.concatenate([grid, [[5, 5], [5, 25], [25, 5]]])
    away = np.concatenate([np.full(144, 2.0), np.full(3, 1.0)])
    hits = rasterize(pixels, away, np.concatenate([faces, [[144, 145, 146]]]), (50, 50))
    assert (hits.face >= 0).all()
    assert hits.face[8, 8] == len(faces) and hits.away[8, 8] == pytest.approx(1)
    behind = rasterize(pixels, -away, faces, (50, 50))
    assert (behind.face == -1).all()


# Pictures


def test_charts_lie_where_densepose_has_them():
    """Arms out to the sides, from the front and from behind: parts, sides and directions."""
    spread = {f"{side} shoulder": (0, 45, 0) for side in ("left", "right")}
    seen, back = front(person(standing(spread))), front(person(standing(spread)), yaw=180)
    assert set(np.unique(seen.iuv[..., 0])) >= {0, 2, 3, 4, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22, 23, 24}
    assert set(np.unique(back.iuv[..., 0])) >= {0, 1, 7, 8, 11, 12, 15, 16, 19, 20}
    where = lambda picture, part: np.argwhere(picture.iuv[..., 0] == part)[:, 1].mean()  # noqa: E731
    # The person's left is at the picture's right, seen from the front.
    assert where(seen, 4) > where(seen, 3) and where(seen, 24) > where(seen, 23)
    assert where(back, 4) < where(back, 3)
    for picture, part, sign in ((seen, 2, 1), (seen, 9, 1), (seen, 13, 1), (back, 1, -1), (back, 7, -1)):
        rows, columns = np.nonzero(picture.iuv[..., 0] == part)
        u, v = picture.iuv[rows, columns, 1].astype(float), picture.iuv[rows, columns, 2].astype(float)
        # V falls downwards, U grows to the person's left.
        assert np.corrcoef(rows, v)[0, 1] < -0.9
        assert sign * np.corrcoef(columns, u)[0, 1] > 0.8


def test_who_is_nearer_hides_the_other():
    near = person(standing(origin=(0.1, -0.6, 0.0)))
    far = person(standing(origin=(-0.1, 0.6, 0.0)))
    both = front(far, near)
    alone = render([near], both.camera)
    shown = alone.person >= 0
    assert (both.person[shown] == 1).all() and (both.person[~shown] != 1).all()
    assert np.array_equal(both.iuv[shown], alone.iuv[shown]) and np.array_equal(both.label[shown], alone.label[shown])
    assert (both.person == 0).sum() > 1000
    # The far one's left side is behind the near one, the right wrist is beside.
    assert point(both, "left hip", 0)[2] == 0.5 and point(both, "left hip", 1)[2] == 1
    assert point(both, "right wrist", 0)[2] == 1
    swapped = render([near, far], both.camera)
    assert np.array_equal(swapped.iuv, both.iuv) and np.array_equal(swapped.away, both.away)


def test_points_that_look_away():
    behind = front(person(standing()), yaw=180)
    assert not point(behind, "nose").any() and not points_of(behind)[0, FACE].any()
    assert point(behind, "right elbow")[2] == 1
    seen = points_of(front(person(standing())))[0]
    assert (seen[:18, 2] == 1).all() and (seen[FACE, 2] == 1).all()
    # Toes are seen from the front, heels are not.
    assert seen[FEET, 2].tolist() == [1, 1, 0.5, 1, 1, 0.5]
    # iBUG: chin below the mouth below the nose below the brows; the person's right eye is at the left.
    face = seen[FACE]
    assert face[8, 1] > face[57, 1] > face[51, 1] > face[33, 1] > face[30, 1] > face[19, 1]
    assert face[0, 0] < face[36, 0] < face[39, 0] < face[42, 0] < face[45, 0] < face[16, 0]
    assert np.abs(face[68, :2] - seen[14, :2]).max() < 3 and np.abs(face[69, :2] - seen[15, :2]).max() < 3
    outside = visibility(np.array([[-1.0, 5], [5, 5]]), np.ones(2), np.ones((10, 10)))
    assert outside[0].tolist() == [-1, 5, 0] and outside[1, 2] == 1


def test_clothes_have_their_labels():
    usual = front(person(standing(), DEFAULTS))
    shown = {LIP_20[number] for number in np.unique(usual.label)}
    assert shown == {
        *("Background", "Hair", "Face", "Upper-clothes", "Pants", "Left-arm", "Right-arm", "Left-shoe", "Right-shoe")
    }
    assert np.array_equal(usual.label > 0, usual.person >= 0)
    skirt = front(person(standing(), DEFAULTS | {"bottom": "short skirt", "top": "short sleeves", "hair": "long"}))
    shown = {LIP_20[number] for number in np.unique(skirt.label)}
    assert {"Skirt", "Left-leg", "Right-leg"} <= shown and "Pants" not in shown
    bare, dressed_ = front(person(standing())), usual
    assert (dressed_.person >= 0).sum() > (bare.person >= 0).sum()


# Inverse kinematics

POSES = {
    "standing": {},
    "waving": {"right shoulder": (10, 70, 0), "right elbow": (80, 0, 0), "head": (0, 0, 25)},
    "walking": {
        "left hip": (30, 0, 0),
        "right hip": (-15, 0, 0),
        "right knee": (35, 0, 0),
        "left shoulder": (-20, -25, 0),
    },
    "sitting": {f"{side} {joint}": (85, 0, 0) for side in ("left", "right") for joint in ("hip", "knee")},
}


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("yaw", [0, 50, 170])
def test_a_pose_is_found_from_its_own_points(name, yaw):
    posed = standing(POSES[name])
    camera = framing(posed.skinned(posed.shaped.vertices)[:13000], looking(yaw), (704, 512))
    pixels, _ = camera.project(camera.seen(posed.points()[BODY]))
    points = np.concatenate([pixels, np.ones((18, 1))], 1)
    found = fit(posed.shaped, points, camera_for(posed.shaped, points[None], camera.size))
    assert found.error < 4 and found.points == 18
    assert not clamped(body(), found.posed.turns)[1]
    # Points that it was not given. Which leg is in front, points of one picture do not tell.
    if name in ("standing", "waving"):
        theirs = camera.project(camera.seen(posed.points()[FEET]))[0]
        ours = found.posed.points()[FEET]
        lens = camera_for(posed.shaped, points[None], camera.size)
        assert np.linalg.norm(lens.project(lens.seen(ours))[0] - theirs, axis=1).mean() < 25


def test_a_wrong_point_spoils_nothing_and_a_missing_one_is_no_matter():
    posed = standing(POSES["waving"])
    camera = framing(posed.skinned(posed.shaped.vertices)[:13000], looking(0), (704, 512))
    pixels, _ = camera.project(camera.seen(posed.points()[BODY]))
    points = np.concatenate([pixels, np.ones((18, 1))], 1)
    points[OPENPOSE_18.index("left knee"), :2] += [180, -60]
    points[OPENPOSE_18.index("right ankle"), 2] = 0
    lens = Camera(looking(0), np.zeros(3), 5.0, camera.scale, camera.size)
    found = fit(posed.shaped, points, lens)
    ours = lens.project(lens.seen(found.posed.points()[BODY]))[0]
    kept = np.array([name not in ("left knee", "right ankle", "left ankle") for name in OPENPOSE_18])
    assert np.linalg.norm(ours - pixels, axis=1)[kept].mean() < 12


def test_too_few_points_are_a_sentence():
    with pytest.raises(ConditionError, match="3 points of the body are seen, and a pose needs 5"):
        fit(
            body().shaped({}),
            np.concatenate([np.ones((3, 3)), np.zeros((15, 3))]),
            camera_for(body().shaped({}), np.zeros((0, 18, 3)), SIZE),
        )


# JSON and the node


def node(mannequin: str = "", pose=None, **changes):
    inputs = {"width": 256, "height": 352, "hidden_points": "keep", "on_no_person": "error"} | changes
    return MannequinPoseMannequin.execute(mannequin=mannequin, pose=pose, **inputs).args


def test_the_node_gives_everything_of_one_size():
    keypoints, densepose, parsing, skeleton, depth, normals, mask, text, report = node()
    assert report == "" and len(json.loads(text)["people"]) == 1
    for picture in (skeleton, depth, normals):
        assert picture.shape == (1, 352, 256, 3) and 0 <= float(picture.min()) and float(picture.max()) <= 1
    assert torch.equal(densepose.iuv[..., 0] > 0, mask > 0) and torch.equal(parsing.labels > 0, mask > 0)
    assert torch.equal(depth[..., 0] > 0, mask > 0) and 0.05 < float(mask.mean()) < 0.5
    (who,) = keypoints[0]["people"]
    lengths = {"pose": 18, "face": 70, "hand_left": 21, "hand_right": 21, "foot": 6}
    for part, points in lengths.items():
        assert len(who[f"{part}_keypoints_2d"]) == 3 * points
    assert from_pose_keypoint(keypoints)[0].visible() == set(OPENPOSE_18)
    # Nose in the upper middle, feet below: the person stands upright and is centred.
    points = from_pose_keypoint(keypoints)[0].people[0]
    assert points[0, 1] < 80 < 270 < points[10, 1] and abs(float(points[0, 0]) - 128) < 10


def test_its_text_gives_the_same_picture_again():
    first = node(
        '{"people": [{"joints": {"left elbow": 60}, "turn": 30}, {"position": [0.7, 0]}], "camera": {"yaw": 20}}'
    )
    again = node(first[7])
    same = (first[1].iuv[..., 0] == again[1].iuv[..., 0]).float().mean()
    assert same > 0.995 and again[8] == ""


def test_the_node_takes_a_pose():
    scene = '{"people": [{"joints": {"left shoulder": [80, 0, 0], "left elbow": 40}}], "camera": {"yaw": 30}}'
    given = node(scene)
    found = node("", given[0], width=512, height=704)
    ours, theirs = (from_pose_keypoint(one[0])[0].people[0][:, :2] for one in (found, given))
    assert (ours[2:14] - 2 * theirs[2:14]).norm(dim=1).mean() < 6
    assert found[8].startswith("Picture 1, person 1: ") and found[8].endswith("fits well.")
    bare = found[1].iuv[..., 0] > 0
    wanted = torch.nn.functional.interpolate((given[6] > 0).float()[None], scale_factor=2)[0] > 0
    assert float((bare & wanted).sum() / (bare | wanted).sum()) > 0.75


@pytest.mark.parametrize(
    "text, said",
    [
        ("{", "is no JSON"),
        ("[]", "is a list; an object"),
        ('{"persons": []}', "has no 'persons'. It has version, people, camera"),
        ('{"version": 9}', "is of version 9; this one reads version 1"),
        ('{"people": {}}', "is no list"),
        (json.dumps({"people": [{}] * 100}), "has 100 people; up to 16"),
        ('{"people": [{"joints": {"tail": 1}}]}', "'tail' is no joint of the mannequin. The joints are hips"),
        ('{"people": [{"joints": {"head": "up"}}]}', "Person 1's head is 'up'; a number is needed"),
        ('{"people": [{"joints": {"head": [1, 2]}}]}', "3 numbers in brackets"),
        ('{"people": [{"shape": {"age": 1}}]}', "'age' is no axis of the shape. The axes are sex"),
        ('{"people": [{"shape": {"sex": 7}}]}', "it goes from -1 to 1"),
        ('{"people": [{"clothes": {"top": "armour"}}]}', "There is no top 'armour'. There is none, sleeveless"),
        ('{"people": [{"clothes": {"cape": "red"}}]}', "'cape' is nothing the mannequin can wear"),
        ('{"people": [{"clothes": {"top": ["x"]}}]}', "There is no top"),
        ('{"camera": {"distance": 0}}', "it goes from 1 to 100"),
        ('{"camera": {"centre": 3}}', "3 numbers in brackets"),
        ('{"camera": {"yaw": NaN}}', "a number is needed"),
        ("[" * 5000, "is no JSON"),
    ],
)
def test_bad_text_is_a_sentence(text, said):
    with pytest.raises(NodeError, match="^Pose Mannequin: ") as error:
        node(text)
    assert said in str(error.value)


def test_an_impossible_pose_is_shown_as_far_as_it_goes():
    *_, text, report = node('{"people": [{"joints": {"left elbow": 500}}]}')
    assert report == "Person 1: The left elbow's bend of 500° is beyond what it can do, -50 to 140°: 140° is shown."
    assert json.loads(text)["people"][0]["joints"]["left elbow"][0] == 140


def test_nobody_and_half_a_person():
    empty = [{"people": [], "canvas_width": 64, "canvas_height": 64}]
    with pytest.raises(NodeError, match="Picture 1 of the pose shows nobody.*on_no_person"):
        node("", empty)
    assert not node("", empty, on_no_person="skip")[6].any()
    assert not node('{"people": []}')[6].any()
    half = [{"people": [{"pose_keypoints_2d": [9.0, 9, 1] * 3 + [0.0] * 45}], "canvas_width": 64, "canvas_height": 64}]
    with pytest.raises(NodeError, match="3 points of the body are seen"):
        node("", half)
    skipped = node("", half, on_no_person="skip")
    assert "person 1 is left out" in skipped[8] and not skipped[6].any()
    with pytest.raises(NodeError, match="This is no POSE_KEYPOINT"):
        node("", 3)


def test_a_hundred_people_in_a_pose():
    crowd = [{"people": [{"pose_keypoints_2d": [9.0, 9, 1] * 18}] * 100, "canvas_width": 64, "canvas_height": 64}]
    with pytest.raises(ConditionError, match="100 people; up to 16"):
        mannequins("", SIZE, crowd)
