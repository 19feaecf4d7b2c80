"""The pose interaction field on joint pictures: what is looked at is a generated tile, and not the whole."""

import pytest
import torch
from mannequin.model_patches.comfy_pose_field import JointTiles, Memory
from mannequin.model_patches.comfy_small_sd import build_vae
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.guidance.pose_interaction_field import field_gradient, pose_field
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pose_field import MannequinPoseInteractionField, MannequinPoseInteractionFieldGuider
from mannequin.preprocessors.joint_views import JointLayout, arranged
from pcdms_models import conditioning, given, model_of, sampled
from pose_field_parts import WIDGETS, estimator, pose
from small import difference, random

#: A tile, and its latent.
WIDTH, HEIGHT = 96, 64
PAIR = arranged(1, 1, WIDTH, HEIGHT, canvas=(1, 2), step=1)
TWO_POSES = arranged(1, 2, WIDTH, HEIGHT, step=1)


@pytest.fixture(scope="module")
def parts() -> tuple:
    """The MODEL of PCDMs' second stage, estimator and VAE."""
    with torch.inference_mode():
        return model_of("inpainting"), estimator(), build_vae(3)


def guided(parts, layout: JointLayout | None = PAIR, target=None, **options):
    base, net, vae = parts
    values = WIDGETS | options | {"tiles": layout}
    return MannequinPoseInteractionField.execute(base, target or pose(), net, vae, **values).result[0]


def field_of(patcher):
    return patcher.model_options["sampler_post_cfg_function"][0]


def latent(rows: int, layout: JointLayout, seed: int = 0) -> torch.Tensor:
    width, height = layout.size
    return random(rows, 4, height // 8, width // 8, seed=seed)


def made(parts, patcher, rows: int = 1, seed: int = 5) -> torch.Tensor:
    conditions = conditioning("inpainting", given("inpainting", height=8, width=24))
    return sampled(patcher, conditions, rows, latent(1, PAIR, seed))


def looked_at(parts, made: torch.Tensor, corner: tuple[int, int], target) -> torch.Tensor:
    """G of a finished latent's tile at a corner."""
    _, net, vae = parts
    picture = vae.process_output(vae.first_stage_model.decode(made))
    top, left = corner
    tile = picture[..., top : top + HEIGHT, left : left + WIDTH]
    drawn = field_of(guided(parts, target=target)).target.picture(WIDTH, HEIGHT)
    return pose_field(net.model(tile), net.model(drawn).features).distance


def test_the_half_that_is_generated_is_looked_at(parts):
    base = parts[0].model
    clean = latent(1, PAIR)
    seen, gradient = field_gradient(clean, *field_of(guided(parts)).looked_at(clean, base, Memory()))
    expected = looked_at(parts, base.process_latent_out(clean), (0, WIDTH), pose())
    assert float((seen.distance / expected - 1).abs()) < 1e-4 and float(gradient.abs().max()) > 0
    other = looked_at(parts, base.process_latent_out(clean), (0, 0), pose())
    assert float((seen.distance / other - 1).abs()) > 1e-2


def test_every_tile_has_its_own_pose(parts):
    """Two target poses in a canvas of four tiles, whose last repeats the first."""
    assert TWO_POSES.targets == (0, 1, 0)
    base, both = parts[0].model, pose(2) + pose(1)
    clean = latent(2, TWO_POSES)
    seen, _ = field_gradient(clean, *field_of(guided(parts, TWO_POSES, both)).looked_at(clean, base, Memory()))
    tiles = ((0, WIDTH), both[:1]), ((HEIGHT, 0), both[1:]), ((HEIGHT, WIDTH), both[:1])
    out = base.process_latent_out(clean)
    expected = torch.stack([looked_at(parts, out, corner, target) for corner, target in tiles], 1).flatten()
    assert float((seen.distance / expected - 1).abs().max()) < 1e-4
    assert float((seen.distance.flip(0) / expected - 1).abs().max()) > 1e-2


def test_the_generated_half_is_nearer_to_the_pose(parts):
    plain, ours = made(parts, parts[0]), made(parts, guided(parts))
    before, after = (float(looked_at(parts, each, (0, WIDTH), pose())) for each in (plain, ours))
    assert after < 0.8 * before


def test_a_batch_of_poses(parts):
    """One frame a joint picture: each is guided as it is alone."""
    both = pose(2) + pose(1)
    together = made(parts, guided(parts, target=both), 2)
    alone = [made(parts, guided(parts, target=[frame])) for frame in both]
    size = float(together.std())
    assert difference(together, torch.cat(alone)) < 5e-3 * size
    assert difference(*alone) > 5e-2 * size


def test_frames_by_tile():
    tiles = JointTiles(lambda pictures: pictures, (0, 1, 0), (8, 8), (16, 16))
    assert tiles.frames(2, 1) == [0, 1, 0]
    assert tiles.frames(2, 2) == [0, 1, 0, 0, 1, 0]
    assert tiles.frames(4, 2) == [0, 1, 0, 2, 3, 2]
    with pytest.raises(PatchError, match="^The target pose holds 3 frames.*2 poses, in a batch of 2. Connect"):
        tiles.frames(3, 2)


@pytest.mark.parametrize(
    "layout, target, words",
    [
        (PAIR, pose(frames=2), "The target pose holds 2 frames, and the joint picture generates 1 pose. Connect"),
        (
            TWO_POSES,
            pose(frames=2),
            "The latent makes pictures of 192×64, and the tiles are of a .* 192×128",
        ),
    ],
)
def test_what_does_not_fit_is_said(parts, layout, target, words):
    with pytest.raises(PatchError, match=f"^Pose Interaction Field: {words}"):
        made(parts, guided(parts, layout, target))


def test_a_model_of_joint_pictures_wants_a_layout(parts):
    """One person's pose would be drawn over all of its tiles."""
    (base, net, vae), both = parts, conditioning("inpainting")
    nodes = (
        lambda: guided(parts, None),
        lambda: MannequinPoseInteractionFieldGuider.execute(base, *both, 2.0, pose(), net, vae, **WIDGETS),
    )
    for execute in nodes:
        with pytest.raises(NodeError, match="makes joint pictures.*Connect 'tiles' of Joint Views or PCDMs Joint"):
            execute()
    assert guided((model_of("refining"), net, vae), None) is not None, "its latent is the target's alone"
