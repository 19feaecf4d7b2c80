"""What PCDMs' training data hold: DINOv2's tokens, joint latents, and another model's coarse pictures."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import comfy.utils
import numpy as np
import pytest
import torch
from mannequin.model_patches.comfy_dino import load_dino as in_comfy
from mannequin.model_patches.dino import BY_SCALE
from mannequin.preprocessors.images import squashed
from safetensors.torch import save_file
from small_methods import recipe
from test_training_preprocess import computed, image, photo
from training_people import DINO_DIM, NoisePeople, store

from devtools import untrained
from model_patches.dino import HEADS_KEY, DinoShape
from training import coarse
from training.autoencoders import TinyAutoencoder, load_autoencoder
from training.data.store import StoredPeople
from training.errors import TrainingError
from training.evaluation.chosen import open_predictor
from training.evaluation.predictors import CopySource
from training.evaluation.protocols import PROTOCOLS
from training.evaluation.refined import Refined
from training.loop import Run
from training.pcdms import load_refining
from training.preprocessing.dino import load_dino
from training.preprocessing.pipeline import possible_steps
from training.preprocessing.step import Setup
from training.small_dino import write_small_dino


@pytest.fixture(scope="module")
def vae(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(TinyAutoencoder().state_dict(), file)
    return file


@pytest.mark.parametrize("gated", [False, True], ids=["base", "giant"])
def test_tokens_are_those_of_the_node(tmp_path, gated):
    shape = DinoShape(32, 2, 2, gated)
    save_file(untrained.dino_state(shape), tmp_path / "dino.safetensors", {HEADS_KEY: "2"})
    tokens = computed(["dino"], Setup(dino=tmp_path / "dino.safetensors"), photo()).fields["dino"]
    state, metadata = comfy.utils.load_torch_file(str(tmp_path / "dino.safetensors"), return_metadata=True)
    encoder = in_comfy(state, "dino", metadata, BY_SCALE, torch.float32)
    seen = encoder.encode_image(squashed(image(photo()), 224, 224), crop=False).last_hidden_state[0]
    assert tokens.shape == (257, 32) and tokens.dtype == np.float16
    assert float((torch.tensor(tokens).float() - seen.cpu()).abs().max()) < 2e-3 * float(seen.abs().max())


def test_the_small_dino_is_one_and_tells_where_colours_are(tmp_path):
    write_small_dino(tmp_path / "small.safetensors")
    encoder = load_dino(tmp_path / "small.safetensors")
    grey = torch.full((1, 224, 224, 3), 0.5)
    spot = grey.clone()
    spot[:, 98:112, 98:112] = torch.tensor([1.0, 0.0, 0.0])
    changed = (encoder(spot) - encoder(grey)).norm(dim=-1)[0, 1:].view(16, 16)
    assert changed.argmax() == 7 * 16 + 7
    assert float(changed[7, 7]) > 3 * float(changed.flatten().sort().values[-2])
    assert encoder.blank().shape == (257, 64)


def test_no_dino(tmp_path, vae):
    with pytest.raises(TrainingError, match=r"has no DINOv2 that can be read .*facebook/dinov2-giant"):
        load_dino(vae)
    with pytest.raises(TrainingError, match="has no DINOv2 that can be read"):
        load_dino(tmp_path / "nothing.safetensors")


def test_joint_latents_are_the_photo_beside_black(vae):
    record = computed(["joint_latent"], Setup(vae=vae), photo())
    joint = torch.cat([image(record), torch.zeros_like(image(record))], 2).movedim(-1, 1) * 2 - 1
    expected = load_autoencoder(vae).encode(joint)[0].detach()
    assert float((torch.tensor(record.fields["joint_latent"]) - expected).abs().max()) < 1e-5
    assert "joint_latent" not in possible_steps(Setup(vae=vae), ()), "one method alone reads them"


class Named:
    """A predictor whose picture tells which source it was made of."""

    name = "named"

    def __init__(self, names: list[str]) -> None:
        self.numbers = {name: number + 1 for number, name in enumerate(names)}

    def predict(self, pairs):
        return [np.full_like(target.image, self.numbers[source.name]) for source, target in pairs]


def test_coarse_pictures_are_of_the_source_that_the_pair_names(tmp_path):
    people = StoredPeople(store(views(), tmp_path / "people"))
    chosen = coarse.OnePairEach(people, seed=0)
    assert sorted(pair.target for pair in chosen.pairs) == sorted(people.names)
    assert set(chosen.pairs) <= set(people.pairs) and len({pair.source for pair in chosen.pairs}) > 1
    predictor = Named(list(people.names))
    assert coarse.write_coarse(chosen, predictor, tmp_path / "out", {"seed": 0}, batch=3, quiet=True) == 4
    made = StoredPeople(tmp_path / "out")
    for source, target in made.pairs:
        record = made.record(target)
        assert (record.fields["coarse"] == predictor.numbers[source]).all()
        assert np.array_equal(record.fields["clip"], people.record(target).fields["clip"])
    assert list(made.pairs) == chosen.pairs
    assert coarse.write_coarse(chosen, predictor, tmp_path / "out", {"seed": 0}, batch=3, quiet=True) == 0


def views() -> NoisePeople:
    """One person, four pictures, every pair of them."""
    people = NoisePeople(2)
    people.pairs = [type(people.pairs[0])(one, other) for one in people.names for other in people.names if one != other]
    return people


def test_the_command_makes_the_third_stages_data(tmp_path, vae, capsys):
    """A trained second stage's pictures of the training pairs, and their latents."""
    with torch.inference_mode(False), torch.enable_grad():
        begun = recipe(tmp_path / "run", "pcdms_inpainting", steps=1)
        weights = Run(replace(begun, options=replace(begun.options, prior=False)), NoisePeople()).train()
    people = store(views(), tmp_path / "people")
    arguments = [str(people), str(tmp_path / "out"), "--predictor", f"pcdms:{weights}", "--autoencoder", str(vae)]
    assert coarse.main([*arguments, "--steps", "2", "--quiet"]) == 0
    record = StoredPeople(tmp_path / "out").record("p0-v0")
    assert record.fields["coarse"].shape == record.image.shape and record.fields["coarse"].std() > 0
    assert coarse.main([*arguments, "--steps", "3", "--quiet"]) == 1
    assert "begun with other settings: steps was 2" in capsys.readouterr().err
    assert "coarse_latent" not in record.fields, "it was of other pictures"
    latent = computed(["coarse_latent"], Setup(vae=vae), record).fields["coarse_latent"]
    expected = load_autoencoder(vae).encode(torch.tensor(record.fields["coarse"]).movedim(-1, 0)[None] / 127.5 - 1)
    assert float((torch.tensor(latent) - expected[0].detach()).abs().max()) < 1e-5


def test_refining_is_of_the_other_predictors_picture(tmp_path, vae):
    with torch.inference_mode(False), torch.enable_grad():
        weights = Run(recipe(tmp_path / "run", "pcdms_refining", steps=1), NoisePeople()).train()
    people, method, autoencoder = NoisePeople(), load_refining(weights), load_autoencoder(vae)
    pair = people.record("p0-v0"), people.record("p0-v1")

    class Constant:
        name = "constant"

        def __init__(self, value: int) -> None:
            self.value = value

        def predict(self, pairs):
            return [np.full_like(target.image, self.value) for _, target in pairs]

    made = [Refined("x", Constant(value), method, autoencoder, steps=2).predict([pair])[0] for value in (0, 0, 255)]
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])
    assert method.options.dino_dim == DINO_DIM
    # And by its words on the command line, behind a baseline.
    options = Namespace(autoencoder=vae, batch=2, seed=0, guidance=None, pattern=None, steps=[])
    refined = open_predictor(f"refined:{weights},copy", options, PROTOCOLS["cfld"], steps=2)
    assert refined.name == "copy of the source, refined"
    expected = Refined("x", CopySource(PROTOCOLS["cfld"]), method, autoencoder, steps=2).predict([pair])
    assert np.array_equal(refined.predict([pair])[0], expected[0])
    with pytest.raises(TrainingError, match="There is no file 'nowhere' of the predictor 'pcdms:nowhere'"):
        open_predictor("pcdms:nowhere", options, PROTOCOLS["cfld"])
