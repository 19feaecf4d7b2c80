"""RePoseDM through its nodes: the aligned source's tokens, both conditions, the warped source, bad input."""

import comfy.sample
import pytest
import torch
from mannequin.model_patches.comfy_inputs import INPUTS
from mannequin.model_patches.comfy_small_sd import build_vae
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.map_former import AlignmentShape, upscaled, warp
from mannequin.model_patches.networks.reposedm import RePoseDM, RePoseDMShape, positions
from mannequin.model_patches.weight_kinds import recognise
from mannequin.model_patches.weight_kinds.pcdms_unets import PCDMS_REFINING
from mannequin.model_patches.weight_kinds.reposedm import REGIONS_KEY, REPOSEDM, VARIANCE_KEY
from mannequin.nodes.errors import NodeError
from mannequin.nodes.reposedm import MannequinRePoseDMConditioning
from small import difference, random

from devtools import untrained

HEIGHT, WIDTH = 88, 64


def networks(**options) -> dict:
    with torch.inference_mode():
        state, metadata = untrained.reposedm_state(**options)
        model, modules = load_weights(REPOSEDM, state, "reposedm", metadata)
        return {"model": model, "reposedm": modules, "vae": build_vae(1)}


@pytest.fixture(scope="module")
def nets() -> dict:
    return networks()


def picture(rows: int = 1, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> torch.Tensor:
    return torch.rand(rows, height, width, 3, generator=torch.Generator().manual_seed(seed))


def conditions(nets, image=None, pose=None) -> tuple:
    given = picture() if image is None else image, picture(seed=1) if pose is None else pose
    return MannequinRePoseDMConditioning.execute(nets["reposedm"], nets["vae"], *given).result


def sampled(model, positive, negative, latent) -> torch.Tensor:
    noise = comfy.sample.prepare_noise(latent["samples"], 5)
    arguments = (noise, 2, 2.0, "euler", "normal", positive, negative, latent["samples"])
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True)


class TestNetwork:
    def test_the_shape_is_read_off_the_weights(self):
        for shape in (
            RePoseDMShape(24, AlignmentShape(6, 8, 10, 3, (0, 5))),
            RePoseDMShape(24, AlignmentShape(6, 8, 10, 3, (0, 5)), octaves=2),
            RePoseDMShape(24, AlignmentShape(6, 8), aligned=False, octaves=1),
        ):
            assert RePoseDMShape.of(RePoseDM(shape).state_dict(), shape.alignment.regions) == shape

    def test_tokens_are_of_the_last_warped_source(self):
        """Every second place of the map, row by row."""
        network = RePoseDM(RePoseDMShape(12, AlignmentShape(4, 8, 8, 1, (0, 3))))
        source, pose = random(2, 4, 7, 5), random(2, 4, 7, 5, seed=1)
        aligned = network(source, pose)
        warped = warp(source, aligned.steps[1].flow)
        expected = network.context(network.alignment.encoder(warped))
        assert aligned.tokens.shape == (2, 4 * 3, 12) and len(aligned.steps) == 2
        assert difference(aligned.tokens[:, 5], expected[:, :, 1, 2]) < 1e-6
        assert difference(network(source, pose.flip(0)).tokens, aligned.tokens) > 1e-3

    def test_a_plain_encoder_knows_no_pose(self):
        network = RePoseDM(RePoseDMShape(12, AlignmentShape(4, 8), aligned=False))
        source, pose = random(1, 4, 7, 5), random(1, 4, 7, 5, seed=1)
        plain = network(source, pose)
        assert plain.steps == [] and torch.equal(plain.tokens, network(source, pose + 1).tokens)
        assert difference(network(source + 1, pose).tokens, plain.tokens) > 1e-3

    def test_positions_tell_every_place_apart(self):
        where = positions((5, 3), 3).flatten(1).T
        assert where.shape == (15, 12)
        apart = torch.cdist(where, where) + 10 * torch.eye(15)
        assert float(apart.min()) > 0.5
        assert (
            difference(positions((4, 4), 1)[:, 1, 2], positions((4, 4), 1).transpose(1, 2)[[2, 3, 0, 1], 1, 2]) < 1e-6
        )

    def test_a_flow_for_a_larger_picture(self):
        flow = torch.zeros(1, 2, 3, 4)
        flow[:, 0], flow[:, 1] = 1.0, -0.5
        large = upscaled(flow, (24, 16))
        assert difference(large, torch.tensor([4.0, -4.0]).view(1, 2, 1, 1).expand(1, 2, 24, 16)) < 1e-6


class TestFile:
    def test_it_is_told_from_the_others(self):
        state, metadata = untrained.reposedm_state()
        assert recognise(state, metadata) is REPOSEDM
        with pytest.raises(PatchError, match="'x' is RePoseDM together with its UNet; load it with Load RePoseDM"):
            load_weights(PCDMS_REFINING, state, "x", metadata)

    @pytest.mark.parametrize("text", ["", "0,4", "0,-3", "0,x", "9" * 5])
    def test_regions_that_cannot_be(self, text):
        state, metadata = untrained.reposedm_state()
        with pytest.raises(PatchError, match="'x' cannot be loaded. Its header says '.*' for 'mannequin.regions'"):
            load_weights(REPOSEDM, state, "x", metadata | {REGIONS_KEY: text})

    def test_a_part_that_is_missing(self):
        state, metadata = untrained.reposedm_state()
        less = {key: tensor for key, tensor in state.items() if key != "alignment.norm2.weight"}
        with pytest.raises(PatchError, match=r"1 missing \(alignment.norm2.weight\)"):
            load_weights(REPOSEDM, less, "x", metadata)

    def test_a_learned_variance_is_not_sampled(self, nets):
        """The head's second half is left out; without saying so, the file is refused."""
        state, metadata = untrained.reposedm_state()
        for key in ("denoising_unet.conv_out.weight", "denoising_unet.conv_out.bias"):
            state[key] = torch.cat([state[key], torch.ones_like(state[key])])
        model, _ = load_weights(REPOSEDM, state, "x", metadata | {VARIANCE_KEY: "learned"})
        positive, negative, latent, _ = conditions(nets)
        plain = sampled(nets["model"], positive, negative, latent)
        assert difference(sampled(model, positive, negative, latent), plain) < 1e-5
        with pytest.raises(PatchError, match="takes 8 channels where the method has 16"):
            load_weights(REPOSEDM, state, "x", metadata)


class TestConditioning:
    def test_what_it_gives(self, nets):
        """Tokens of both latents in the UNet's scale; the pose's latent beside the noise; zeros for both in ∅."""
        positive, negative, latent, _ = conditions(nets)
        (context, entries), (null, nothing) = positive[0], negative[0]
        source, pose = (nets["vae"].encode(picture(seed=seed)) * 0.18215 for seed in (0, 1))
        assert difference(context, nets["reposedm"].model(source, pose).tokens) < 1e-4
        assert difference(entries[INPUTS].latent * 0.18215, pose) < 1e-5 and not null.any()
        assert nothing[INPUTS].blank and not entries[INPUTS].blank
        assert latent["samples"].shape == (1, 4, HEIGHT // 8, WIDTH // 8)

    def test_every_part_changes_the_picture(self, nets):
        positive, negative, latent, _ = conditions(nets)
        whole = sampled(nets["model"], positive, negative, latent)
        assert torch.equal(whole, sampled(nets["model"], positive, negative, latent))
        other_source = conditions(nets, image=picture(seed=2))[0]
        other_pose = conditions(nets, pose=picture(seed=3))[0]
        # The pose beside the noise alone, with the tokens of the first.
        beside = [[positive[0][0], other_pose[0][1]]]
        for changed in (other_source, other_pose, beside):
            assert difference(sampled(nets["model"], changed, negative, latent), whole) > 1e-3
        assert difference(sampled(nets["model"], positive, positive, latent), whole) > 1e-3

    def test_the_warped_source_of_every_iteration(self, nets):
        photos = picture(2)
        *_, warped = conditions(nets, photos, picture(2, seed=1))
        source, pose = (nets["vae"].encode(picture(2, seed=seed)) * 0.18215 for seed in (0, 1))
        steps = nets["reposedm"].model(source, pose).steps
        assert warped.shape == (2 * len(steps), HEIGHT, WIDTH, 3)
        # The second photo's last iteration stands last.
        flow = torch.nn.functional.interpolate(steps[-1].flow, scale_factor=8, mode="bilinear") * 8
        expected = warp(photos.movedim(-1, 1), flow)[1].movedim(0, -1)
        assert difference(warped[-1], expected) < 1e-3 and difference(warped[-1], photos[1]) > 0.1

    def test_a_batch_is_what_each_is_alone(self, nets):
        both = conditions(nets, pose=picture(2, seed=1))
        alone = [conditions(nets, pose=picture(2, seed=1)[row : row + 1]) for row in range(2)]
        assert difference(both[0][0][0], torch.cat([each[0][0][0] for each in alone])) < 1e-4
        assert both[2]["samples"].shape[0] == 2
        assert torch.isfinite(sampled(nets["model"], *both[:3])).all()

    def test_without_an_alignment(self):
        """Ablation B1: nothing is warped, and the pose reaches the UNet beside the noise alone."""
        nets = networks(aligned=False, octaves=2)
        positive, negative, latent, warped = conditions(nets)
        other = conditions(nets, pose=picture(seed=3))[0]
        assert torch.equal(warped, picture()) and torch.equal(positive[0][0], other[0][0])
        whole = sampled(nets["model"], positive, negative, latent)
        assert difference(sampled(nets["model"], other, negative, latent), whole) > 1e-3

    def test_a_file_in_half_precision(self, nets):
        """Its layers compute in the latents' precision, as the host's own do."""
        state, metadata = untrained.reposedm_state()
        _, half = load_weights(REPOSEDM, {key: tensor.half() for key, tensor in state.items()}, "x", metadata)
        context = conditions(nets)[0][0][0]
        given = conditions(nets | {"reposedm": half})[0][0][0]
        assert given.dtype == torch.float32 and 0 < difference(given, context) < 0.02 * float(context.abs().max())


class TestBadInput:
    def test_nobody_in_the_pose(self, nets):
        with pytest.raises(NodeError, match="^RePoseDM Conditioning: Picture 2 of the pose is black: nobody was"):
            conditions(nets, pose=torch.cat([picture(seed=1), torch.zeros(1, HEIGHT, WIDTH, 3)]))

    def test_another_aspect(self, nets):
        with pytest.raises(NodeError, match="^RePoseDM Conditioning: The pose is 88×64 and the photo 64×88"):
            conditions(nets, pose=picture(height=WIDTH, width=HEIGHT))

    def test_sides_that_no_latent_has(self, nets):
        with pytest.raises(NodeError, match="^RePoseDM Conditioning: The photo is 60×88, and sides that are mul"):
            conditions(nets, image=picture(width=60))

    def test_numbers_that_do_not_fit(self, nets):
        with pytest.raises(NodeError, match="^RePoseDM Conditioning: The inputs do not fit each other: image 2, pose"):
            conditions(nets, picture(2), picture(3, seed=1))

    def test_another_models_autoencoder(self, nets, monkeypatch):
        monkeypatch.setattr(nets["vae"], "encode", lambda pixels: random(1, 16, HEIGHT // 8, WIDTH // 8))
        with pytest.raises(NodeError, match="^RePoseDM Conditioning: The latent has 16 channels and this model takes"):
            conditions(nets)

    def test_a_conditioning_of_another_node(self, nets):
        text = [[random(1, 5, 64), {}]]
        with pytest.raises(PatchError, match="RePoseDM Conditioning"):
            sampled(nets["model"], text, text, {"samples": torch.zeros(1, 4, 11, 8)})
