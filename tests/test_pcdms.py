"""PCDMs' inpainting and refining: the published numbers, each of its conditions, its nodes on small weights."""

from types import SimpleNamespace

import comfy.sample
import comfy.samplers
import pytest
import torch
from mannequin.model_patches.comfy_evaluation import NULL
from mannequin.model_patches.comfy_inputs import INPUTS
from mannequin.model_patches.comfy_rescale import rescale_guidance
from mannequin.model_patches.comfy_samplers import leading_timesteps, linspace_timesteps, published_sampler
from mannequin.model_patches.comfy_small_sd import build_clip_vision, build_vae
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.weight_kinds.pcdms_prior import PCDMS_PRIOR
from mannequin.model_patches.weight_kinds.pcdms_unets import PCDMS_INPAINTING, PCDMS_REFINING
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pcdms import MannequinPCDMsJoint, MannequinPCDMsTarget
from mannequin.nodes.pcdms_conditioning import MannequinPCDMsConditioning, MannequinPCDMsRefining
from mannequin.preprocessors.joint_views import generated
from PIL import Image
from small import difference, dino_output, model, random

import nodes as host_nodes
from devtools import parity, untrained

GOLDEN = [
    "pcdms_stage2",
    "pcdms_stage3",
    "pcdms_pipeline_stage2",
    "pcdms_pipeline_stage3",
    "pcdms_pipeline_simplified",
    "unipc",
]
SIDES = (64, 88)
KINDS = {"inpainting": PCDMS_INPAINTING, "simplified": PCDMS_INPAINTING, "refining": PCDMS_REFINING}


@pytest.mark.parametrize("name", GOLDEN)
def test_parity(golden, capsys, name):
    """Through the loader, the nodes and the host's guidance and samplers."""
    assert parity.main([str(golden(f"{name}.safetensors"))]) == 0
    assert f'"kind": "{name}"' in capsys.readouterr().out


@pytest.fixture(scope="module")
def nets():
    """Untrained networks of every stage, a VAE, and an image encoder in DINOv2's place."""
    with torch.inference_mode():
        stages = {stage: load_weights(kind, *_file(stage)) for stage, kind in KINDS.items()}
        return stages | {"vae": build_vae(1), "dino": build_clip_vision(2, 64)}


def _file(stage: str) -> tuple:
    state, metadata = untrained.prior_state() if stage == "prior" else untrained.pcdms_state(stage)
    return state, stage, metadata


def picture(rows: int = 1, seed: int = 0, height: int = 90, width: int = 70) -> torch.Tensor:
    return torch.rand(rows, height, width, 3, generator=torch.Generator().manual_seed(seed))


def embedding(rows: int = 1, width: int = 64, seed: int = 5) -> SimpleNamespace:
    return SimpleNamespace(image_embeds=random(rows, width, seed=seed))


def joint(photos: int = 1, targets: int = 1, sides=SIDES) -> tuple:
    poses = picture(1, 1), picture(targets, 2)
    return MannequinPCDMsJoint.execute(picture(photos), *poses, *sides).result[:3]


def conditions(nets, stage: str = "inpainting", parts=None, given="own", **options) -> tuple:
    given = (embedding() if stage == "inpainting" else None) if given == "own" else given
    pcdms = nets[stage][1]
    return MannequinPCDMsConditioning.execute(
        pcdms, nets["dino"], nets["vae"], *(parts or joint()), given, **options
    ).result


def sampled(model, positive, negative, latent, cfg: float = 2.0, steps: int = 3, sampler: str = "uni_pc_bh2", **more):
    latents = latent["samples"]
    noise = comfy.sample.prepare_noise(latents, 5)
    arguments = (noise, steps, cfg, sampler, "normal", positive, negative, latents)
    return comfy.sample.sample(model, *arguments, seed=5, disable_pbar=True, **more)


class TestJoint:
    def test_fig_4(self):
        photo, source, target = (picture(1, seed, SIDES[1], SIDES[0]) for seed in range(3))
        made, mask, poses, layout = MannequinPCDMsJoint.execute(photo, source, target, *SIDES).result
        assert made.shape == (1, 88, 128, 3) and torch.equal(made[:, :, :64], photo) and not made[:, :, 64:].any()
        assert torch.equal(poses[:, :, :64], source) and torch.equal(poses[:, :, 64:], target)
        assert mask[:, :, 64:].all() and not mask[:, :, :64].any(), "white is generated"
        assert torch.equal(generated(layout, poses), target) and layout.size == (128, 88)

    def test_halves_are_squashed_as_pil_does(self):
        photo = (picture(1, 3) * 255).round() / 255
        made, *_ = MannequinPCDMsJoint.execute(photo, photo, photo, *SIDES).result
        pil = Image.fromarray((photo[0] * 255).round().to(torch.uint8).numpy()).resize(SIDES, Image.Resampling.BICUBIC)
        expected = torch.tensor(list(pil.tobytes())).reshape(88, 64, 3)
        assert torch.equal((made[0, :, :64] * 255).round().long(), expected)

    def test_target_poses_make_a_batch(self):
        made, mask, poses = joint(targets=3)
        assert (len(made), len(mask), len(poses)) == (1, 1, 3)
        with pytest.raises(NodeError, match="PCDMs Joint Picture: .*image 2, source_pose 1, target_pose 3"):
            joint(photos=2, targets=3)

    def test_the_target_is_the_right_half(self):
        whole = picture(2, 4, 8, 12)
        assert torch.equal(MannequinPCDMsTarget.execute(whole).result[0], whole[:, :, 6:])
        with pytest.raises(NodeError, match="13 pixels wide, which has no halves"):
            MannequinPCDMsTarget.execute(picture(1, 4, 8, 13))


class TestConditioning:
    def test_what_is_null(self, nets):
        positive, negative, latent = conditions(nets)
        (context, given), (null, nothing) = positive[0], negative[0]
        tokens = nets["dino"].encode_image(picture()).last_hidden_state.shape[1]
        assert context.shape == null.shape == (1, tokens + 1, 64) and not null.any()
        assert torch.equal(context[:, -1], embedding().image_embeds), "the embedding is the last token"
        inputs, without = given[INPUTS], nothing[INPUTS]
        assert nothing[NULL] and NULL not in given
        assert without.vector is None and torch.equal(inputs.vector, embedding().image_embeds)
        assert torch.equal(inputs.features, without.features) and torch.equal(inputs.latent, without.latent)
        assert inputs.mask[..., :8].all() and not inputs.mask[..., 8:].any(), "1 is the visible half"
        assert latent["samples"].shape == (1, 4, 11, 16) and not latent["samples"].any()

    def test_the_simplified_null_is_the_projection_of_zeros(self, nets):
        positive, negative, _ = conditions(nets, "simplified")
        network = nets["simplified"][1].model
        expected = network.image_projection(torch.zeros(1, positive[0][0].shape[1], 64))
        assert (
            torch.equal(negative[0][0], expected)
            and not conditions(nets, "simplified", null_tokens="zeros")[1][0][0].any()
        )

    def test_pictures_of_poses_are_seen_from_minus_1_to_1(self, nets):
        parts = joint()
        given = conditions(nets, parts=parts)[0][0][1][INPUTS]
        pose = parts[2].movedim(-1, 1) * 2 - 1
        assert difference(given.features, nets["inpainting"][1].model.pose_encoder(pose)) < 1e-6
        halved = conditions(nets, parts=parts, pose_strength=0.5)[0][0][1][INPUTS]
        assert difference(halved.features, given.features / 2) < 1e-6
        assert conditions(nets, parts=parts, pose_strength=0.0)[0][0][1][INPUTS].features is None

    @pytest.mark.parametrize("part", range(3), ids=["photo", "mask", "poses"])
    def test_every_part_counts(self, nets, part):
        parts = list(joint())
        base = sampled(nets["inpainting"][0], *conditions(nets, parts=parts))
        parts[part] = 1 - parts[part]
        assert difference(sampled(nets["inpainting"][0], *conditions(nets, parts=parts)), base) > 1e-2

    @pytest.mark.parametrize("entry", ["vector", "context"])
    def test_the_embedding_counts_twice(self, nets, entry):
        """As the last token, and with the timestep."""
        positive, negative, latent = conditions(nets)
        base = sampled(nets["inpainting"][0], positive, negative, latent)
        (context, given), other = positive[0], conditions(nets, given=embedding(seed=9))[0][0]
        changed = [[other[0], given]] if entry == "context" else [[context, other[1]]]
        assert difference(sampled(nets["inpainting"][0], changed, negative, latent), base) > 1e-3

    def test_a_batch_of_poses_is_what_each_gives(self, nets):
        photo, source, targets = picture(), picture(1, 1), picture(2, 2)
        made = []
        for rows in (targets, targets[:1], targets[1:]):
            parts = MannequinPCDMsJoint.execute(photo, source, rows, *SIDES).result[:3]
            positive, negative, latent = conditions(nets, parts=parts)
            noise = random(1, 4, 11, 16).expand(len(rows), -1, -1, -1)
            arguments = (noise, 2, 2.0, "euler", "normal", positive, negative, latent["samples"])
            made.append(comfy.sample.sample(nets["inpainting"][0], *arguments, disable_pbar=True))
        size = float(made[0].abs().max())
        assert difference(made[0], torch.cat(made[1:])) < 1e-5 * size and difference(made[1], made[2]) > 1e-2

    @pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m", "lcm", "heun"])
    def test_any_sampler(self, nets, sampler):
        assert sampled(nets["inpainting"][0], *conditions(nets), sampler=sampler).isfinite().all()

    def test_an_area_is_given_its_own_part(self, nets):
        """A cond over the whole picture, said as an area, is the cond."""
        positive, negative, latent = conditions(nets)
        whole = [[positive[0][0], positive[0][1] | {"area": (11, 16, 0, 0), "strength": 1.0}]]
        base = sampled(nets["inpainting"][0], positive, negative, latent)
        assert difference(sampled(nets["inpainting"][0], whole, negative, latent), base) < 1e-5 * base.abs().max()
        half = [[positive[0][0], positive[0][1] | {"area": (11, 8, 0, 8), "strength": 1.0}]]
        assert sampled(nets["inpainting"][0], [*positive, *half], negative, latent).isfinite().all()

    def test_twice_is_the_same_and_nothing_stays(self, nets):
        patcher = nets["inpainting"][0]
        given = conditions(nets)
        first = sampled(patcher, *given)
        assert torch.equal(first, sampled(patcher.clone(), *given))
        assert not patcher.model_options["transformer_options"].get("patches")


def refining(nets, image=None) -> tuple:
    given = nets["refining"][1], nets["dino"], nets["vae"], picture(1, 6) if image is None else image, picture()
    return MannequinPCDMsRefining.execute(*given, *SIDES).result


class TestRefining:
    def test_the_null_condition_sees_no_picture(self, nets):
        """Eq. 8: with a guidance of 0 neither picture counts."""
        made = [
            sampled(nets["refining"][0], *refining(nets, picture(1, seed)), cfg=0.0, steps=1, sampler="euler")
            for seed in (6, 7)
        ]
        assert difference(*made) == 0.0
        assert difference(*(sampled(nets["refining"][0], *refining(nets, picture(1, s))) for s in (6, 7))) > 1e-2

    def test_rescaled_guidance(self, nets):
        model, given = nets["refining"][0], refining(nets)
        plain = sampled(model, *given)
        assert torch.equal(sampled(rescale_guidance(model, 0.0), *given), plain)
        assert difference(sampled(rescale_guidance(model, 2.0), *given), plain) > 1e-2
        # Guidance of 1 is the condition's own contrast.
        alone = sampled(model, *given, cfg=1.0, steps=1, sampler="euler")
        assert (
            difference(sampled(rescale_guidance(model, 2.0), *given, cfg=1.0, steps=1, sampler="euler"), alone) < 1e-3
        )

    def test_many_pictures_of_one_source(self, nets):
        positive, _, latent = refining(nets, picture(3, 6))
        assert positive[0][0].shape[0] == 1 and latent["samples"].shape[0] == 3


class TestPublishedSampler:
    def test_timesteps(self):
        assert linspace_timesteps(20) == [*range(999, 500, -50), *range(500, 0, -50)]
        assert leading_timesteps(50) == list(range(981, 0, -20))

    @pytest.mark.parametrize("name, last", [("UniPC", 50), ("DDIM", 1)])
    def test_noise_levels_are_the_models(self, nets, name, last):
        model = nets["inpainting"][0]
        table = model.get_model_object("model_sampling").sigmas
        sampler, sigmas = published_sampler(model, name, {"UniPC": 20, "DDIM": 50}[name])
        assert float(sigmas[-1]) == float(table[0]) == pytest.approx(0.0292, abs=1e-4) and sigmas[-2] == table[last]
        assert sampler.max_denoise(None, sigmas) and not sampler.max_denoise(None, sigmas[3:])


class TestErrors:
    @pytest.mark.parametrize("loaded", [*KINDS.values(), PCDMS_PRIOR], ids=lambda kind: kind.name)
    @pytest.mark.parametrize("stage", [*KINDS, "prior"])
    def test_swapped_stages(self, loaded, stage):
        """Every stage's file in every other's loader."""
        kind = KINDS.get(stage, PCDMS_PRIOR)
        state, name, metadata = _file(stage)
        if kind is loaded:
            load_weights(loaded, state, name, metadata)
            return
        with pytest.raises(PatchError, match=f"'{stage}' is {kind.what}; load it with {kind.node}"):
            load_weights(loaded, state, name, metadata)

    def test_a_stage_that_is_not_what_its_header_says(self):
        state, name, metadata = _file("refining")
        _, _, wrong = _file("simplified")
        with pytest.raises(PatchError, match="'pose_encoder.conv_out.weight' is missing"):
            load_weights(PCDMS_INPAINTING, state, name, wrong)
        state, _, _ = _file("simplified")
        with pytest.raises(PatchError, match="it takes 9 channels where the method has 8|pose_encoder"):
            load_weights(PCDMS_REFINING, state, name, metadata)

    def test_the_other_stages_weights(self, nets):
        with pytest.raises(NodeError, match="PCDMs Conditioning: These weights are of the refining stage"):
            conditions(nets, "refining")
        with pytest.raises(NodeError, match="PCDMs Refining Conditioning: These weights are of the inpainting stage"):
            MannequinPCDMsRefining.execute(
                nets["inpainting"][1], nets["dino"], nets["vae"], picture(), picture(), *SIDES
            )

    @pytest.mark.parametrize(
        "stage, given, words",
        [
            ("inpainting", None, "No embedding is connected"),
            ("simplified", embedding(), "The simplified checkpoint takes no embedding"),
            ("inpainting", embedding(width=32), "a tensor of shape \\[1, 32\\]; one row of 64 numbers"),
            ("inpainting", embedding(rows=2), "joint 1, mask 1, joint_pose 3, embedding 2"),
        ],
        ids=["none", "too many", "of another CLIP", "rows"],
    )
    def test_embeddings(self, nets, stage, given, words):
        with pytest.raises(NodeError, match=f"PCDMs Conditioning: .*{words}"):
            conditions(nets, stage, joint(targets=3), given)

    def test_an_embedding_of_dino(self, nets):
        """Large is as wide as CLIP ViT-H/14; the width of CLIP's own tokens says nothing."""
        with pytest.raises(NodeError, match="is a class token as it comes out of DINOv2, .* 64 wide.* PCDMs Prior"):
            conditions(nets, given=dino_output(64))
        clip = build_clip_vision(2, 64).encode_image(picture(), crop=False)
        assert clip.last_hidden_state.shape[-1] == 64
        assert torch.equal(conditions(nets, given=clip)[0][0][1][INPUTS].vector, clip.image_embeds)

    def test_another_image_encoder(self, nets):
        with pytest.raises(NodeError, match="tokens are 32 wide, and these weights take 64"):
            tokens = SimpleNamespace(last_hidden_state=random(1, 5, 32))
            conditions(nets | {"dino": SimpleNamespace(encode_image=lambda image, crop: tokens)})

    def test_dino_as_the_host_loads_it(self, nets):
        with pytest.raises(NodeError, match="looks at pictures of 518×518, and the DINOv2 of PCDMs at 224×224"):
            conditions(nets | {"dino": SimpleNamespace(image_size=518)})

    @pytest.mark.parametrize("part, what", [(1, "mask"), (2, "joint pose")])
    def test_a_part_of_another_size(self, nets, part, what):
        parts = list(joint())
        parts[part] = joint(sides=(64, 80))[part]
        with pytest.raises(NodeError, match=f"PCDMs Conditioning: The {what} is 128×80 and the joint picture 128×88"):
            conditions(nets, parts=parts)

    @pytest.mark.parametrize("whose", ["source", "target"])
    def test_nobody_in_a_pose(self, whose):
        poses = {"source": picture(2, 1), "target": picture(2, 2)}
        poses[whose][1] = 0
        with pytest.raises(NodeError, match=f"PCDMs Joint Picture: Picture 2 of the {whose} pose is black: nobody"):
            MannequinPCDMsJoint.execute(picture(), *poses.values(), *SIDES)

    @pytest.mark.parametrize(
        "change, words",
        [
            (
                lambda p, n, latent: (p, n, {"samples": torch.zeros(1, 4, 11, 11)}),
                "is 128×88 pixels and the latent 88×88",
            ),
            (lambda p, n, latent: (p, n, {"samples": torch.zeros(2, 4, 11, 16)}), None),
        ],
        ids=["aspect", "more images of one pose"],
    )
    def test_while_sampling(self, nets, change, words):
        given = change(*conditions(nets))
        if words is None:
            assert sampled(nets["inpainting"][0], *given).isfinite().all()
            return
        with pytest.raises(PatchError, match=f"PCDMs Conditioning: .*{words}"):
            sampled(nets["inpainting"][0], *given)

    @pytest.mark.parametrize("stage", KINDS)
    def test_zeroed_in_place_of_null(self, nets, stage):
        """The host's own node, for the negative and where the positive should be."""
        positive, negative, latent = refining(nets) if stage == "refining" else conditions(nets, stage)
        (zeroed,) = host_nodes.ConditioningZeroOut().zero_out(positive)
        for pair in ((positive, zeroed), (zeroed, negative)):
            with pytest.raises(PatchError, match="^PCDMs .*Conditioning: .*ConditioningZeroOut keeps what stands besi"):
                sampled(nets[stage][0], *pair, latent)

    def test_a_noise_mask(self, nets):
        with pytest.raises(PatchError, match="PCDMs Conditioning: The latent has a noise mask"):
            sampled(nets["inpainting"][0], *conditions(nets), noise_mask=torch.ones(1, 1, 11, 16))

    def test_text_in_its_place(self, nets):
        positive, negative, latent = conditions(nets)
        with pytest.raises(PatchError, match="takes 9 channels, of which noise has 4, and its conditioning brings no"):
            sampled(nets["inpainting"][0], [[positive[0][0], {}]], negative, latent)

    def test_conditioning_of_another_stage(self, nets):
        with pytest.raises(
            PatchError, match="PCDMs Conditioning: It brings 5 channels beside .*Model and conditioning"
        ):
            sampled(nets["refining"][0], *conditions(nets))

    def test_a_schedule_of_another_length(self):
        sampling = SimpleNamespace(get_model_object=lambda name: SimpleNamespace(sigmas=torch.ones(10)))
        with pytest.raises(PatchError, match="has 10 steps of noise"):
            published_sampler(sampling, "UniPC", 4)


def test_an_ordinary_model_is_the_hosts_own():
    assert type(model().model).__name__ == "BaseModel"
