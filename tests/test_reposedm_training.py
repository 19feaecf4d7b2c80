"""Training of RePoseDM: what it writes is what the nodes load, and every part of it does its part."""

import math
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import comfy.sd
import pytest
import torch
from field_in_comfy import guided_in_comfy, keypoints_of
from host_ddim import STEPS, begun
from host_ddim import sampled as by_host
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.weight_kinds.reposedm import REPOSEDM
from mannequin.nodes.pose import MannequinDrawPose
from reposedm_files import field_files
from safetensors import safe_open
from safetensors.torch import load_file
from small_methods import OPTIONS, UNET, recipe
from training_people import NoisePeople

from model_patches.guidance.pose_interaction_field import pose_field, taught_reach
from model_patches.networks.higherhrnet import sized_for
from model_patches.weight_kinds.reposedm import FAMILY
from training.autoencoders import load_autoencoder
from training.correspondence import Correspondence, Surface
from training.draws import Draws
from training.errors import TrainingError
from training.evaluation.chosen import open_predictor
from training.evaluation.protocols import PROTOCOLS
from training.field_guided import FieldUse, load_field_guided
from training.flow_supervision import flow_error, wanted_flow
from training.learned_variance import variational_bound
from training.loop import Run
from training.methods.reposedm import RePoseDM
from training.objectives import Schedule
from training.preprocessing.pipeline import Pipeline, possible_steps
from training.preprocessing.step import Setup
from training.recipe import read_recipe
from training.sampling import load_method, load_predictor, read_pairs
from training.taught_field import TaughtField
from training.unets import widened

GUIDANCE = 2.0
EPSILON, V = Schedule("linear"), Schedule("linear", "v_prediction", True, "trailing")
#: Of a file: what its recipe changes, and the channels of its latents.
VARIANTS = {
    "epsilon": ({"learned_variance": True}, 4),
    "v": ({"schedule": V}, 4),
    "sixteen channels": ({"schedule": V, "base": replace(UNET, channels=16, heads=2)}, 16),
    "B1": ({"align": False, "flow": 0.0, "field": 0.0}, 4),
}

pytestmark = pytest.mark.usefixtures("with_gradients")


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def method_of(**changes) -> RePoseDM:
    method = RePoseDM(replace(OPTIONS["reposedm"], **changes), seed=0)
    if method.options.align:
        bend(method.modules_)
    return method


def pair(channels: int = 4) -> tuple:
    people = NoisePeople(channels=channels)
    return people.record("p0-v0"), people.record("p0-v1")


def loss(method, batch, sample: int = 0) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in method(batch, Draws(0, [sample], 0)).items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder, made = tmp_path_factory.mktemp("reposedm"), {}
    with torch.inference_mode(False), torch.enable_grad():
        for name, (changes, channels) in VARIANTS.items():
            begun = recipe(folder / name, "reposedm", steps=2)
            options = replace(begun.options, **field_files(channels), **changes)
            made[name] = Run(replace(begun, options=options), NoisePeople(channels=channels)).train()
    return made


def bend(network) -> None:
    """Give an alignment flows of some pixels: it begins with none, which would hide what it is for."""
    weight = network.alignment.aggregator2.weight
    weight.data.copy_(0.02 * random(*weight.shape))


def loaded(file: Path) -> tuple:
    with safe_open(file, "pt") as opened:
        return load_weights(REPOSEDM, load_file(file), file.name, opened.metadata())


@torch.inference_mode()
def sampled(model, modules, batch, noise: torch.Tensor) -> torch.Tensor:
    """By the conditioning that the node makes, through the host's guider; in the UNet's scale."""
    context = modules.model(batch["source_latent"], batch["pose_latent"]).tokens
    inputs = Inputs(model.model.process_latent_out(batch["pose_latent"]))
    nothing = [[torch.zeros_like(context), {INPUTS: inputs.as_null(blank=True)}]]
    return by_host(model, [[context, {INPUTS: inputs}]], nothing, noise, GUIDANCE)


class TestFile:
    @pytest.mark.parametrize("name", VARIANTS)
    def test_one_picture_of_one_noise_in_both_hosts(self, runs, name):
        method, (model, modules) = load_method(runs[name]), loaded(runs[name])
        assert name != "epsilon" or model.model.diffusion_model.out[2].out_channels == 4, "the variance is left out"
        for network in (method.modules_, modules.model):
            if network.alignment is not None:
                bend(network)
        batch = read_pairs(method, [pair(VARIANTS[name][1])])
        noise = random(*batch["target_latent"].shape)
        ours = method.sample(batch, begun(model, noise), STEPS, GUIDANCE)
        assert float((ours - sampled(model, modules, batch, noise)).abs().max()) < 1e-3
        other = {**batch, "source_latent": batch["source_latent"].flip(-1)}
        assert float((ours - sampled(model, modules, other, noise)).abs().max()) > 2e-3

    @pytest.mark.parametrize("name, rule, scale", [("v", "relative", 0.1), ("epsilon", "Eq. 15", 1.0)])
    def test_the_field_guides_both_hosts_alike(self, runs, name, rule, scale):
        """Training's predictor of it, and the node Pose Interaction Field; every second step."""
        files = field_files()
        use = FieldUse(scale, rule, 2)
        guided = load_field_guided(runs[name], files["estimator"], load_autoencoder(files["decoder"]), use)
        source, target = pair()
        batch = read_pairs(guided, [(source, target)])
        model, modules = loaded(runs[name])
        patched = guided_in_comfy(model, files, target, use)
        noise = random(*batch["target_latent"].shape)
        ours = guided.sample(batch, begun(model, noise), STEPS, GUIDANCE)
        assert float((ours - sampled(patched, modules, batch, noise)).abs().max()) < 1e-3 * float(ours.std())
        plain = guided.method.sample(batch, begun(model, noise), STEPS, GUIDANCE)
        assert float((ours - plain).abs().max()) > 2e-2 * float(ours.std())

    def test_evaluation_asks_for_the_field(self, runs):
        files = field_files()
        options = Namespace(autoencoder=files["decoder"], batch=4, seed=0, guidance=None, pattern=None)

        def opened(text: str):
            return open_predictor(text, options, PROTOCOLS["cfld"], 2)

        predictor = opened(f"field:{runs['v']},{files['estimator']},scale=0.1,every=3")
        assert predictor.name == "v, guided by the field" and predictor.method.use == FieldUse(0.1, "relative", 3)
        assert predictor.predict([pair()])[0].shape == (64, 48, 3)
        with pytest.raises(TrainingError, match="has no pose estimator: give field:WEIGHTS,ESTIMATOR"):
            opened(f"field:{runs['v']}")
        with pytest.raises(TrainingError, match="there is no 'strength'.*of scale, rule, every"):
            opened(f"field:{runs['v']},{files['estimator']},strength=1")
        for text in (f"{runs['v']},nothing", f"{runs['v']},{files['estimator']},nothing,scale=0.1"):
            with pytest.raises(TrainingError, match="There is no file .*nothing"):
                opened(f"field:{text}")
        with pytest.raises(TrainingError, match="is of reposedm, and PCDMs' first stage, the prior, is needed"):
            opened(f"field:{runs['v']},{files['estimator']},{runs['v']}")

    def test_it_is_a_predictor_of_evaluation(self, runs):
        """Of the target its pose alone is read; a file needs no estimator to be sampled."""
        predictor = load_predictor(runs["v"], field_files()["decoder"], steps=2)
        source, target = pair()
        (made,) = predictor.predict([(source, target)])
        assert made.shape == target.image.shape
        other = {"latent": target.fields["latent"] + 1, "parsing": target.fields["parsing"] * 0}
        blind = replace(target, image=target.image * 0, fields=target.fields | other)
        assert (predictor.predict([(source, blind)])[0] == made).all()
        moved = replace(target, fields=target.fields | {"pose_latent": target.fields["pose_latent"] + 1})
        assert (predictor.predict([(source, moved)])[0] != made).any()
        assert "taught_field" not in vars(predictor.method)

    def test_a_sheet_shows_the_warped_source(self, runs):
        method = load_method(runs["v"])
        columns = method.shown(read_pairs(method, [pair()]))
        assert len(columns) == 3 and len(load_method(runs["B1"]).shown(read_pairs(method, [pair()]))) == 2


class TestConditions:
    @pytest.mark.parametrize("what", ["source_latent", "pose_latent"])
    def test_every_condition_reaches_the_loss(self, what):
        method = method_of(drop=0.0, field=0.0)
        batch = read_pairs(method, [pair()])
        told, other = (loss(method, {**batch, what: batch[what].flip(shift)})["diffusion"] for shift in ((), (-1,)))
        assert abs(told - other) > 1e-6

    def test_the_null_condition_sees_neither(self):
        """Both are dropped together (section 3.4)."""
        method = method_of(drop=1.0, correspondence=0.0, flow=0.0)
        batch = read_pairs(method, [pair()])
        others = {key: batch[key].flip(-1) for key in ("source_latent", "pose_latent", "skeleton")}
        assert loss(method, batch) == loss(method, batch | others)
        kept = method_of(drop=0.0, correspondence=0.0, flow=0.0)
        for key, value in others.items():
            assert loss(kept, batch) != loss(kept, batch | {key: value}), key

    def test_a_source_serves_several_targets(self):
        method = method_of(drop=0.0)
        people = NoisePeople()
        source, targets = people.record("p0-v0"), [people.record("p0-v1"), people.record("p1-v0")]
        alone = [read_pairs(method, [(source, target)]) for target in targets]
        both = {key: torch.cat([each[key] for each in alone]) for key in alone[0]}
        both |= {key: value for key, value in alone[0].items() if key in method.read_source(source)}
        assert len(both["source_latent"]) == 1
        together = float(method(both, Draws(0, [0, 1], 0))["diffusion"].detach())
        apart = [loss(method, batch, n)["diffusion"] for n, batch in enumerate(alone)]
        assert together == pytest.approx(sum(apart) / 2, rel=1e-4)


@pytest.fixture(scope="module")
def field() -> TaughtField:
    with torch.inference_mode(False):
        return RePoseDM(replace(OPTIONS["reposedm"], rule="Eq. 15", field=1e-3), 0).taught_field


class TestData:
    def test_the_latent_is_of_the_pose_as_draw_pose_draws_it(self):
        """And the node's conditioning is of the same latent."""
        source = replace(pair()[0], fields={"keypoints": pair()[0].fields["keypoints"]})
        setup = Setup(vae=field_files()["decoder"])
        (given,) = Pipeline(["pose_latent"], setup, ())([source])
        with torch.inference_mode():
            (drawn,) = MannequinDrawPose.execute(keypoints_of(source), 48, 64).result
            vae = comfy.sd.VAE(sd=load_file(field_files()["decoder"]), dtype=torch.float32)
            expected = vae.encode(drawn)[0] * 0.18215
        assert float((torch.tensor(given.fields["pose_latent"]) - expected).abs().max()) < 1e-3
        assert float(expected.std()) > 1e-2
        assert "pose_latent" not in possible_steps(setup, ("keypoints",)), "one method alone reads it"

    def test_a_trained_unet_is_widened_by_what_adds_nothing(self):
        """Channels for the pose, and a variance halfway between its bounds."""
        family = replace(FAMILY, learned_variance=True)
        narrow = UNET.build(0)
        wide = widened(narrow, family)
        noisy, context = random(1, 4, 8, 6), random(1, 3, UNET.context_dim, seed=1)
        given, timesteps = torch.cat([noisy, random(1, 4, 8, 6, seed=2)], 1), torch.tensor([100])
        with torch.no_grad():
            before = narrow(noisy, timesteps, encoder_hidden_states=context).sample
            prediction, share = wide(given, timesteps, encoder_hidden_states=context).sample.chunk(2, 1)
        assert float((prediction - before).abs().max()) < 1e-5 and not share.any()


class TestGradientGuidance:
    @staticmethod
    def drawn() -> torch.Tensor:
        return torch.randint(0, 256, (2, 64, 48, 3), generator=torch.Generator().manual_seed(1)).to(torch.uint8)

    @staticmethod
    def distance(field: TaughtField, wrong: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
        """G of Eq. 11, written anew."""
        pictures = (field.seen.decoder.decode(wrong) / 2 + 0.5).clamp(0, 1)
        made = field.seen.estimator(sized_for(pictures))
        wanted = field.seen.estimator(sized_for(TestGradientGuidance.drawn().movedim(-1, 1) / 255)).features
        weight = pose_field(made, wanted).weight if weight is None else weight
        return (weight * (made.features - wanted) ** 2).sum()

    @pytest.mark.parametrize("rule, factor", [("Eq. 15", math.sqrt(0.75)), ("Eq. 14", math.sqrt(0.25))])
    def test_noise_is_shifted_along_the_gradient(self, field, rule, factor):
        """ε̃ = ε + s √(1 − ᾱ) ∇G (Eq. 15), whose step lowers the distance."""
        wrong = random(2, 4, 8, 6).requires_grad_()
        distance = self.distance(field, wrong)
        (gradient,) = torch.autograd.grad(distance, wrong)
        ruled = TaughtField(field.seen, rule, 1e-3)
        moved = ruled.shift(wrong, torch.full((2,), 0.25), "epsilon", self.drawn())
        assert float(gradient.abs().max()) > 1e-3
        assert float((moved - 1e-3 * factor * gradient).abs().max()) < 1e-5 * float(gradient.abs().max())
        with torch.no_grad():
            step = 0.02 * moved / moved.norm()
            assert float(self.distance(field, wrong - step)) < float(distance)

    @pytest.mark.parametrize("rule", ["Eq. 15", "Eq. 14", "relative"])
    def test_of_v_it_is_the_same_shift(self, field, rule):
        """ε = √ᾱ v + √(1 − ᾱ) x_t: a shift of v is √ᾱ of it in ε."""
        ruled, alphas = TaughtField(field.seen, rule, 0.3), torch.tensor([0.3, 0.8])
        wrong, scale = random(2, 4, 8, 6), alphas.sqrt().view(-1, 1, 1, 1)
        of_noise = ruled.shift(wrong, alphas, "epsilon", self.drawn())
        of_v = ruled.shift(wrong / scale, alphas, "v_prediction", self.drawn())
        assert float((scale * of_v - of_noise).abs().max()) < 1e-4 * float(of_noise.abs().max())
        if rule == "relative":
            lengths = of_noise.flatten(1).norm(dim=1) / wrong.flatten(1).norm(dim=1)
            assert lengths.tolist() == pytest.approx([0.3, 0.3], rel=1e-4)

    def test_pure_noise_has_a_shift_by_eq_14(self):
        assert taught_reach(torch.zeros(1), "Eq. 14", "v_prediction").tolist() == [1.0]

    def test_what_is_no_number_shifts_nothing(self, field, monkeypatch):
        wrong = random(2, 4, 8, 6)
        wrong[0, 0, 0, 0] = float("nan")
        moved = field.shift(wrong, torch.full((2,), 0.5), "epsilon", self.drawn())
        assert not moved[0].any() and moved[1].any()

    def test_its_gradient_is_a_constant_of_the_loss(self):
        """No second order: the error's slope is that of a square around a shifted truth."""
        method = method_of(drop=0.0)
        batch = read_pairs(method, [pair()])
        prediction, truth = random(1, 4, 8, 6).requires_grad_(), random(1, 4, 8, 6, seed=1)
        timesteps, keep = torch.tensor([500]), torch.ones(1, dtype=torch.bool)
        shifted = method.guided_by_field(batch, prediction, truth, timesteps, keep)
        assert float((shifted - prediction).detach().norm()) > 0.1
        (slope,) = torch.autograd.grad((shifted - truth).square().sum(), prediction)
        assert float((slope - 2 * (shifted - truth)).detach().abs().max()) < 1e-5
        nobody = method.guided_by_field(batch, prediction, truth, timesteps, ~keep)
        assert torch.equal(nobody, prediction), "the null condition has no pose to be compared with"

    def test_without_networks_it_says_what_is_missing(self):
        method = method_of(estimator=None, drop=1.0)
        with pytest.raises(TrainingError, match="give options.estimator .* or set options.field to 0"):
            method(read_pairs(method, [pair()]), Draws(0, [0], 0))
        wrong = method_of(estimator=field_files()["decoder"], drop=1.0)
        with pytest.raises(TrainingError, match="has no pose estimator that can be read .*convert higherhrnet"):
            wrong(read_pairs(wrong, [pair()]), Draws(0, [0], 0))

    def test_a_share_of_the_steps_is_guided(self):
        """The same step in every process; the others are the ablation B2."""
        guided, half, without = (method_of(field_share=share, drop=0.0) for share in (1.0, 0.5, 0.0))
        batch = read_pairs(guided, [pair()])
        losses = [
            [float(method(batch, Draws(0, [0], step))["diffusion"].detach()) for step in range(8)]
            for method in (guided, half, without)
        ]
        assert len(set(losses[0])) == len(set(losses[2])) == 1 and losses[0][0] != losses[2][0]
        assert set(losses[1]) == {losses[0][0], losses[2][0]}
        assert loss(method_of(field=0.0, drop=0.0), batch)["diffusion"] == losses[2][0]

    def test_mixed_precision(self):
        method = method_of(drop=0.0)
        batch = read_pairs(method, [pair()])
        with torch.autocast("cpu", torch.bfloat16):
            terms = method(batch, Draws(0, [0], 0))
        sum(terms.values()).backward()
        for name, value in loss(method, batch).items():
            assert float(terms[name].detach()) == pytest.approx(value, rel=0.1), name

    def test_what_is_not_read_without_it(self):
        method = method_of(field=0.0, estimator=None, decoder=None)
        batch = read_pairs(method, [pair()])
        assert "skeleton" not in batch and math.isfinite(loss(method, batch)["diffusion"])


class TestSupervision:
    def test_the_flow_of_a_shifted_body(self):
        """The source is the target, three places to the right and one up: the flow points there, and only there."""
        iuv = torch.zeros(1, 8, 10, 3, dtype=torch.uint8)
        rows, columns = torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")
        iuv[0, 3:7, 2:6] = torch.stack([torch.full((4, 4), 3), 64 * rows, 64 * columns], -1).to(torch.uint8)
        source = iuv.roll((-1, 3), (1, 2))
        alike = Correspondence(Surface(iuv), Surface(source)).surface((8, 10), (8, 10))
        flow, known = wanted_flow(alike, (8, 10))
        assert torch.equal(known[0, 0], iuv[0, ..., 0] > 0)
        expected = torch.tensor([3.0, -1.0]).view(2, 1).expand(2, 16)
        assert float((flow[0][:, known[0, 0]] - expected).abs().max()) < 1e-4
        assert float(flow_error([flow, flow + torch.tensor([3.0, 4.0]).view(2, 1, 1)], flow, known)) == pytest.approx(
            2.5, abs=1e-2
        )

    @pytest.mark.parametrize("what", ["flow", "correspondence"])
    def test_it_teaches(self, what):
        """Some steps on one pair: its error falls, and without the option there is none."""
        method = method_of(field=0.0, drop=0.0, **{what: 1.0})
        batch = read_pairs(method, [pair()])
        optimizer, errors = torch.optim.Adam(method.trained(), 3e-3), []
        for _ in range(40):
            terms = method(batch, Draws(0, [0], 0))
            errors.append(float(terms[what].detach()))
            optimizer.zero_grad()
            terms[what].backward()
            optimizer.step()
        assert errors[-1] < 0.9 * errors[0], errors
        assert what not in method_of(field=0.0, **{what: 0.0})(batch, Draws(0, [0], 0))

    def test_a_plain_encoder_is_looked_at_where_the_source_is(self):
        batch = read_pairs(method_of(field=0.0), [pair()])
        aligned, plain = (
            method_of(field=0.0, align=align, flow=0.0).shown_to_attention(batch).wanted((8, 6), (4, 3))
            for align in (True, False)
        )
        own = Correspondence(*[Surface(batch["target_iuv"], batch["target_parsing"])] * 2)
        assert torch.equal(aligned, own.wanted((8, 6), (4, 3))) and not torch.equal(aligned, plain)


class TestVariance:
    def test_the_bound_is_the_divergence_of_two_steps(self):
        """Against torch's own, with β_t's variance; and the last step's likelihood."""
        scheduler = EPSILON.scheduler()
        clean, noise, guess = (random(2, 4, 3, 3, seed=seed) for seed in range(3))
        timesteps = torch.tensor([400, 0])
        noisy = scheduler.add_noise(clean, noise, timesteps)
        bound = variational_bound(scheduler, timesteps, clean, noisy, guess, torch.ones_like(clean))
        alphas = scheduler.alphas_cumprod.double()
        now, before, first = alphas[400], alphas[399], alphas[0]
        beta = 1 - now / before

        def step(of: torch.Tensor) -> torch.Tensor:
            return before.sqrt() * beta / (1 - now) * of + (1 - beta).sqrt() * (1 - before) / (1 - now) * noisy[0]

        guessed = (noisy[0] - (1 - now).sqrt() * guess[0]) / now.sqrt()
        normal = torch.distributions.Normal
        true = normal(step(clean[0]), ((1 - before) / (1 - now) * beta).sqrt())
        divergence = torch.distributions.kl_divergence(true, normal(step(guessed), beta.sqrt())).mean()
        last = (noisy[1] - (1 - first).sqrt() * guess[1]) / first.sqrt()
        likelihood = -normal(last, (1 - first).sqrt()).log_prob(clean[1].double()).mean()
        expected = [float(value) / math.log(2) for value in (divergence, likelihood)]
        assert bound.tolist() == pytest.approx(expected, rel=1e-3)

    def test_under_autocast_it_is_the_same_loss(self):
        method = method_of(learned_variance=True, field=0.0)
        batch = read_pairs(method, [pair()])
        exact = float(method(batch, Draws(0, [0], 0))["variance"].detach())
        with torch.autocast("cpu", torch.bfloat16):
            half = float(method(batch, Draws(0, [0], 0))["variance"].detach())
        assert half == pytest.approx(exact, rel=0.05)

    def test_it_teaches_the_variance_alone(self):
        method = method_of(learned_variance=True, field=0.0)
        batch = read_pairs(method, [pair()])
        method(batch, Draws(0, [0], 0))["variance"].backward()
        gradient = method.denoising.conv_out.weight.grad
        assert not gradient[:4].any() and gradient[4:].any()
        assert "variance" not in method_of(field=0.0)(batch, Draws(0, [0], 0))


class TestOptions:
    @pytest.mark.parametrize(
        "changes, words",
        [
            ({"schedule": Schedule()}, "under a linear schedule"),
            ({"schedule": Schedule("linear", "v_prediction")}, "or of v with zero_snr"),
            ({"schedule": V, "rule": "Eq. 15"}, "choose the rule 'Eq. 14' or 'relative'"),
            ({"align": False}, "set flow to 0"),
            ({"regions": (0, 4)}, "Regions are odd numbers, or 0 for the whole map"),
            ({"regions": ()}, "Regions are odd numbers"),
            ({"schedule": V, "learned_variance": True}, "set learned_variance to false"),
        ],
    )
    def test_what_cannot_be(self, changes, words):
        with pytest.raises(ValueError, match=words):
            replace(OPTIONS["reposedm"], **changes)

    @pytest.mark.parametrize("name", ["paper_reposedm", "demo_reposedm"])
    def test_recipes_are_read(self, name):
        options = read_recipe(Path(__file__).parents[1] / "training" / "recipes" / f"{name}.yaml").options
        assert options.field and options.align
        ours = options.flow, options.correspondence, options.octaves
        assert all(ours) if name == "demo_reposedm" else not any(ours)
