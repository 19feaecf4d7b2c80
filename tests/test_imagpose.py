"""IMAGPose: the published numbers through its nodes, joint pictures of every scenario, its conditions, bad input."""

from types import SimpleNamespace

import comfy.sample
import pytest
import torch
from mannequin.model_patches.comfy_evaluation import NULL
from mannequin.model_patches.comfy_inputs import INPUTS
from mannequin.model_patches.comfy_samplers import published_sampler, trailing_timesteps
from mannequin.model_patches.comfy_small_sd import build_clip_vision, build_vae
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.flc import FLC, FLCShape
from mannequin.model_patches.weight_kinds.imagpose import CVA_MODULES, IMAGPOSE_MODEL
from mannequin.nodes.cva import MannequinApplyCVA
from mannequin.nodes.errors import NodeError
from mannequin.nodes.imagpose import MannequinJointViews, MannequinSplitViews
from mannequin.nodes.imagpose_conditioning import MannequinIMAGPoseConditioning
from PIL import Image
from small import APPLY, difference, random

from devtools import parity, untrained

SIDES = {"width": 64, "height": 64}
JOINT = {"canvas": "2×2", "free_tiles": "automatic", "on_no_person": "error"} | SIDES


@pytest.mark.parametrize("name", ["imagpose_step", "imagpose_pipeline"])
def test_parity(golden, capsys, name):
    """Through the loader, the nodes and the host's guidance and sampler; T1, T2, T3 and several poses."""
    assert parity.main([str(golden(f"{name}.safetensors"))]) == 0
    assert f'"kind": "{name}"' in capsys.readouterr().out


@pytest.fixture(scope="module")
def nets():
    """Untrained networks, a VAE, and an image encoder in DINOv2's place."""
    with torch.inference_mode():
        state, metadata = untrained.imagpose_state()
        model, imagpose = load_weights(IMAGPOSE_MODEL, state, "imagpose", metadata)
        return {"model": model, "imagpose": imagpose, "vae": build_vae(1), "dino": build_clip_vision(2, 64)}


def picture(rows: int = 1, seed: int = 0, height: int = 90, width: int = 70) -> torch.Tensor:
    return torch.rand(rows, height, width, 3, generator=torch.Generator().manual_seed(seed))


def joint(sources: int = 1, targets: int = 1, **values) -> tuple:
    given = picture(sources), picture(sources, 1), picture(targets, 2)
    return MannequinJointViews.execute(*given, **JOINT | values).result


def conditions(nets, views=None, **options) -> tuple:
    parts = nets["imagpose"], nets["dino"], nets["vae"], views or joint()[0]
    return MannequinIMAGPoseConditioning.execute(*parts, **options).result


def sampled(model, positive, negative, latent, steps: int = 2) -> torch.Tensor:
    noise = comfy.sample.prepare_noise(latent["samples"], 5)
    arguments = (noise, steps, 2.0, "euler", "normal", positive, negative, latent["samples"])
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True)


def squashed(photo: torch.Tensor, width: int, height: int, kernel=Image.Resampling.BILINEAR) -> torch.Tensor:
    """As PIL does it on 8 bits."""
    pil = Image.fromarray((photo[0] * 255).round().to(torch.uint8).numpy()).resize((width, height), kernel)
    return torch.tensor(list(pil.tobytes())).reshape(1, height, width, 3) / 255


class TestJointViews:
    @pytest.mark.parametrize(
        "sources, targets, fill, tiles, words",
        [
            (1, 1, "automatic", "s0 t0 t0 t0", "T1: one source, one pose"),
            (1, 1, "sources", "s0 s0 s0 t0", "T2: one source repeated, one pose"),
            (3, 1, "automatic", "s0 s1 s2 t0", "T3: 3 sources, one pose"),
            (2, 1, "automatic", "s0 s1 s0 t0", "T3: 2 sources, one pose"),
            (2, 1, "target poses", "s0 s1 t0 t0", "T3: 2 sources, one pose"),
            (1, 3, "automatic", "s0 t0 t1 t2", "3 poses at once"),
            (1, 2, "automatic", "s0 t0 t1 t0", "2 poses at once"),
            (2, 2, "automatic", "s0 s1 t0 t1", "2 poses at once"),
        ],
    )
    def test_what_is_connected_says_what_is_done(self, sources, targets, fill, tiles, words):
        given = picture(sources), picture(sources, 1), picture(targets, 2)
        views, whole, poses, mask, summary, layout = joint(sources, targets, free_tiles=fill)
        assert summary.startswith(words) and "trained on 2×2" not in summary
        assert layout.targets == tuple(int(tile[1]) for tile in tiles.split() if tile[0] == "t")
        assert whole.shape == poses.shape == (1, 128, 128, 3) and mask.shape == (1, 128, 128)
        for number, word in enumerate(tiles.split()):
            rows, columns = (slice(64 * index, 64 * index + 64) for index in divmod(number, 2))
            index, target = int(word[1]), word[0] == "t"
            assert bool(mask[0, rows, columns].all()) == target and bool(mask[0, rows, columns].any()) == target
            photo, pose = whole[:, rows, columns], poses[:, rows, columns]
            expected = torch.zeros(1, 64, 64, 3) if target else squashed(given[0][index : index + 1], 64, 64)
            assert difference(photo, expected) < 1e-6
            drawn = given[2 if target else 1][index : index + 1]
            assert difference(pose, squashed(drawn, 64, 64)) < 1e-6

    def test_sockets_and_batches_are_the_same(self):
        photos, poses = picture(3), picture(3, 1)
        batch = MannequinJointViews.execute(photos, poses, picture(1, 2), **JOINT).result
        singly = MannequinJointViews.execute(
            photos[:1],
            poses[:1],
            picture(1, 2),
            **JOINT,
            image_2=photos[1:2],
            source_pose_2=poses[1:2],
            image_3=photos[2:],
            source_pose_3=poses[2:],
        ).result
        assert all(torch.equal(*pair) for pair in zip(batch[1:4], singly[1:4], strict=True))
        targets = picture(3, 2)
        several = MannequinJointViews.execute(
            photos[:1], poses[:1], targets[:1], **JOINT, target_pose_2=targets[1:2], target_pose_3=targets[2:]
        ).result
        assert torch.equal(several[2], joint(targets=3)[2]) and several[4].startswith("3 poses")

    @pytest.mark.parametrize("keep, number", [("one a pose", 2), ("generated", 3), ("all tiles", 4)])
    def test_the_reverse(self, keep, number):
        views, whole, poses, *_ = joint(targets=2)
        (tiles,) = MannequinSplitViews.execute(poses, views, keep).result
        corners = [poses[0, y : y + 64, x : x + 64] for y in (0, 64) for x in (0, 64)]
        expected = {2: corners[1:3], 3: corners[1:], 4: corners}[number]
        assert torch.equal(tiles, torch.stack(expected))

    def test_other_sides_are_padded_and_cut_back(self):
        """A tile of 72×88 stands in one of 128×128: photos go on as they end, poses in black."""
        photo, pose = (squashed(picture(1, seed), 72, 88) for seed in (0, 1))
        sides = {"width": 72, "height": 88}
        views, whole, poses, mask, summary, _ = MannequinJointViews.execute(photo, pose, pose, **JOINT | sides).result
        assert whole.shape == (1, 256, 256, 3) and "Tiles of 128×128 of 72×88, padded." in summary
        assert torch.equal(whole[:, 20:108, 28:100], photo) and torch.equal(poses[:, 20:108, 28:100], pose)
        assert torch.equal(whole[0, 5, 28:100], photo[0, 0]) and torch.equal(whole[0, 5, 3], photo[0, 0, 0])
        assert not poses[:, :20, :128].any() and mask[:, :128, 128:].all() and not mask[:, :128, :128].any()
        assert torch.equal(MannequinSplitViews.execute(whole, views, "all tiles").result[0][:1], photo)
        assert torch.equal(MannequinSplitViews.execute(poses, views, "one a pose").result[0], pose)

    def test_a_unet_of_fewer_levels_needs_smaller_multiples(self):
        """The demo's tiles of 96×128 need no margins."""
        sides = {"width": 96, "height": 128}
        assert joint(**sides)[1].shape == (1, 256, 256, 3)
        assert joint(**sides, tile_multiple=32)[1].shape == (1, 256, 192, 3)

    def test_canvases_beyond_the_paper(self):
        views, whole, *_, summary, _ = joint(3, 2, canvas="2×3")
        assert whole.shape == (1, 128, 192, 3) and "row 2 column 3: target pose 2" in summary
        assert summary.endswith("IMAGPose was trained on 2×2 tiles, not on these.")
        assert joint(canvas="1×2")[1].shape == (1, 64, 128, 3)


class TestConditioning:
    def test_what_is_null(self, nets):
        positive, negative, latent = conditions(nets)
        (context, given), (null, nothing) = positive[0], negative[0]
        inputs, without = given[INPUTS], nothing[INPUTS]
        assert nothing[NULL] and NULL not in given and not null.any() and context.shape == null.shape
        assert torch.equal(inputs.latent, without.latent) and torch.equal(inputs.features, without.features)
        assert inputs.mask[0, 0, :8, :8].all() and inputs.mask.sum() == 64, "1 is the source's tile"
        assert latent["samples"].shape == (1, 4, 16, 16) and not latent["samples"].any()

    def test_the_context_is_dinos_tokens_then_the_latents(self, nets):
        """Of the first source alone, whose picture is stretched to the joint picture's size by Lanczos."""
        views = joint(3)[0]
        context = conditions(nets, views)[0][0][0]
        first = picture(3)[:1]
        side = nets["dino"].image_size if hasattr(nets["dino"], "image_size") else 224
        dino = nets["dino"].encode_image(squashed(first, side, side, Image.Resampling.BICUBIC), crop=False)
        tokens = dino.last_hidden_state.float()
        latent = nets["vae"].encode(squashed(first, 128, 128, Image.Resampling.LANCZOS)) * 0.18215
        texture = nets["imagpose"].model.flc.proj(latent.float())
        number = tokens.shape[1]
        assert context.shape[1] == number + 1 and difference(context[:, :number], tokens) < 1e-4
        assert difference(context[:, number], texture[:, :, 0, 0]) < 1e-3 * float(texture.abs().max())
        every = conditions(nets, views, sources="all")[0][0][0]
        assert every.shape[1] == 3 * context.shape[1] and torch.equal(every[:, : number + 1], context)

    @pytest.mark.parametrize("part", ["picture", "poses", "mask"])
    def test_every_part_counts(self, nets, part):
        from dataclasses import replace

        views = joint()[0]
        base = sampled(nets["model"], *conditions(nets, views))
        changed = replace(views, **{part: 1 - getattr(views, part)})
        assert difference(sampled(nets["model"], *conditions(nets, changed)), base) > 1e-2

    def test_no_pose(self, nets):
        positive, negative, _ = conditions(nets, pose_strength=0.0)
        assert positive[0][1][INPUTS].features is None and negative[0][1][INPUTS].features is None
        halved = conditions(nets, pose_strength=0.5)[0][0][1][INPUTS].features
        assert difference(halved, conditions(nets)[0][0][1][INPUTS].features / 2) < 1e-6

    def test_an_encoder_of_another_width_is_projected(self):
        flc = FLC(FLCShape(4, 64, 16, dino_dim=48))
        made = flc(random(1, 4, 32, 32), random(1, 5, 48))
        assert made.shape == (1, 9, 64) and flc.token_width == 48
        assert torch.equal(made[:, :5], flc.dino_projection(random(1, 5, 48)))
        assert FLCShape.of(flc.state_dict()) == flc.shape

    def test_cross_view_attention_counts(self, nets):
        worn = MannequinApplyCVA.execute(
            nets["model"], nets["imagpose"], "after each layer", "2×2 tiles", "all", **APPLY
        ).result[0]
        given = conditions(nets)
        assert difference(sampled(worn, *given), sampled(nets["model"], *given)) > 1e-2

    def test_the_published_steps(self, nets):
        """30 steps, trailing, to no noise."""
        assert trailing_timesteps(30)[:6] == [999, 966, 932, 899, 866, 832] and len(trailing_timesteps(30)) == 30
        table = nets["model"].get_model_object("model_sampling").sigmas
        _, sigmas = published_sampler(nets["model"], "DDIM, zero terminal SNR", 30)
        assert len(sigmas) == 31 and sigmas[-1] == 0 and sigmas[1] == table[966].float()


class TestErrors:
    @pytest.mark.parametrize(
        "sources, targets, words",
        [
            (3, 2, "3 sources and 2 target poses are 5 tiles, and the canvas holds 4. Leave some out"),
            (4, 1, "4 sources and 1 target poses are 5 tiles"),
        ],
    )
    def test_more_than_the_canvas_holds(self, sources, targets, words):
        with pytest.raises(NodeError, match=f"Joint Views: {words}"):
            joint(sources, targets)

    def test_pairs(self):
        with pytest.raises(NodeError, match="Joint Views: There are 2 source photos and 1 source poses"):
            MannequinJointViews.execute(picture(2), picture(1, 1), picture(1, 2), **JOINT)
        with pytest.raises(NodeError, match="Source 1 is 70×90 and its pose 90×70: they show different crops"):
            MannequinJointViews.execute(picture(), picture(1, 1, 70, 90), picture(1, 2), **JOINT)

    def test_nobody(self):
        poses = picture(2, 1)
        poses[1] = 0
        with pytest.raises(NodeError, match="Joint Views: Source pose 2 is black: nobody was found"):
            MannequinJointViews.execute(picture(2), poses, picture(1, 2), **JOINT)
        skipped = MannequinJointViews.execute(picture(2), poses, picture(1, 2), **JOINT | {"on_no_person": "skip"})
        assert skipped.result[4].startswith("T1: one source")
        with pytest.raises(NodeError, match="There are 1 sources and 0 target poses; at least one of each"):
            MannequinJointViews.execute(picture(), poses[:1], poses[1:], **JOINT | {"on_no_person": "skip"})

    def test_a_picture_that_was_resized(self):
        views, whole, *_ = joint()
        with pytest.raises(NodeError, match="Split Joint Views: The picture is 128×120, and the joint picture was 128"):
            MannequinSplitViews.execute(whole[:, :120], views, "generated")

    def test_modules_alone(self, nets):
        state, metadata = untrained.imagpose_state()
        alone = {key: tensor for key, tensor in state.items() if key.startswith("cva.")}
        (modules,) = load_weights(CVA_MODULES, alone, "motion", metadata)
        with pytest.raises(NodeError, match="IMAGPose Conditioning: These weights are modules of cross-view attention"):
            conditions(nets | {"imagpose": modules})
        with pytest.raises(PatchError, match="'imagpose' is IMAGPose together with its UNet; load it with Load IMAGP"):
            load_weights(CVA_MODULES, state, "imagpose", metadata)

    def test_another_image_encoder(self, nets):
        tokens = SimpleNamespace(last_hidden_state=random(1, 5, 32))
        encoder = SimpleNamespace(encode_image=lambda image, crop: tokens)
        with pytest.raises(NodeError, match=r"tokens are 32 wide, and these weights take 64.*\(base, 768 wide"):
            conditions(nets | {"dino": encoder})

    def test_a_batch_where_one_joint_latent_is_expected(self, nets):
        positive, negative, _ = conditions(nets)
        with pytest.raises(PatchError, match="IMAGPose Conditioning: The picture is 128×128 pixels and the latent 64"):
            sampled(nets["model"], positive, negative, {"samples": torch.zeros(4, 4, 8, 8)})

    @pytest.mark.parametrize("part", ["flc.proj.weight", "pose_guider.conv_out.weight"])
    def test_an_incomplete_file(self, part):
        state, metadata = untrained.imagpose_state()
        with pytest.raises(PatchError, match=f"not a complete IMAGPose weight file: '{part}' is missing"):
            load_weights(
                IMAGPOSE_MODEL, {key: tensor for key, tensor in state.items() if key != part}, "broken", metadata
            )
