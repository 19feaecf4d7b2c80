"""Training of PCDMs: what it writes is what the nodes load, and every condition of a stage does its part."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from field_in_comfy import guided_in_comfy
from host_ddim import STEPS, sampled
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.prior_sampling import sample_embedding
from mannequin.model_patches.weight_kinds.pcdms_prior import PCDMS_PRIOR, PRIOR
from mannequin.model_patches.weight_kinds.pcdms_unets import PCDMS_INPAINTING, PCDMS_REFINING
from mannequin.nodes.pcdms import MannequinPCDMsJoint
from reposedm_files import field_files
from safetensors import safe_open
from safetensors.torch import load_file
from small_methods import OPTIONS, recipe
from training_people import REGION_DIM, NoisePeople

from training.autoencoders import load_autoencoder
from training.draws import Draws
from training.errors import TrainingError
from training.field_guided import FieldUse, load_field_guided
from training.loop import Run
from training.methods.base import of_targets
from training.methods.pcdms_inpainting import PCDMsInpainting
from training.methods.pcdms_prior import PCDMsPrior
from training.methods.pcdms_refining import PCDMsRefining
from training.objectives import Schedule
from training.pcdms import PriorAndInpainting, load_prior_and_inpainting
from training.sampling import load_method, load_predictor, read_pairs

GUIDANCE = 2.0
KINDS = {"inpainting": PCDMS_INPAINTING, "simplified": PCDMS_INPAINTING, "refining": PCDMS_REFINING}
V = Schedule("linear", "v_prediction", True, "trailing")
METHODS = {"pcdms_prior": PCDMsPrior, "pcdms_inpainting": PCDMsInpainting, "pcdms_refining": PCDMsRefining}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Path]:
    folder, made = tmp_path_factory.mktemp("pcdms"), {}
    variants = {
        "prior": ("pcdms_prior", {}),
        "inpainting": ("pcdms_inpainting", {"schedule": V}),
        "simplified": ("pcdms_inpainting", {"schedule": V, "prior": False}),
        "refining": ("pcdms_refining", {"schedule": V}),
    }
    with torch.inference_mode(False), torch.enable_grad():
        for name, (method, changes) in variants.items():
            begun = recipe(folder / name, method, steps=2)
            made[name] = Run(replace(begun, options=replace(begun.options, **changes)), NoisePeople()).train()
    return made


def pair() -> tuple:
    people = NoisePeople()
    return people.record("p0-v0"), people.record("p0-v1")


def loaded(kind, file: Path) -> tuple:
    with safe_open(file, "pt") as opened:
        return load_weights(kind, load_file(file), file.name, opened.metadata())


def in_comfy(model, network, batch, noise, stage: str) -> torch.Tensor:
    """The stage's CONDITIONING as its node makes it, through the host's sampler; in the UNet's scale."""
    latent = model.model.process_latent_out(batch["coarse_latent" if stage == "refining" else "joint_latent"])
    vector = batch["target_clip"] if stage == "inpainting" else None
    context = network.context(batch["dino"].float(), vector)
    inputs = Inputs(latent)
    if stage != "refining":
        shown = torch.ones(1, 1, *latent.shape[-2:])
        shown[..., latent.shape[-1] // 2 :] = 0
        pose = torch.cat([batch["source_skeleton"], batch["target_skeleton"]], 2).movedim(-1, 1).float() / 255
        inputs = Inputs(latent, shown, vector, network.pose_features(pose))
    null = network.null_context(context)
    blank = inputs.as_null(blank=stage == "refining")
    return sampled(model, [[context, {INPUTS: inputs}]], [[null, {INPUTS: blank}]], noise, GUIDANCE)


@pytest.mark.parametrize("stage", KINDS)
def test_one_picture_of_one_noise_in_both_hosts(runs, stage):
    method, (model, modules) = load_method(runs[stage]), loaded(KINDS[stage], runs[stage])
    # A pose encoder ends in zeros before it is trained for long.
    for network in (method.modules_, modules.model):
        if network.pose_encoder is not None:
            network.pose_encoder.conv_out.weight.fill_(0.05)
    batch = read_pairs(method, [pair()])
    noise = torch.randn(1, *method.noise_shape(batch), generator=torch.Generator().manual_seed(0))
    ours, theirs = method.sample(batch, noise, STEPS, GUIDANCE), in_comfy(model, modules.model, batch, noise, stage)
    half = theirs[..., -ours.shape[-1] :]
    assert float((ours - half).abs().max()) < 1e-3


@pytest.mark.usefixtures("with_gradients")
def test_the_field_guides_both_hosts_alike(runs):
    """The half that is generated is looked at, beside its source."""
    files, use = field_files(), FieldUse(0.1, "relative", 2)
    guided = load_field_guided(
        runs["inpainting"], files["estimator"], load_autoencoder(files["decoder"]), use, runs["prior"]
    )
    source, target = pair()
    batch = read_pairs(guided, [(source, target)])
    noise = torch.randn(1, *guided.noise_shape(batch), generator=torch.Generator().manual_seed(0))
    stages = guided.method
    joint, first = noise.split(stages._counts(batch), 1)
    embedding = stages.prior.embedding(batch, first.unflatten(1, (stages.prior.options.steps, -1)).movedim(1, 0))
    model, modules = loaded(PCDMS_INPAINTING, runs["inpainting"])
    layout = MannequinPCDMsJoint.execute(*3 * [torch.ones(1, 64, 48, 3)], 48, 64).result[3]
    patched = guided_in_comfy(model, files, target, use, layout)
    joint = joint.unflatten(1, stages.inpainting.noise_shape(batch))
    made = in_comfy(patched, modules.model, batch | {"target_clip": embedding}, joint, "inpainting")
    ours = guided.sample(batch, noise, STEPS, GUIDANCE)
    assert float((ours - made[..., ours.shape[-1] :]).abs().max()) < 4e-3 * float(ours.std())
    plain = stages.sample(batch, noise, STEPS, GUIDANCE)
    assert float((ours - plain).abs().max()) > 2e-2 * float(ours.std())


def test_the_prior_gives_one_embedding_in_both_hosts(runs):
    method, (patcher,) = load_method(runs["prior"]), loaded(PCDMS_PRIOR, runs["prior"])
    prior = patcher.model[PRIOR]
    assert (prior.mean, prior.std, prior.shape.heads) == (0.0, 1.0, 2)
    batch = read_pairs(method, [pair()])
    noise = torch.randn(4, 1, REGION_DIM, generator=torch.Generator().manual_seed(0))
    theirs = sample_embedding(prior, batch["source_clip"], batch["source_pose"], batch["target_pose"], noise)
    assert float((method.embedding(batch, noise) - theirs).abs().max()) < 1e-4
    other = sample_embedding(prior, batch["source_clip"], batch["target_pose"], batch["source_pose"], noise)
    assert float((other - theirs).abs().max()) > 1e-3, "the poses are told apart"


def method_of(name: str, **changes):
    with torch.inference_mode(False):
        return METHODS[name](replace(OPTIONS[name], **changes), seed=0)


#: What each stage is told, by the names in its batch.
TOLD = {
    "pcdms_prior": ("source_clip", "source_pose", "target_pose"),
    "pcdms_inpainting": ("joint_latent", "source_skeleton", "target_skeleton", "dino", "target_clip"),
    "pcdms_refining": ("coarse_latent", "dino"),
}


@pytest.mark.parametrize(("name", "what"), [(name, what) for name, told in TOLD.items() for what in told])
def test_every_condition_reaches_the_loss(name, what):
    method = method_of(name, drop=0.0)
    if name == "pcdms_inpainting":
        # It begins at zero. Weights that are all alike would hardly tell a picture from its mirror image.
        weight = method.modules_.pose_encoder.conv_out.weight.data
        weight.normal_(generator=torch.Generator().manual_seed(0))
    batch = read_pairs(method, [pair()])
    with torch.no_grad():
        told = sum(method(batch, Draws(0, [0], 0)).values())
        other = sum(method({**batch, what: batch[what].flip(-1)}, Draws(0, [0], 0)).values())
    assert float((told - other).abs()) > 1e-5


@pytest.mark.parametrize("name", ["pcdms_inpainting", "pcdms_refining"])
def test_what_is_dropped_is_not_read(name):
    """Everything dropped: the loss no longer depends on it, and drops of one condition leave the others."""
    method, draws = method_of(name, drop=1.0, correspondence=0.0), Draws(0, [0], 0)
    batch = read_pairs(method, [pair()])
    gone, kept = ("target_clip", "joint_latent") if name == "pcdms_inpainting" else ("coarse_latent", "dino")
    with torch.no_grad():
        whole = sum(method(batch, draws).values())
        without = sum(method({**batch, gone: batch[gone] + 1}, Draws(0, [0], 0)).values())
        other = sum(method({**batch, kept: batch[kept].flip(-1)}, Draws(0, [0], 0)).values())
    assert torch.equal(whole, without) and not torch.equal(whole, other)


def test_several_targets_are_what_each_is_alone():
    """Rows of one source: the loss of both is the mean of each alone."""
    people = NoisePeople()
    method = method_of("pcdms_inpainting", drop=0.0, correspondence=0.0)
    source, targets = people.record("p0-v0"), [people.record("p0-v1"), people.record("p1-v0")]
    alone = [read_pairs(method, [(source, target)]) for target in targets]
    both = {key: torch.cat([each[key] for each in alone]) for key in alone[0]}
    both |= {key: value for key, value in alone[0].items() if key in method.read_source(source)}
    with torch.no_grad():
        apart = [sum(method(batch, Draws(0, [n], 0)).values()) for n, batch in enumerate(alone)]
        together = sum(method(both, Draws(0, [0, 1], 0)).values())
    assert float(together) == pytest.approx(float(sum(apart)) / 2, rel=1e-5)


def test_supervision_teaches_the_target_to_look_at_its_place_in_the_source():
    """Some steps on where one pair looks: its error falls, and without the option there is none."""
    method = method_of("pcdms_inpainting", correspondence=1.0)
    batch = read_pairs(method, [pair()])
    with torch.inference_mode(False), torch.enable_grad():
        optimizer = torch.optim.Adam(method.trained(), 3e-3)
        errors = []
        for _ in range(20):
            terms = method(batch, Draws(0, [0], 0))
            errors.append(float(terms["correspondence"].detach()))
            optimizer.zero_grad()
            terms["correspondence"].backward()
            optimizer.step()
    assert errors[-1] < 0.8 * errors[0]
    assert "correspondence" not in method_of("pcdms_inpainting", correspondence=0.0)(batch, Draws(0, [0], 0))


def test_the_halves_weigh_as_they_are_told():
    """A half that is given counts nothing at weight 0: its latent may be anything."""
    people, other = NoisePeople(), NoisePeople(seed=3)
    method = method_of("pcdms_inpainting", given=0.0, background=0.5, correspondence=0.0)
    truth, prediction = torch.zeros(1, 4, 8, 12), torch.zeros(1, 4, 8, 12)
    prediction[..., 6:] = 1
    batch = read_pairs(method, [(people.record("p0-v0"), other.record("p0-v1"))])
    person = torch.nn.functional.adaptive_avg_pool2d((batch["target_parsing"] > 0).float()[:, None], (8, 6))
    expected = float((0.5 + 0.5 * person).mean()) / 2
    assert float(method.losses(batch, prediction, truth, 1.0)["diffusion"]) == pytest.approx(expected, rel=1e-5)


def test_the_first_two_stages_together_never_read_the_target(runs):
    chain = load_prior_and_inpainting(runs["inpainting"], runs["prior"])
    source, target = pair()
    blind = replace(target, image=np.zeros_like(target.image), fields={**target.fields, "clip": np.full(16, 7, "f4")})
    made = []
    for each in (target, blind):
        batch = read_pairs(chain, [(source, each)])
        noise = torch.randn(1, *chain.noise_shape(batch), generator=torch.Generator().manual_seed(1))
        made.append(chain.sample(batch, noise, 2, GUIDANCE))
    assert torch.equal(*made) and made[0].shape == (1, 4, 8, 6)
    with pytest.raises(TrainingError, match="give the prior's weights too"):
        load_prior_and_inpainting(runs["inpainting"])
    with pytest.raises(TrainingError, match="leave the prior's weights out"):
        load_prior_and_inpainting(runs["simplified"], runs["prior"])
    with pytest.raises(TrainingError, match="second stage, inpainting, is needed"):
        load_prior_and_inpainting(runs["refining"])
    for stage in ("prior", "inpainting", "refining"):
        with pytest.raises(TrainingError, match="makes no pictures by itself"):
            load_predictor(runs[stage], Path("unused"))
    assert PriorAndInpainting(load_method(runs["simplified"]), None).prior is None


def test_rows_of_a_source_are_its_targets():
    values = torch.tensor([1, 2])
    assert of_targets(values, 4).tolist() == [1, 1, 2, 2] and of_targets(values, 2) is values
