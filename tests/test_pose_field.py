"""The pose interaction field: its numbers, and guidance by it in the host's samplers."""

import comfy.model_sampling
import comfy.samplers
import comfy.sd
import comfy.taesd.taesd
import pytest
import torch
from mannequin.model_patches.comfy_frozen import Frozen, FrozenDecoder, FrozenEstimator
from mannequin.model_patches.comfy_pose_field import FIELD, PoseField, TargetPose, noise_ratio
from mannequin.model_patches.comfy_small_sd import build_vae, seed_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.guidance.pose_interaction_field import field_gradient, heat_weight, pose_field, shift
from mannequin.model_patches.networks.higherhrnet import PoseMaps
from mannequin.model_patches.scope import Scope
from mannequin.nodes.errors import NodeError
from mannequin.nodes.pose_field import MannequinPoseInteractionField, target_pose
from mannequin.nodes.pose_field_preview import MannequinPreviewPoseField
from pose_field_parts import WIDGETS, estimator, pose
from small import conditioning, difference, model, patched, random, sample

from devtools import parity

#: Latents of pictures that the estimator takes as they are.
SIZE = {"height": 8, "width": 12}


def test_parity(golden, capsys):
    """W_h, G, its gradient and the guided x̂₀ by both rules, in double precision."""
    assert parity.main([str(golden("pif.safetensors"))]) == 0
    assert '"kind": "pif"' in capsys.readouterr().out


@pytest.fixture(scope="module")
def parts():
    """MODEL, estimator and VAE."""
    with torch.inference_mode():
        return model(), estimator(), build_vae(3)


def guided(parts, patcher=None, target=None, **options):
    base, net, vae = parts
    given = target or pose(), net, vae
    return MannequinPoseInteractionField.execute(patcher or base, *given, **(WIDGETS | options)).result[0]


def distance(parts, latent: torch.Tensor) -> float:
    """G of a finished latent, in the VAE's scale."""
    base, net, vae = parts
    field = guided(parts).model_options["sampler_post_cfg_function"][0]
    picture = vae.process_output(vae.first_stage_model.decode(latent))
    target = net.model(field.target.picture(96, 64)).features
    return float(pose_field(net.model(picture), target).distance)


class TestField:
    def test_heat_is_summed_and_then_cut(self):
        fine = torch.zeros(1, 17, 4, 4)
        fine[0, :3, 0, 0] = 0.04
        fine[0, 0, 2:, 2:] = 0.2
        fine[0, 1, 0, 3] = 0.099
        assert heat_weight(fine, (2, 2)).tolist() == [[[[0.25, 0.0], [0.0, 1.0]]]]

    def test_the_distance_is_a_sum_over_places_and_channels(self):
        made = PoseMaps(torch.full((1, 3, 2, 2), 2.0), None, None, torch.ones(1, 17, 4, 4))
        field = pose_field(made, torch.full((1, 3, 2, 2), 0.5))
        assert field.distance.tolist() == [3 * 4 * 1.5**2] and field.density.sum() == field.distance.sum()

    @pytest.mark.parametrize("rule, factor", [("Eq. 15", 9 / 10**0.5), ("Eq. 14", 3 / 10**0.5)])
    def test_the_rules(self, rule, factor):
        gradient = random(2, 4, 3, 3)
        moved = shift(random(2, 4, 3, 3, seed=1), gradient, torch.tensor([3.0, 3.0]), 0.5, 2.0, rule)
        assert difference(moved, 2.0 * 0.5 * factor * gradient) < 1e-6

    def test_the_relative_rule_moves_a_share(self):
        clean, gradient = random(2, 4, 3, 3), 1e4 * random(2, 4, 3, 3, seed=1)
        gradient[1] = 0
        moved = shift(clean, gradient, torch.tensor([3.0]), 0.05, 7.0, "relative")
        assert float(moved[0].norm()) == pytest.approx(0.05 * float(clean[0].norm()), rel=1e-5)
        assert not moved[1].any()

    def test_the_gradient_is_that_of_finite_differences(self, parts):
        """In inference mode, through weights that were loaded in it."""
        _, net, vae = parts
        looks, decoder = Frozen(net.model), FrozenDecoder(vae)
        clean = 3 * random(1, 4, 8, 12)
        target = looks(torch.zeros(1, 3, 64, 96)).features
        field, gradient = field_gradient(clean, lambda latent: looks(decoder(latent)), target)
        # Along itself, where it is largest against rounding. W_h is a constant of the gradient, so it is held here.
        direction = gradient / gradient.norm()
        ends = [
            float((field.weight * (looks(decoder(clean + step * direction)).features - target).square()).double().sum())
            for step in (-1e-2, 1e-2)
        ]
        expected = (ends[1] - ends[0]) / 2e-2
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=3e-2)

    def test_gradients_are_of_the_features_alone(self, parts):
        """Nothing is kept for those of heat maps, of which W_h is a constant; the maps are the same."""
        _, net, _ = parts
        picture = random(1, 3, 64, 96).clamp(0, 1)
        with torch.inference_mode(False), torch.enable_grad():
            variable = picture.clone().requires_grad_()
            maps = FrozenEstimator(net.model)(variable)
            assert [part.requires_grad for part in maps] == [True, False, False, False]
            (gradient,) = torch.autograd.grad(maps.features.sum(), variable)
        assert float(gradient.abs().max()) > 0
        assert all(torch.equal(part.detach(), plain) for part, plain in zip(maps, net.model(picture), strict=True))

    def test_a_flow_models_noise(self):
        assert noise_ratio(torch.tensor([0.5, 0.75]), comfy.model_sampling.CONST()).tolist() == [1.0, 3.0]
        assert noise_ratio(torch.tensor([2.0]), comfy.model_sampling.EPS()).tolist() == [2.0]


class TestSampling:
    def test_the_result_is_nearer_to_the_pose(self, parts):
        plain = sample(parts[0], steps=4, **SIZE)
        ours = sample(guided(parts), steps=4, **SIZE)
        assert distance(parts, ours) < 0.8 * distance(parts, plain)
        assert torch.equal(ours, sample(guided(parts), steps=4, **SIZE))
        assert torch.equal(plain, sample(parts[0], steps=4, **SIZE))

    def test_a_step_is_moved_by_the_rule(self, parts):
        """With CFG's w, by the span's and the schedule's noise level."""
        base = parts[0]
        seen = {}

        def before(arguments):
            seen.update(arguments)
            return arguments["denoised"]

        watched = base.clone()
        watched.set_model_sampler_post_cfg_function(before)
        patcher = guided(parts, watched, scale=3e4, rule="Eq. 15", every=2)
        field = patcher.model_options["sampler_post_cfg_function"][1]
        patcher.set_model_sampler_post_cfg_function(lambda arguments: seen.setdefault("moved", arguments["denoised"]))
        sample(patcher, steps=1, cfg=3.5, **SIZE)
        _, gradient = field_gradient(
            seen["cond_denoised"], *field.looked_at(seen["cond_denoised"], base.model, _NoMemory())
        )
        sigma = float(seen["sigma"][0])
        expected = seen["denoised"] - 3.5 * 3e-2 * sigma**2 / (1 + sigma**2) ** 0.5 * gradient
        assert sigma > 10 and difference(seen["moved"], expected) < 1e-3
        assert difference(seen["moved"], seen["denoised"]) > 1e-2

    @pytest.mark.parametrize(
        "options", [{"scale": 0.0}, {"region": torch.zeros(1, 20, 20)}, {"start_percent": 0.6, "end_percent": 0.5}]
    )
    def test_off_is_off(self, parts, options):
        assert torch.equal(sample(guided(parts, **options), **SIZE), sample(parts[0], **SIZE))

    def test_a_region(self, parts):
        region = torch.zeros(1, 64, 96)
        region[..., 48:] = 1
        field = guided(parts, region=region).model_options["sampler_post_cfg_function"][0]
        clean = random(1, 4, 8, 12)
        moved = field.shifted(clean, clean, random(1, 4, 8, 12, seed=1), torch.ones(1), 1.0, _NoMemory()) - clean
        assert not moved[..., :6].any() and moved[..., 6:].all()

    @pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m"])
    def test_every_and_the_span(self, parts, sampler, monkeypatch):
        steps = []
        monkeypatch.setattr(PoseField, "check", lambda self, clean: steps.append(clean))
        counts = {}
        for every, start in ((1, 0.0), (2, 0.0), (1, 0.5)):
            steps.clear()
            patcher = guided(parts, every=every, start_percent=start)
            _sampled(patcher, sampler, 4)
            counts[every, start] = len(steps)
        evaluations = {"euler": 4, "heun": 7, "dpmpp_2m": 4}[sampler]
        assert counts[1, 0.0] == evaluations
        assert 0 < counts[2, 0.0] <= evaluations // 2 + 1 and 0 < counts[1, 0.5] < evaluations

    def test_it_composes(self, parts):
        """With an attention patch and with another field: removing any changes the result."""
        base = parts[0]
        attended = patched(base, "reference")
        both = guided(parts, attended)
        twice = guided(parts, both, target=pose(1))
        results = [sample(patcher, **SIZE) for patcher in (base, attended, guided(parts), both, twice)]
        assert all(difference(a, b) > 1e-4 for i, a in enumerate(results) for b in results[:i])

    def test_a_batch(self, parts):
        two = sample(guided(parts, target=pose(frames=2)), batch=2, **SIZE)
        assert torch.isfinite(two).all()
        with pytest.raises(PatchError, match="^Pose Interaction Field: The target pose holds 2 images and the latent"):
            sample(guided(parts, target=pose(frames=2)), batch=3, **SIZE)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_in_half_precision(self, parts, dtype):
        half = model(dtype=dtype), estimator(dtype), parts[2]
        exact, ours, plain = (sample(patcher, **SIZE) for patcher in (guided(parts), guided(half), half[0]))
        assert difference(ours, exact) < 0.5 * difference(ours, plain)

    def test_a_gradient_that_is_no_number(self, parts, monkeypatch, caplog):
        plain = sample(parts[0], steps=3, **SIZE)
        monkeypatch.setattr(parts[2], "process_output", lambda picture: picture * float("nan"))
        assert torch.equal(sample(guided(parts), steps=3, **SIZE), plain)
        said = [record.getMessage() for record in caplog.records if "gradient" in record.getMessage()]
        assert len(said) == 1 and said[0].startswith("Pose Interaction Field: the gradient of the pose interaction")

    def test_the_distance_of_every_step_is_told(self, parts, caplog):
        with caplog.at_level("INFO"):
            sample(guided(parts, every=2), steps=4, **SIZE)
        (said,) = (record.getMessage() for record in caplog.records if "G over the guided" in record.getMessage())
        assert said.startswith("Pose Interaction Field: G over") and len(said.split(": ")[-1].split(", ")) == 2

    def test_through_a_tiny_decoder(self, parts):
        """The host's TAESD."""
        tiny = comfy.taesd.taesd.TAESD()
        vae = comfy.sd.VAE(sd=seed_weights(tiny, 2).state_dict(), dtype=torch.float32)
        latent = random(1, 4, 8, 12)
        assert difference(FrozenDecoder(vae)(latent), vae.decode(latent).movedim(-1, 1)) < 1e-5
        ours = guided((*parts[:2], vae))
        assert difference(sample(ours, **SIZE), sample(parts[0], **SIZE)) > 1e-2

    def test_nothing_is_left_behind(self, parts, monkeypatch):
        patcher = guided(parts)
        kept = []
        clear = "mannequin.model_patches.comfy_pose_field.Memory.clear"
        monkeypatch.setattr(clear, lambda self: (kept.append(len(self._kept)), self._kept.clear()))

        def stop(*arguments):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            sample(patcher, steps=3, callback=stop, **SIZE)
        assert kept == [3]
        assert FIELD not in patcher.model_options["transformer_options"]
        assert torch.equal(sample(patcher, **SIZE), sample(guided(parts), **SIZE))


class _NoMemory:
    """Computes everything anew."""

    def once(self, key, compute):
        with torch.inference_mode(False), torch.no_grad():
            return compute()


def _sampled(patcher, sampler: str, steps: int) -> torch.Tensor:
    guider = comfy.samplers.CFGGuider(patcher)
    guider.set_conds(conditioning(), conditioning(seed=4))
    guider.set_cfg(2.0)
    sigmas = comfy.samplers.calculate_sigmas(patcher.get_model_object("model_sampling"), "normal", steps)
    noise = random(1, 4, 8, 12)
    chosen = comfy.samplers.sampler_object(sampler)
    return guider.sample(noise, torch.zeros_like(noise), chosen, sigmas, seed=5, disable_pbar=True)


def test_preview(parts):
    """W_h and G are those of the field; red is where it is off."""
    _, net, _ = parts
    image = torch.rand(2, 64, 96, 3, generator=torch.Generator().manual_seed(2))
    drawn, weight, far = MannequinPreviewPoseField.execute(image, pose(), net).result
    target = net.model(target_pose(pose()).picture(96, 64)).features
    expected = pose_field(net.model(image.movedim(-1, 1)), target)
    assert far == pytest.approx(float(expected.distance.mean()), rel=1e-4)
    assert drawn.shape == image.shape and weight.shape == (2, 64, 96) and 0.1 < float(weight.mean()) < 0.9
    off = torch.nn.functional.interpolate(expected.density, size=(64, 96), mode="bilinear")[:, 0]
    assert difference(drawn[..., 0][off == 0], 0.5 * image[..., 0][off == 0]) < 1e-6
    worst = off[0].flatten().argmax()
    assert drawn[0].flatten(0, 1)[worst].tolist() == pytest.approx([1, 0, 0], abs=1e-5)
    with pytest.raises(NodeError, match="^Preview Pose Field: The target pose holds 3 images"):
        MannequinPreviewPoseField.execute(image, pose(frames=3), net)


class TestBadInput:
    def test_nobody(self, parts):
        with pytest.raises(NodeError, match="^Pose Interaction Field: Frame 1 of the target pose shows nobody"):
            guided(parts, target=pose(0))

    def test_frames_of_several_sizes(self, parts):
        with pytest.raises(NodeError, match="frames of several sizes"):
            guided(parts, target=pose() + pose(width=50))

    def test_a_decoder_of_another_latent(self, parts, monkeypatch):
        monkeypatch.setattr(parts[2], "latent_channels", 16)
        with pytest.raises(NodeError, match="latents of 16 channels and the model makes 4: it is another model's VAE"):
            guided(parts)

    def test_a_checkpoint_without_a_vae(self, parts, monkeypatch):
        monkeypatch.setattr(parts[2], "first_stage_model", None)
        with pytest.raises(NodeError, match="^Pose Interaction Field: The decoder holds no VAE"):
            guided(parts)

    def test_another_aspect(self, parts):
        with pytest.raises(PatchError, match="^Pose Interaction Field: The target pose is on a canvas of 64×96 and"):
            sample(guided(parts, target=pose(width=64, height=96)), **SIZE)

    def test_another_kind_of_latent(self):
        field = PoseField(None, None, TargetPose(None, 1, 8, 8), Scope(), "relative")
        with pytest.raises(PatchError, match="This model's latents have 5 dimensions"):
            field.check(torch.zeros(1, 4, 1, 8, 8))
