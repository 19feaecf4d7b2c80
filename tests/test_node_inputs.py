"""What other packs, and a user in a hurry, wire into the nodes that patch: the right value, or a sentence."""

import math
from types import SimpleNamespace

import comfy.nested_tensor
import comfy.samplers
import pytest
import torch
from mannequin.model_patches.comfy_small_sd import build_clip_vision, build_truepose
from mannequin.nodes.errors import NodeError
from mannequin.nodes.guidance import MannequinRegionBlendGuider
from mannequin.nodes.mcld import MannequinApplyMFCA, MannequinApplyPoseGuider, MannequinMCLDConditioning
from mannequin.nodes.parsing import MannequinEncodeRegions
from mannequin.nodes.reference import MannequinApplyReference
from mannequin.nodes.source import MannequinSourceNet
from mannequin.nodes.truepose import MannequinApplyCAA, MannequinApplyHPFA, MannequinApplyPoseEncoder
from mannequin.preprocessors.face_embedding import FaceEmbedding
from mannequin.preprocessors.labels import Parsing
from small import APPLY, HPFA, body_mask, conditioning, difference, dino, mcld_modules, model, random, sample, source

#: A small picture: latents of HEIGHT × WIDTH.
HEIGHT, WIDTH = 6, 4
MASK = body_mask(1, HEIGHT, WIDTH).float()
NO_ALPHA = torch.zeros(1, 64, 64)
#: Forms in which packs hand a mask over.
FORMS = {
    "H, W": MASK[0],
    "B, 1, H, W": MASK[:, None],
    "B, H, W, 1": MASK[..., None],
    "bool": MASK.bool(),
    "half": MASK.half(),
    "overshoot": MASK * 1.2 - 0.1,
}
MFCA = {"lambda_s": 1.0, "lambda_face": 0.5, "sites": "mid"}
#: What no form of a mask is, and what is said of it.
BAD = {
    "nothing": ("a mask", "is a str; a MASK, .batch, height, width., is needed"),
    "one side": (MASK[0, 0], r"is a tensor of shape \[32\]; a MASK"),
    "a picture": (
        MASK[..., None].expand(-1, -1, -1, 3),
        r"is a tensor of shape \[1, 48, 32, 3\].*Convert Image to Mask",
    ),
    "a film": (MASK[None, None], r"is a tensor of shape \[1, 1, 1, 48, 32\]"),
    "no rows": (MASK[:0], r"is a tensor of shape \[0, 48, 32\]"),
    "NaN": (MASK * math.nan, "holds values that are not numbers .NaN or infinity.. Look at the node before it.$"),
    "bytes": (MASK * 255, "has values from 0 to 255; 0 to 1 is needed. It looks like 0…255. Put ThresholdMask before"),
    "negative": (MASK * -3, "has values from -3 to -?0; 0 to 1 is needed. Put ThresholdMask before it"),
    "no alpha": (NO_ALPHA, "is the empty 64×64 mask that Load Image gives for a picture without alpha. Draw a mask"),
}
POSE = torch.rand(1, 8 * HEIGHT, 8 * WIDTH, 3, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def base():
    with torch.inference_mode():
        return model()


@pytest.fixture(scope="module")
def net(base):
    with torch.inference_mode():
        return source(base, height=HEIGHT, width=WIDTH)


@pytest.fixture(scope="module")
def modules(base):
    with torch.inference_mode():
        return mcld_modules(base)


def picture(patched, **options) -> torch.Tensor:
    return sample(patched, height=HEIGHT, width=WIDTH, steps=1, cfg=1.0, **options)


def reference(base, net, region=None, **widgets):
    arguments = {"model": base, "source": net, "sites": "mid", "region": region} | APPLY | widgets
    return MannequinApplyReference.execute(**arguments)[0]


def hpfa(base, net, mask):
    return MannequinApplyHPFA.execute(model=base, source=net, parsing_mask=mask, **HPFA, **APPLY)[0]


def blend(base, mask, **others):
    text = conditioning()
    branches = {"positive": text, "negative": text, "reference_positive": text, "reference_negative": text}
    inputs = {"model": base, "reference_model": base.clone(), "mask": mask, "cfg": 1.0} | branches | others
    return MannequinRegionBlendGuider.execute(**inputs)[0]


class TestMasks:
    @pytest.mark.parametrize("form", FORMS)
    def test_a_region_in_another_form(self, base, net, form):
        expected = picture(reference(base, net, MASK))
        assert difference(picture(reference(base, net, FORMS[form])), expected) == 0.0
        assert difference(expected, picture(reference(base, net))) > 1e-3

    @pytest.mark.parametrize("form", FORMS)
    def test_a_parsing_mask_in_another_form(self, base, net, form):
        expected = picture(hpfa(base, net, MASK))
        assert difference(picture(hpfa(base, net, FORMS[form])), expected) == 0.0

    @pytest.mark.parametrize("form", FORMS)
    def test_a_blend_mask_in_another_form(self, base, form):
        mask = blend(base, FORMS[form]).mask
        assert mask.dtype == torch.float32 and torch.equal(mask, MASK)

    def test_soft_values_stay(self, base):
        soft = MASK * 0.3
        assert torch.equal(blend(base, soft).mask, soft)

    @pytest.mark.parametrize("kind", BAD)
    def test_what_is_no_mask(self, base, net, kind):
        mask, words = BAD[kind]
        with pytest.raises(NodeError, match=f"^Apply Reference Attention: The region {words}"):
            reference(base, net, mask)
        with pytest.raises(NodeError, match=f"^Region Blend Guider: The mask {words}"):
            blend(base, mask)
        with pytest.raises(NodeError, match=f"^Apply HPFA: The parsing mask {words}"):
            hpfa(base, net, mask)

    def test_every_node_looks_at_its_region(self, base, net, modules):
        truepose = build_truepose(base, 32, 0)
        tokens = mcld_conditioning(modules).result[2]
        labels = MASK.to(torch.uint8)
        calls = {
            "Apply HPFA": lambda region: MannequinApplyHPFA.execute(
                model=base, source=net, parsing_mask=MASK, region=region, **HPFA, **APPLY
            ),
            "Apply CAA": lambda region: MannequinApplyCAA.execute(
                model=base, source=net, regions=(labels, random(1, 2, 32)), count=1, sites="mid", region=region, **APPLY
            ),
            "Apply Pose Encoder": lambda region: MannequinApplyPoseEncoder.execute(
                model=base, truepose=truepose, pose=POSE, region=region, **APPLY
            ),
            "Apply MFCA": lambda region: MannequinApplyMFCA.execute(
                model=base, mcld=modules, tokens=tokens, region=region, **MFCA, **APPLY
            ),
            "Apply Pose Guider": lambda region: MannequinApplyPoseGuider.execute(
                model=base, mcld=modules, pose=POSE, region=region, **APPLY
            ),
        }
        for name, call in calls.items():
            assert call(MASK[0])[0] is not base
            with pytest.raises(NodeError, match=f"^{name}: The region has values from 0 to 255"):
                call(MASK * 255)

    def test_the_mask_of_a_photo_without_alpha(self, base, net):
        with pytest.raises(NodeError, match="disconnect region .* or set strength to 0"):
            reference(base, net, NO_ALPHA.expand(3, -1, -1))
        plain = picture(base)
        assert torch.equal(picture(reference(base, net, NO_ALPHA, strength=0.0)), plain)
        span = {"start_percent": 0.8, "end_percent": 0.2}
        assert torch.equal(picture(reference(base, net, NO_ALPHA, **span)), plain)

    @pytest.mark.parametrize("size", [(8 * HEIGHT, 8 * WIDTH), (64, 65), (512, 512), (1, 1)], ids=str)
    def test_a_black_region_of_any_other_size_is_nowhere(self, base, net, size):
        assert torch.equal(picture(reference(base, net, torch.zeros(1, *size))), picture(base))

    def test_a_region_of_64_pixels_with_something_in_it(self, base, net):
        region = NO_ALPHA.clone()
        region[:, 32:] = 1
        assert difference(picture(reference(base, net, region)), picture(base)) > 1e-3


class TestRowsOfParsingMasks:
    def test_more_sources_than_masks(self, base):
        net = source(base, batch=2, height=HEIGHT, width=WIDTH)
        with pytest.raises(NodeError, match="^Apply HPFA: The parsing mask has 3 images and the source has 2"):
            hpfa(base, net, MASK.expand(3, -1, -1))

    def test_one_photo_in_several_poses(self, base, net):
        """Each target sees the one source through a mask of its own, as it would alone."""
        other = torch.zeros_like(MASK)
        other[:, :16] = 1
        both = picture(hpfa(base, net, torch.cat([MASK, other])), batch=2)
        for row, mask in enumerate((MASK, other)):
            alone = picture(hpfa(base, net, mask), batch=2)
            assert difference(both[row], alone[row]) < 1e-3
        assert difference(both[0], picture(hpfa(base, net, other), batch=2)[0]) > 1

    def test_a_parsing_is_of_the_source(self, base, net):
        regions = (MASK.to(torch.uint8).expand(2, -1, -1), random(2, 2, 32))
        with pytest.raises(NodeError, match="^Apply CAA: The parsing behind .* has 2 images and the source has 1"):
            MannequinApplyCAA.execute(model=base, source=net, regions=regions, count=1, sites="mid", **APPLY)

    def test_nan_from_clip(self, base, net):
        regions = (MASK.to(torch.uint8), random(1, 2, 32) * math.nan)
        with pytest.raises(NodeError, match="^Apply CAA: The CLIP embedding of the regions holds values that are not"):
            MannequinApplyCAA.execute(model=base, source=net, regions=regions, count=1, sites="mid", **APPLY)


@pytest.fixture(scope="module", params=["Apply Pose Encoder", "Apply Pose Guider"])
def apply_pose(request, base, modules):
    """Both nodes that add a picture of a pose."""
    with torch.inference_mode():
        if request.param == "Apply Pose Encoder":
            weights = build_truepose(base, 32, 0)
            return lambda pose: MannequinApplyPoseEncoder.execute(model=base, truepose=weights, pose=pose, **APPLY)[0]
        return lambda pose: MannequinApplyPoseGuider.execute(model=base, mcld=modules, pose=pose, **APPLY)[0]


class TestPosePictures:
    def test_grey_is_grey(self, apply_pose):
        grey = POSE[..., :1]
        expected = picture(apply_pose(grey.expand(-1, -1, -1, 3)))
        assert difference(picture(apply_pose(grey)), expected) == 0.0

    def test_alpha_is_left_out(self, base, apply_pose):
        with_alpha = torch.cat([POSE, torch.zeros_like(POSE[..., :1])], dim=-1)
        expected = picture(apply_pose(POSE))
        assert difference(picture(apply_pose(with_alpha)), expected) == 0.0
        assert difference(expected, picture(base)) > 1e-3

    @pytest.mark.parametrize(
        "pose, words",
        [
            (POSE[..., :2], r"is a tensor of shape \[1, 48, 32, 2\]; an IMAGE"),
            (POSE[0], r"is a tensor of shape \[48, 32, 3\]; an IMAGE, \[batch, height, width, 3\], is needed"),
            (POSE[..., 0], r"is a tensor of shape \[1, 48, 32\].*Convert Mask to Image"),
            (POSE[None], r"is a tensor of shape \[1, 1, 48, 32, 3\]"),
            (POSE[:0], r"is a tensor of shape \[0, 48, 32, 3\]"),
            (None, "is nothing; an IMAGE"),
            (POSE * math.nan, "holds values that are not numbers .*--fp32-vae"),
            ((POSE * 255).to(torch.uint8), "has values from 0 to 25.; 0 to 1 is needed. It looks like 0…255. Divide"),
        ],
        ids=["2 channels", "3-D", "mask", "5-D", "no rows", "nothing", "NaN", "bytes"],
    )
    def test_what_is_no_picture(self, apply_pose, pose, words):
        with pytest.raises(NodeError, match=f"^Apply Pose (Encoder|Guider): The pose image {words}"):
            apply_pose(pose)


def source_net(base, text=None, latent=None, rows: int = 1):
    latent = {"samples": random(rows, 4, HEIGHT, WIDTH, seed=1)} if latent is None else latent
    return MannequinSourceNet.execute(model=base, latent=latent, conditioning=text)[0]


class TestSourceNet:
    @pytest.mark.parametrize(
        "latent, came",
        [
            ({}, "nothing"),
            ("latent", "a str"),
            ({"samples": comfy.nested_tensor.NestedTensor([random(1, 4, 8, 8)] * 2)}, "a NestedTensor"),
            ({"samples": random(1, 4, 8, 8).numpy()}, "a ndarray"),
        ],
        ids=["no samples", "text", "nested", "array"],
    )
    def test_what_is_no_latent(self, base, latent, came):
        with pytest.raises(NodeError, match=f"^SourceNet: The source latent holds {came} in place of .*VAE Encode"):
            source_net(base, latent=latent)

    def test_several_photos_of_one_texture_map(self, base):
        token = [[random(2, 1, 32), {}]]
        words = "^SourceNet: The conditioning has 2 rows and the source latent 1 images.*MCLD Conditioning one of the"
        with pytest.raises(NodeError, match=words):
            source_net(base, token)
        with pytest.raises(NodeError, match="has 2 rows and the source latent 3 images"):
            source_net(base, token, rows=3)

    @pytest.mark.parametrize("rows", [1, 3])
    def test_rows_that_fit(self, base, rows):
        net = source_net(base, [[random(rows, 5, 32), {}]], rows=3)
        assert net.context.shape == (rows, 5, 32)
        assert picture(reference(base, net), batch=3).isfinite().all()

    def test_entries_that_differ(self, base):
        words = r"^SourceNet: The conditioning has 2 entries that differ.*Conditioning \(Concat\)"
        with pytest.raises(NodeError, match=words):
            source_net(base, conditioning() + conditioning(seed=9))

    def test_entries_that_say_the_same(self, base):
        """Such as one prompt over two areas."""
        net = source_net(base, conditioning(area=(1, 1, 0, 0)) + conditioning())
        assert torch.equal(net.context, conditioning()[0][0])

    @pytest.mark.parametrize(
        "text, words",
        [
            ([], "is a conditioning without an entry.*CLIP Text Encode .*or disconnect it"),
            ("a prompt", "is a str, not the list of text and options"),
            ([random(1, 77, 32)], "is a list, not the list of text and options"),
            ([[None, {}]], r"holds nothing; text of shape \[1, tokens, 32\] is needed"),
            ([[random(77, 32), {}]], r"holds a tensor of shape \[77, 32\]; text"),
            ([[random(1, 0, 32), {}]], r"holds a tensor of shape \[1, 0, 32\]; text"),
            ([[random(1, 7, 32) * math.nan, {}]], "holds values that are not numbers"),
        ],
        ids=["empty", "a string", "no pairs", "no text", "2-D", "no tokens", "NaN"],
    )
    def test_what_is_no_conditioning(self, base, text, words):
        with pytest.raises(NodeError, match=f"^SourceNet: The conditioning {words}"):
            source_net(base, text)

    def test_pooled_text_counts_where_it_is_used(self, base):
        """SDXL's; Stable Diffusion 1.5 has none."""
        xl = model("sdxl")
        text = [[random(1, 7, 32), {"pooled_output": random(1, 768)}]]
        with pytest.raises(NodeError, match="^SourceNet: The conditioning is 768 wide and this UNet takes 1280"):
            source_net(xl, text)
        with pytest.raises(NodeError, match=r"shape \[1280\]; text of shape \[1, 1280\] is needed"):
            source_net(xl, [[random(1, 7, 32), {"pooled_output": random(1280)}]])
        with pytest.raises(NodeError, match="has 2 rows and the source latent 1 images"):
            source_net(xl, [[random(1, 7, 32), {"pooled_output": random(2, 1280)}]])
        assert picture(reference(base, source_net(base, text))).isfinite().all()


def mcld_conditioning(modules, images: int = 1, textures: int = 1, faces: int | None = None):
    clip = build_clip_vision(0, 32)
    colours = torch.rand(5, 16, 16, 3, generator=torch.Generator().manual_seed(1))
    face = None if faces is None else FaceEmbedding(random(faces, 512), modules.model.face_model)
    return MannequinMCLDConditioning.execute(
        mcld=modules, clip_vision=clip, image=colours[:images], texture=colours[-textures:], face=face
    )


class TestMCLDConditioning:
    @pytest.mark.parametrize("rows", [(2, 3, None), (3, 1, 2), (1, 2, 3)], ids=str)
    def test_rows_that_do_not_fit(self, modules, rows):
        listed = ", ".join(
            f"{name} {count or 1}" for name, count in zip(("image", "texture", "face"), rows, strict=True)
        )
        with pytest.raises(
            NodeError, match=f"^MCLD Conditioning: The inputs do not fit each other: {listed} .*average"
        ):
            mcld_conditioning(modules, *rows)

    @pytest.mark.parametrize("rows", [(2, 1, None), (1, 2, 1), (1, 1, 2), (2, 2, 2)], ids=str)
    def test_one_of_a_kind_serves_all(self, base, modules, rows):
        """Row i is what its own photo, texture map and face give alone."""
        tokens = mcld_conditioning(modules, *rows).result[2]
        assert {len(given) for given in (tokens.image, tokens.texture, tokens.face)} == {2}
        patched = MannequinApplyMFCA.execute(model=base, mcld=modules, tokens=tokens, **MFCA, **APPLY)[0]
        both = picture(patched, batch=2)
        for row in range(2):
            one = type(tokens)(*(given[row : row + 1] for given in (tokens.image, tokens.texture, tokens.face)))
            alone = MannequinApplyMFCA.execute(model=base, mcld=modules, tokens=one, **MFCA, **APPLY)[0]
            assert difference(both[row], picture(alone, batch=2)[row]) < 1e-3
        # The rows' conditions do differ: each is felt.
        assert difference(both[row], picture(base, batch=2)[row]) > 1e-2

    def test_nan_from_clip(self, modules):
        broken = SimpleNamespace(
            encode_image=lambda *_, **__: SimpleNamespace(image_embeds=torch.full((1, 32), math.nan))
        )
        white = torch.ones(1, 8, 8, 3)
        with pytest.raises(NodeError, match="^MCLD Conditioning: The CLIP embedding holds values that are not numbers"):
            MannequinMCLDConditioning.execute(mcld=modules, clip_vision=broken, image=white, texture=white)

    def test_dino_in_clips_place(self, modules):
        """DINOv2 base is as wide as CLIP ViT-L/14."""
        white = torch.ones(1, 8, 8, 3)
        with pytest.raises(NodeError, match="^MCLD Conditioning: The CLIP embedding is a class token .* Load CLIP Vi"):
            MannequinMCLDConditioning.execute(mcld=modules, clip_vision=dino(32), image=white, texture=white)
        with pytest.raises(NodeError, match="^Encode Regions: The CLIP embedding is a class token"):
            MannequinEncodeRegions.execute(dino(32), white, Parsing(torch.ones(1, 8, 8, dtype=torch.long)))

    def test_the_source_token_is_the_photos(self, modules):
        """One photo over two texture maps is one row, which serves both."""
        *_, tokens, source_token = mcld_conditioning(modules, 1, 2).result
        assert torch.equal(source_token[0][0], tokens.image[:1])


class TestRegionBlend:
    @pytest.mark.parametrize("name", ["positive", "negative", "reference_positive", "reference_negative"])
    def test_empty_conditioning(self, base, name):
        with pytest.raises(
            NodeError, match=f"^Region Blend Guider: Its input {name} is a conditioning without an entry"
        ):
            blend(base, MASK, **{name: []})

    def test_a_black_mask_made_on_purpose(self, base, net):
        """The reference alone, exactly."""
        guider = blend(reference(base, net), torch.zeros_like(MASK), reference_model=base)
        latent = torch.zeros(1, 4, HEIGHT, WIDTH)
        euler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([2.0, 0.0])
        noise = random(1, 4, HEIGHT, WIDTH, seed=5)
        blended = guider.sample(noise, latent, euler, sigmas, seed=5, disable_pbar=True)
        plain = comfy.samplers.CFGGuider(base)
        plain.set_conds(conditioning(), conditioning())
        plain.set_cfg(1.0)
        assert torch.equal(blended, plain.sample(noise, latent, euler, sigmas, seed=5, disable_pbar=True))
