"""The tiny autoencoder's training: what it looks at, what counts how much, and how many channels a file has."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_methods import recipe as training_recipe
from training_people import NoisePeople

from training.autoencoders import TinyAutoencoder, load_autoencoder
from training.draws import Draws
from training.errors import TrainingError
from training.loop import Run
from training.methods.autoencoder import Autoencoder, AutoencoderOptions, edge_error

SIZE = (40, 32)


def method(**options) -> Autoencoder:
    return Autoencoder(AutoencoderOptions(crop=(16, 8), latent_noise=0.0, **options), 0)


def one_person_pixel(row: int, column: int) -> dict[str, torch.Tensor]:
    """Every pixel's colour is its own place."""
    rows, columns = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    person = torch.zeros(1, *SIZE, dtype=torch.bool)
    person[0, row, column] = True
    return {"image": torch.stack([rows, columns, rows * 0], -1)[None].to(torch.uint8), "person": person}


def crop_of(batch: dict[str, torch.Tensor], sample: int = 0) -> tuple[list[int], torch.Tensor]:
    """Row and column where the crop begins, and where in it the person is."""
    pictures, person = method()._crops(batch["image"], batch["person"], Draws(0, [sample], 0))
    assert pictures.shape == (1, 3, 16, 8) and person.shape == (1, 16, 8)
    return (pictures[0, :2, 0, 0] * 255).round().int().tolist(), person[0].nonzero()


def test_a_crop_has_a_pixel_of_the_person_in_its_middle():
    begin, place = crop_of(one_person_pixel(20, 11))
    assert begin == [12, 7] and place.tolist() == [[8, 4]]


def test_at_an_edge_a_crop_stays_inside_the_picture():
    assert crop_of(one_person_pixel(2, 31)) == ([0, 24], pytest.approx(torch.tensor([[2, 7]])))


def test_who_shows_nobody_is_cropped_in_the_middle():
    batch = one_person_pixel(0, 0)
    batch["person"][:] = False
    assert crop_of(batch)[0] == [12, 12]


def test_a_crops_middle_is_any_pixel_of_the_person():
    batch = one_person_pixel(8, 4)
    batch["person"][0, 30, 20] = True
    begun = {
        tuple(
            (method()._crops(batch["image"], batch["person"], Draws(0, [n], 0))[0][0, :2, 0, 0] * 255).round().tolist()
        )
        for n in range(20)
    }
    assert begun == {(0.0, 0.0), (22.0, 16.0)}


def test_the_background_counts_as_much_as_it_is_told():
    """Where nobody is, all of the error is the background's."""
    batch = one_person_pixel(0, 0)
    batch["person"][:] = False
    terms = {weight: method(background=weight, squares=1.0)(batch, Draws(0, [0], 0)) for weight in (1.0, 0.25, 0.0)}
    for name in ("l1", "gradients"):
        assert float(terms[0.25][name].detach()) == pytest.approx(0.25 * float(terms[1.0][name].detach()))
        assert float(terms[1.0][name].detach()) > 0.0 == float(terms[0.0][name].detach())
    # A root of a quarter.
    assert float(terms[0.25]["squares"].detach()) == pytest.approx(0.5 * float(terms[1.0]["squares"].detach()))


def test_the_edges_error_is_that_of_neighbours_differences():
    error = torch.tensor([[[[0.0, 1.0, 1.0], [0.0, 3.0, 0.0]]]])
    across = (1 + 0 + 3 + 3) / 4
    down = (0 + 2 + 1) / 3
    assert float(edge_error(error, torch.ones(1, 1, 2, 3))) == pytest.approx((across + down) / 2)
    assert float(edge_error(error + 5, torch.ones(1, 1, 2, 3))) == pytest.approx((across + down) / 2)


@pytest.mark.parametrize("channels", [4, 16])
def test_a_file_says_how_many_channels_its_latents_have(tmp_path, channels):
    file = tmp_path / "vae.safetensors"
    save_file(TinyAutoencoder(channels).state_dict(), file)
    latent = load_autoencoder(file).encode(torch.zeros(1, 3, 16, 24))
    assert latent.shape == (1, channels, 2, 3)


def test_another_file_is_no_autoencoder(tmp_path):
    file = tmp_path / "vae.safetensors"
    save_file({"conv_in.weight": torch.zeros(1)}, file)
    with pytest.raises(TrainingError, match="is no autoencoder"):
        load_autoencoder(file)


@pytest.fixture
def begun(tmp_path) -> Path:
    """A file of four channels, whose latents are not the encoder's own numbers."""
    network = Autoencoder(AutoencoderOptions(), 0).network
    network.normalise(torch.tensor(0.3), torch.tensor(1.7))
    save_file(network.state_dict(), tmp_path / "vae.safetensors")
    return tmp_path / "vae.safetensors"


def test_going_on_with_a_decoder_leaves_the_latents_as_they_are(tmp_path, begun):
    options = AutoencoderOptions(begin=begun, decoder_only=True, crop=(32, 16))
    with torch.inference_mode(False), torch.enable_grad():
        run = Run(training_recipe(tmp_path / "run", "autoencoder", options=options), NoisePeople())
        before, after = load_file(begun), load_file(run.train())
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == {key for key in before if key.startswith("taesd_decoder.")}


def test_more_channels_begin_as_the_file_and_are_details(begun):
    """The same pictures and the same first latents; what is new is asked for in its own deviation."""
    wide = Autoencoder(AutoencoderOptions(channels=6, begin=begun, details=0.5), 0)
    narrow = load_autoencoder(begun)
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    latents = wide.network.taesd_encoder(picture)
    assert torch.allclose(latents[:, :4], narrow.taesd_encoder(picture), atol=1e-6)
    assert float(latents[:, 4:].abs().max()) > 0
    assert torch.allclose(wide.network.taesd_decoder(latents), narrow.taesd_decoder(latents[:, :4]), atol=1e-6)
    assert wide.spread.tolist() == [1, 1, 1, 1, 0.5, 0.5]
    assert float(wide.network.vae_shift) == 0 and float(wide.network.vae_scale) == pytest.approx(0.18215)


def test_what_cannot_be_gone_on_with_is_said(begun):
    with pytest.raises(
        TrainingError, match="has 4 channels, and cannot be gone on with in 3. Set options.channels to 4 or"
    ):
        Autoencoder(AutoencoderOptions(channels=3, begin=begun), 0)
    with pytest.raises(TrainingError, match="in 16. Set options.channels to 4[.]"):
        Autoencoder(AutoencoderOptions(channels=16, begin=begun, decoder_only=True), 0)
    with pytest.raises(ValueError, match="decoder_only needs begin"):
        AutoencoderOptions(decoder_only=True)
