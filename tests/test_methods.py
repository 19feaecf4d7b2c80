"""TruePose and MCLD as trained: what is dropped, what an ablation leaves out, how the file says it."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from small_methods import OPTIONS
from training_people import FACE_DIM, REGION_DIM, NoisePeople

from training.ablations import ABLATIONS
from training.draws import Draws
from training.examples import Examples, collate
from training.methods import METHODS
from training.methods.base import field
from training.methods.diffusion import DiffusionOptions
from training.methods.mcld import MCLDOptions
from training.methods.truepose import TruePoseOptions

pytestmark = pytest.mark.usefixtures("with_gradients")


def batch_of(method, rows: int = 4) -> dict[str, torch.Tensor]:
    people = NoisePeople(rows)
    examples = Examples(method, people, 0)
    batch = collate([examples.group(place) for place in range(rows)])
    del batch["number"]
    return batch


def made(name: str, **changes):
    method = METHODS[name](replace(OPTIONS[name], **changes), 0)
    # What begins at zero would hide what it is given.
    with torch.no_grad():
        for parameter in method.modules_between.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return method


def loss(method, batch, samples=range(4), step: int = 0) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in method(batch, Draws(0, samples, step)).items()}


@pytest.mark.parametrize("name", ["truepose", "mcld"])
def test_every_ablation_is_another_network_that_trains(name):
    whole = made(name)
    batch = batch_of(whole)
    losses = {"whole": loss(whole, batch)["diffusion"]}
    for label, changes in ABLATIONS[name].items():
        if label in ("whole", "unsupervised"):
            continue
        options = {key.removeprefix("options."): value for key, value in changes.items()}
        method = made(name, **options)
        terms = method(batch_of(method), Draws(0, range(4), 0))
        sum(terms.values()).backward()
        losses[label] = float(terms["diffusion"].detach())
    assert len(set(losses.values())) == len(losses), losses


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("truepose", ["source_latent", "parsing", "regions"]),
        ("mcld", ["clip", "texture_clip", "texture_latent", "face"]),
    ],
)
def test_the_null_condition_sees_nothing_of_the_source_and_keeps_the_pose(name, read):
    changes = {"drop": 1.0} | ({"null_condition": "sampled"} if name == "mcld" else {})
    dropped, kept = made(name, **changes), made(name, **changes | {"drop": 0.0})
    batch = batch_of(kept)
    others = {key: batch[key].roll(1, 0) for key in read}
    assert loss(dropped, batch) == loss(dropped, batch | others)
    assert loss(kept, batch) != loss(kept, batch | others)
    pose = "skeleton" if name == "truepose" else "target_iuv"
    assert loss(dropped, batch) != loss(dropped, batch | {pose: batch[pose].roll(1, 0)})


def test_the_published_null_condition_drops_the_photos_token_alone():
    method = made("mcld", drop=1.0, clip_jitter=0.0)
    batch = batch_of(method)
    assert loss(method, batch) == loss(method, batch | {"clip": batch["clip"].roll(1, 0)})
    assert loss(method, batch) != loss(method, batch | {"face": batch["face"].roll(1, 0)})
    assert loss(method, batch) != loss(method, batch | {"texture_latent": batch["texture_latent"].roll(1, 0)})


def test_whole_batches_are_dropped_as_often_as_said():
    method = made("mcld", drop=0.3)
    steps = [Draws(0, [0], step).shared_uniform() < method.options.drop for step in range(400)]
    assert 0.22 < sum(steps) / len(steps) < 0.38


def test_the_face_loss_is_the_same_error_inside_the_face():
    """Without min-SNR it is the squared error's mean over the latents that the face covers."""
    method = made("mcld", min_snr=0.0)
    batch = batch_of(method)
    prediction, truth = torch.zeros(4, 4, 8, 6), torch.zeros(4, 4, 8, 6)
    face = batch["target_iuv"][..., 0] == 24
    cover = face.float().view(4, 8, 8, 6, 8).mean((2, 4))
    truth[:, :, cover[0] > 0.99] = 2.0
    terms = method.losses(batch, prediction, truth, 1.0)
    expected = float((4.0 * (cover[0] > 0.99) * cover[0]).sum() / cover[0].sum())
    assert float(terms["face"]) == pytest.approx(expected)
    assert float(terms["diffusion"]) == pytest.approx(4.0 * float((cover[0] > 0.99).float().mean()))


@pytest.mark.parametrize("name", ["truepose", "mcld"])
def test_gradients_are_the_same_with_checkpointing(name):
    """Layers run once more when the forward pass is over, under the same conditions."""
    gradients = []
    for checkpointing in (False, True):
        method = made(name, checkpointing=checkpointing, correspondence=0.3).train()
        sum(method(batch_of(method), Draws(0, range(4), 0)).values()).backward()
        gradients.append({key: p.grad for key, p in method.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.allclose(gradients[0][key], gradients[1][key], atol=1e-5) for key in gradients[0])


def test_samples_follow_guidance():
    method = made("truepose").eval()
    batch, noise = batch_of(method, 2), torch.randn(2, 4, 8, 6, generator=torch.Generator().manual_seed(0))
    one, three = (method.sample(batch, noise, 3, guidance) for guidance in (1.0, 3.0))
    assert torch.equal(one, method.sample(batch, noise, 3, 1.0)) and not torch.equal(one, three)


def test_files_say_how_they_were_made():
    _, header = made("mcld", face_model="CLIP").weights()
    assert header["mannequin.method"] == "mcld" and header["mannequin.face_model"] == "CLIP"
    assert header["mannequin.face_projector_heads"] == str(OPTIONS["mcld"].face_projector.heads)
    assert MCLDOptions().face_projector.input_dim == 512 and TruePoseOptions().region_dim == 768
    assert FACE_DIM != REGION_DIM


@pytest.mark.parametrize("name", [name for name, options in OPTIONS.items() if isinstance(options, DiffusionOptions)])
def test_training_begins_from_a_file_of_the_same_method(name, tmp_path):
    tensors, header = METHODS[name](OPTIONS[name], 1).weights()
    save_file({key: value.detach().contiguous().clone() for key, value in tensors.items()}, tmp_path / "x", header)
    begun = METHODS[name](replace(OPTIONS[name], begin=(tmp_path / "x",)), 0)
    begun.begin()
    for key, value in begun.weights()[0].items():
        assert torch.equal(value, tensors[key]), key


def test_a_missing_field_is_named():
    from training.errors import TrainingError

    record = replace(NoisePeople().record("p0-v0"), fields={})
    with pytest.raises(TrainingError, match="'p0-v0' has no 'latent'.*--steps latent"):
        field(record, "latent")
