"""MCLD: the published numbers, its terms one by one, its nodes on small weights."""

import pytest
import torch
from generated import TwoPeople
from mannequin.model_patches.attention.key_values import KeyValues
from mannequin.model_patches.attention.mfca import selected_tokens
from mannequin.model_patches.attention.multihead import fused_attention
from mannequin.model_patches.attention.tokens import token_attention
from mannequin.model_patches.comfy_apply import apply_condition
from mannequin.model_patches.comfy_blocks import transformer_blocks
from mannequin.model_patches.comfy_networks import host_patcher
from mannequin.model_patches.comfy_small_sd import build_clip_vision
from mannequin.model_patches.comfy_source import SourceNet
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.conditions import ReferenceCondition
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL
from mannequin.model_patches.weight_kinds.truepose import TRUEPOSE
from mannequin.nodes.errors import NodeError
from mannequin.nodes.mcld import MannequinApplyMFCA, MannequinApplyPoseGuider, MannequinMCLDConditioning
from mannequin.nodes.sampling import MannequinDDIMSampler
from mannequin.preprocessors.densepose_net import DensePoseNet, detect_densepose
from mannequin.preprocessors.face_embedding import FaceEmbedding
from mannequin.preprocessors.placement import fit, place
from mannequin.preprocessors.texture_map import texture_map
from small import APPLY, DEFAULT, difference, mcld_modules, mfca, model, patched, random, sample, source

from devtools import parity, untrained
from devtools.host import ROOT

COMPONENTS = ["mcld_resampler", "mcld_pose_guider", "mcld_step", "mcld_sample"]
MFCA = {"lambda_s": 1.0, "lambda_face": 0.5, "sites": "all"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_parity(golden, capsys, name):
    """In the host's UNet, through the converter and the loader."""
    assert parity.main([str(golden(f"{name}.safetensors"))]) == 0
    assert f'"kind": "{name}"' in capsys.readouterr().out


class TestEquations:
    def test_a_single_token_needs_no_softmax(self):
        q, key, value = random(2, 9, 8), random(1, 1, 8, seed=1), random(1, 1, 8, seed=2)
        shortcut = token_attention(q, KeyValues(key, value), 2).expand(2, 9, 8)
        assert torch.equal(shortcut, value.expand(2, 9, 8))
        whole = fused_attention(q, key.expand(2, -1, -1), value.expand(2, -1, -1), 2)
        assert difference(shortcut, whole) < 1e-6

    @pytest.mark.parametrize("part, expected", [("input", [1.0]), ("middle", [1.0, 2.0]), ("output", [2.0])])
    def test_the_switch_of_eq_4(self, part, expected):
        image, texture = torch.ones(1, 1, 4), torch.full((1, 1, 4), 2.0)
        assert selected_tokens(part, image, texture)[0, :, 0].tolist() == expected

    @pytest.mark.parametrize("scale", ["selected_scale", "face_scale"])
    def test_each_term_counts_with_its_scale(self, scale):
        base, empty = model(), [[torch.zeros(1, 1, 32), {}]]

        def step(**scales: float) -> torch.Tensor:
            net = mfca(base, sites="output 11", selected_scale=0.0, face_scale=0.0) if not scales else None
            net = net or mfca(base, sites="output 11", **({"selected_scale": 0.0, "face_scale": 0.0} | scales))
            return sample(net, empty, empty, steps=1, cfg=1.0)

        none = step()
        assert difference(none, sample(base, empty, empty, steps=1, cfg=1.0)) == 0.0
        once, twice = difference(step(**{scale: 0.01}), none), difference(step(**{scale: 0.02}), none)
        assert once > 0 and twice / once == pytest.approx(2, rel=0.05)

    def test_the_null_condition_sees_nothing(self):
        base, empty = model(), [[torch.zeros(1, 1, 32), {}]]
        plain = sample(base, empty, empty, steps=1, cfg=1.0)
        # With a guidance of 0 only the null condition is left.
        assert difference(sample(mfca(base), empty, empty, steps=1, cfg=0.0), plain) < 1e-2

    def test_images_of_another_number(self):
        with pytest.raises(PatchError, match="holds 2 images and the latent batch 3"):
            sample(mfca(model(), batch=2), batch=3, steps=1)


@pytest.fixture(scope="module")
def file():
    return untrained.mcld_state()


@pytest.fixture(scope="module")
def parts():
    with torch.inference_mode():
        state, metadata = untrained.mcld_state()
        return *load_weights(MCLD_MODEL, state, "x", metadata), build_clip_vision(0, 64)


class TestFile:
    def test_a_file_is_three_networks(self, file):
        state, metadata = file
        denoiser, reference, modules = load_weights(MCLD_MODEL, state, "x", metadata)
        sampling = denoiser.get_model_object("model_sampling")
        assert denoiser.model.model_type.name == "V_PREDICTION" and sampling.zsnr
        # Linear betas, rescaled: ᾱ at 499 is the published pipeline's.
        assert float(1 / (1 + sampling.sigmas[499] ** 2)) == pytest.approx(0.14253, abs=1e-4)
        assert len(modules.model.mfca) == len(transformer_blocks(denoiser)) == 16
        head = reference.get_model_object("diffusion_model").out[2].weight
        assert not head.any(), "ReferenceNet has no head"

    @pytest.mark.parametrize(
        "drop, words",
        [
            ("reference_unet.", "has no reference_unet"),
            ("denoising_unet.mid_block.attentions.0.norm", "denoising UNet in 'x' is no complete UNet.*2 keys"),
            ("mfca.middle_0_0.to_v", "not a complete MCLD weight file: 1 missing"),
            ("pose_guider.conv_in", "'pose_guider.conv_in.weight' is missing"),
        ],
    )
    def test_what_is_missing_is_named(self, file, drop, words):
        state, metadata = file
        state = {key: tensor for key, tensor in state.items() if not key.startswith(drop)}
        with pytest.raises(PatchError, match=words):
            load_weights(MCLD_MODEL, state, "x", metadata)

    def test_files_of_the_other_method(self, file):
        with pytest.raises(PatchError, match="is MCLD weights; load it with Load MCLD"):
            load_weights(TRUEPOSE, file[0], "x", None)
        with pytest.raises(PatchError, match="is TruePose weights; load it with Load TruePose"):
            load_weights(MCLD_MODEL, {"hpfa.input_1_0.to_k.weight": torch.zeros(1)}, "x", None)


class TestNodes:
    def conditioning(self, parts, face=None, rows: int = 1):
        image = torch.rand(rows, 48, 32, 3, generator=torch.Generator().manual_seed(0))
        return MannequinMCLDConditioning.execute(
            mcld=parts[2], clip_vision=parts[3], image=image, texture=torch.zeros(1, 64, 64, 3), face=face
        )

    def test_tokens(self, parts):
        face = FaceEmbedding(random(1, 512), "antelopev2")
        positive, negative, tokens, source_token = self.conditioning(parts, face, rows=2).result
        assert tokens.image.shape == tokens.texture.shape == (2, 1, 64)
        assert tokens.face.shape == (2, 16, 64)
        assert torch.equal(source_token[0][0], tokens.image)
        assert not positive[0][0].any() and not negative[0][0].any()

    def test_no_face_is_the_projection_of_zeros(self, parts):
        tokens = self.conditioning(parts)[2].face
        expected = parts[2].model.face_projector(torch.zeros(1, 1, 512))
        assert tokens.any() and difference(tokens, expected) < 1e-6
        nobody = FaceEmbedding(torch.zeros(1, 512), "antelopev2")
        assert torch.equal(self.conditioning(parts, nobody)[2].face, tokens)

    def test_the_faces_length_counts(self, parts):
        """The projector wants the un-normalised vector."""
        face = FaceEmbedding(random(1, 512), "antelopev2")
        unit = FaceEmbedding(face.normalised, "antelopev2")
        tokens = [self.conditioning(parts, each)[2].face for each in (face, unit)]
        assert difference(*tokens) > 1e-3

    def test_a_face_of_another_network(self, parts):
        with pytest.raises(NodeError, match="^MCLD Conditioning: The face embedding is 128 wide.*take 512"):
            self.conditioning(parts, FaceEmbedding(torch.zeros(1, 128), "antelopev2"))
        with pytest.raises(NodeError, match="^MCLD Conditioning: The face embedding is of 'buffalo_l'"):
            self.conditioning(parts, FaceEmbedding(torch.zeros(1, 512), "buffalo_l"))

    def test_the_whole_of_it_samples(self, parts):
        denoiser, reference, mcld, _ = parts
        positive, negative, tokens, token = self.conditioning(parts).result
        net = SourceNet(reference, random(1, 4, 8, 8), token[0][0])
        patched = apply_condition(denoiser, ReferenceCondition(), net, "all", DEFAULT)
        patched = MannequinApplyMFCA.execute(model=patched, mcld=mcld, tokens=tokens, **MFCA, **APPLY)[0]
        pose = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(1))
        patched = MannequinApplyPoseGuider.execute(model=patched, mcld=mcld, pose=pose, **APPLY)[0]
        first, second = (sample(patched, positive, negative, height=8, width=8) for _ in range(2))
        assert first.isfinite().all() and torch.equal(first, second)

    def test_weights_without_face_projections(self, parts):
        from types import SimpleNamespace

        bare = SimpleNamespace(model=SimpleNamespace(mfca={}))
        tokens = self.conditioning(parts)[2]
        with pytest.raises(NodeError, match="^Apply MFCA: .*to_k_ip.*lambda_face to 0"):
            MannequinApplyMFCA.execute(model=parts[0], mcld=bare, tokens=tokens, **MFCA, **APPLY)

    def test_a_model_of_another_width(self, parts):
        tokens = self.conditioning(parts)[2]
        with pytest.raises(
            NodeError, match="^Apply MFCA: The image's tokens are 64 wide, and this model's context is 32"
        ):
            MannequinApplyMFCA.execute(model=model(), mcld=parts[2], tokens=tokens, **MFCA, **APPLY)
        with pytest.raises(NodeError, match="^Apply Pose Guider: The MCLD weights have a pose encoder 32 wide"):
            wide = host_patcher(mcld_modules(model()).model)
            wide.model.shape = mcld_modules(model()).model.shape
            MannequinApplyPoseGuider.execute(model=sd_of_width_64(), mcld=wide, pose=torch.zeros(1, 8, 8, 3), **APPLY)


class TestConventions:
    """What the published data preparation does, at the places where one goes wrong."""

    def test_everything_is_squashed_as_pillow_does(self):
        import numpy as np
        from PIL import Image

        pixels = np.asarray(Image.open(ROOT / "workflows" / "inputs" / "mannequin_source.png").convert("RGB"))
        image = torch.from_numpy(pixels.astype(np.float32) / 255)[None]
        boxes = place((350, 175), 512, 512, "squash", [None])
        ours = (fit(image, boxes)[0][0] * 255).round()
        theirs = torch.from_numpy(np.array(Image.fromarray(pixels).resize((512, 512)), dtype=np.float32))
        difference_to_pillow = (ours - theirs).abs()
        # Pillow rounds to eight bits between its two passes.
        assert ours.shape == (512, 512, 3)
        assert float(difference_to_pillow.max()) <= 5 and float(difference_to_pillow.mean()) < 0.5

    def test_photo_to_tokens(self, parts, tmp_path):
        """A photo through DensePose (V, U, I), texture map and CLIP: the tokens MFCA gets."""
        network = DensePoseNet(torch.jit.script(TwoPeople(people=1)))
        image = torch.rand(1, 96, 64, 3, generator=torch.Generator().manual_seed(2))
        found = detect_densepose(image, network)
        pose = found.image("VUI")
        assert torch.equal((pose * 255).round().to(torch.uint8), found.iuv.flip(-1)), "part index in blue, raw"
        texture, _ = texture_map(image, found)
        tokens = MannequinMCLDConditioning.execute(
            mcld=parts[2], clip_vision=parts[3], image=image, texture=texture[None]
        )[2]
        for token, picture in ((tokens.image, image), (tokens.texture, texture[None])):
            pooled = parts[3].encode_image(picture, crop=False).image_embeds
            assert token.shape == (1, 1, 64) and torch.equal(token[:, 0], pooled), "one pooled token, nothing cropped"


def sd_of_width_64():
    from mannequin.model_patches.comfy_small_sd import SmallSD, build_model

    return build_model(SmallSD(width=64), 0)


class TestSampler:
    def test_it_is_ddim_where_the_schedule_is_ordinary(self):
        import comfy.sample
        import comfy.samplers

        base = model()
        sigmas = comfy.samplers.calculate_sigmas(base.get_model_object("model_sampling"), "simple", 3)
        noise, empty = random(1, 4, 8, 8), [[torch.zeros(1, 1, 32), {}]]
        ours, theirs = (
            comfy.sample.sample_custom(
                base, noise, 2.0, sampler, sigmas, empty, empty, torch.zeros_like(noise), disable_pbar=True, seed=0
            )
            for sampler in (MannequinDDIMSampler.execute()[0], comfy.samplers.sampler_object("ddim"))
        )
        assert difference(ours, theirs) < 1e-3 * float(theirs.abs().max())


def test_mfca_hpfa_and_caa_on_one_model_with_reference_features():
    base = model()
    net = source(base)
    everything = patched(base, "hpfa", "caa", "mfca", net=net)
    assert difference(sample(everything), sample(patched(base, "hpfa", "caa", net=net))) > 1e-2
