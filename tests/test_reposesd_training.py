"""RePoseSD: captioned pictures with poses, and Stable Diffusion fine-tuned on them under gradient guidance."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from reposedm_files import field_files
from safetensors.torch import load_file
from small_methods import OPTIONS, recipe
from small_words import LENGTH, words_folder
from training_people import REGION_DIM, NoisePeople, SpokenPeople, store

from model_patches.networks.higherhrnet import sized_for
from preprocessors.keypoints import Frame, to_pose_keypoint
from training.captions import load_words
from training.data.captioned import CaptionedPictures
from training.data.mirrored import MirroredPeople
from training.data.records import Record, caption_of, everybody, from_text, largest
from training.data.sources import open_people
from training.data.store import StoredPeople
from training.drawn_pose import drawn_people
from training.draws import Draws
from training.errors import TrainingError
from training.loop import Run
from training.methods.reposesd import RePoseSD
from training.objectives import Schedule, noised
from training.preprocessing.pipeline import Pipeline, possible_steps
from training.preprocessing.step import Setup
from training.recipe import read_recipe
from training.sampling import load_method, load_predictor, read_pairs

pytestmark = pytest.mark.usefixtures("with_gradients")


def method_of(**changes) -> RePoseSD:
    return RePoseSD(replace(OPTIONS["reposesd"], **changes), seed=0)


def batch_of(method: RePoseSD, *names: str) -> dict[str, torch.Tensor]:
    people = SpokenPeople()
    batch = read_pairs(method, [(people.record(name),) * 2 for name in names or ("p0-v0",)])
    batch.pop("number")
    return batch


def loss(method: RePoseSD, batch: dict[str, torch.Tensor]) -> float:
    rows = range(len(batch["target_latent"]))
    return float(sum(method(batch, Draws(0, rows, 0)).values()).detach())


def person(left: float, top: float) -> torch.Tensor:
    """OpenPose's points, 2 pixels apart along a line."""
    steps = 2.0 * torch.arange(18)
    return torch.stack([left + steps, top + steps, torch.ones(18)], -1)


def write(root: Path, name: str, size: tuple[int, int] = (100, 200), caption: str = "a man", people=None) -> Path:
    """A picture of a height and a width, its left half black, its caption and its poses."""
    pixels = np.full((*size, 3), 255, np.uint8)
    pixels[:, : size[1] // 2] = 0
    file = root / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
    file.with_suffix(".txt").write_text(caption, encoding="utf-8")
    if people is not None:
        pose = to_pose_keypoint([Frame(torch.stack(people), size[1], size[0])])
        file.with_suffix(".json").write_text(json.dumps(pose))
    return file


class TestPictures:
    def test_a_folder_and_the_folders_in_it(self, tmp_path):
        write(tmp_path, "one", caption="ein Mann läuft \n", people=[person(60, 20), person(120, 50)])
        write(tmp_path, "more/two", caption="")
        write(tmp_path, ".cache/three")
        people = CaptionedPictures(tmp_path, "64x64", "squash")
        assert people.names == ["one", "more_two"] and people.pairs == [("one", "one"), ("more_two", "more_two")]
        one, two = (people.record(name) for name in people.names)
        assert caption_of(one) == "ein Mann läuft" and caption_of(two) == ""
        assert one.image.shape == (64, 64, 3) and everybody(two) is None and one.identity != two.identity
        assert open_people(f"captioned:{tmp_path},size=32x32").record("one").image.shape == (32, 32, 3)

    @pytest.mark.parametrize(
        "fit, scale, begin",
        [("squash", (0.32, 0.64), (0, 0)), ("pad", (0.32,) * 2, (0, 16)), ("crop", (0.64,) * 2, (-32, 0))],
    )
    def test_poses_go_where_the_picture_goes(self, tmp_path, fit, scale, begin):
        """100 × 200 pixels at 64 × 64: x and y of every point, and the edge between black and white."""
        write(tmp_path, "one", people=[person(60, 20), person(160, 10)])
        record = CaptionedPictures(tmp_path, "64x64", fit).record("one")
        wanted = person(60, 20)[:, :2] * torch.tensor(scale) + torch.tensor(begin)
        assert torch.allclose(torch.tensor(record.fields["people"][0, :, :2]), wanted, atol=1e-4)
        # The edge is at 100 of 200 pixels.
        line = record.image[32, :, 0]
        assert abs(int((line < 128).sum()) - (100 * scale[0] - max(0, -begin[0]))) <= 1
        # Nobody of whom nothing is left is there; who is the larger is the one.
        assert len(record.fields["people"]) == (1 if fit == "crop" else 2)
        assert (record.fields["keypoints"] == largest(record.fields["people"])).all()

    def test_a_point_that_is_cut_off_is_not_seen(self, tmp_path):
        write(tmp_path, "one", people=[person(40, 20)])
        (found,) = CaptionedPictures(tmp_path, "64x64", "crop").record("one").fields["people"]
        x = (40 + 2 * np.arange(18)) * 0.64 - 32
        assert (found[:, 2] == (x >= 0)).all() and not found[x < 0].any()

    def test_a_store_keeps_words_and_everybody(self, tmp_path):
        people = SpokenPeople(1)
        kept = StoredPeople(store(people, tmp_path / "store"))
        record = kept.record("p0-v0")
        assert caption_of(record) == "somebody p0-v0"
        assert (record.fields["people"] == people.record("p0-v0").fields["people"]).all()
        mirror = MirroredPeople(tmp_path / "store").record("p0-v0-mirrored").fields["people"]
        assert (mirror[..., 0] == 47 - record.fields["people"][..., 0]).all()

    @pytest.mark.parametrize(
        "spoil, said",
        [
            (lambda file: file.with_suffix(".txt").unlink(), "1 of 1 pictures .* no caption, 'one.png'"),
            (lambda file: file.unlink(), "has no pictures"),
        ],
    )
    def test_a_folder_that_cannot_be_used(self, tmp_path, spoil, said):
        spoil(write(tmp_path, "one"))
        with pytest.raises(TrainingError, match=said):
            CaptionedPictures(tmp_path)

    def test_files_that_cannot_be_used(self, tmp_path):
        file = write(tmp_path, "one", people=[person(1, 1)])
        file.with_suffix(".txt").write_bytes(b"\xff\xfe\xfd")
        with pytest.raises(TrainingError, match=r"one\.txt' is no text in UTF-8"):
            CaptionedPictures(tmp_path).record("one")
        file.with_suffix(".txt").write_text("a man")
        pose = json.loads(file.with_suffix(".json").read_text())
        file.with_suffix(".json").write_text(json.dumps(pose * 2))
        with pytest.raises(TrainingError, match="has 2 frames, and a picture needs one"):
            CaptionedPictures(tmp_path).record("one")
        file.with_suffix(".json").write_text("{")
        with pytest.raises(TrainingError, match=r"one\.json.* is no JSON"):
            CaptionedPictures(tmp_path).record("one")
        with pytest.raises(TrainingError, match="Give one of squash, pad, crop"):
            CaptionedPictures(tmp_path, fit="stretch")
        with pytest.raises(TrainingError, match="has no caption.*captioned:FOLDER"):
            caption_of(NoisePeople().record("p0-v0"))


class TestPoses:
    def test_everybody_is_drawn(self):
        record = SpokenPeople().record("p0-v0")
        both = drawn_people(record)
        alone = [
            drawn_people(replace(record, fields={"people": record.fields["people"][number : number + 1]}))
            for number in range(2)
        ]
        # Smooth edges are means of the brighter of two, and those are at least the brighter of two means.
        assert (both.astype(int) >= np.maximum(*alone).astype(int) - 1).all()
        assert all((both != one).any() for one in alone)
        only = {"keypoints": record.fields["keypoints"]}
        assert (drawn_people(replace(record, fields=only)) == alone[0]).all()
        nobody = {"people": np.zeros((0, 18, 3), np.float32)}
        assert not drawn_people(replace(record, fields=nobody)).any()
        with pytest.raises(TrainingError, match="has no 'keypoints'"):
            drawn_people(replace(record, fields={}))

    def test_the_pose_latent_is_of_everybody(self):
        record = SpokenPeople().record("p0-v0")
        fields = {name: record.fields[name] for name in ("people", "keypoints")}
        setup = Setup(vae=field_files()["decoder"])
        both, one = (
            Pipeline(["pose_latent"], setup, ())([replace(record, fields=theirs)])[0].fields["pose_latent"]
            for theirs in (fields, {"keypoints": fields["keypoints"]})
        )
        drawing = replace(record, image=drawn_people(record), fields={})
        (expected,) = Pipeline(["latent"], setup, ())([drawing])
        assert np.abs(both - expected.fields["latent"]).max() < 1e-6 < 1e-4 < np.abs(both - one).max()

    def test_people_are_found(self):
        """Twice the same photo side by side shows two; an empty one nobody."""
        from devtools.host import ROOT

        photo = np.array(Image.open(ROOT / "workflows" / "inputs" / "mannequin_source.png").convert("RGB"))
        twice = np.concatenate([photo, photo], 1)
        pipeline = Pipeline(["people", "keypoints"], Setup(), ())
        two, none = pipeline([Record("a", "a", "a", twice), Record("b", "b", "b", np.full_like(photo, 128))])
        assert len(two.fields["people"]) == 2 and (two.fields["keypoints"] == largest(two.fields["people"])).all()
        apart = np.abs(two.fields["people"][0, 1, 0] - two.fields["people"][1, 1, 0])
        assert apart == pytest.approx(photo.shape[1], rel=0.05)
        assert none.fields["people"].shape == (0, 18, 3) and not none.fields["keypoints"].any()
        assert "people" not in possible_steps(Setup(), ())


class TestWords:
    def test_tokens_and_context(self):
        words = load_words(words_folder(REGION_DIM))
        man, woman, nothing = (words.tokens(text) for text in ("man", "a woman who walks along a street", ""))
        assert {len(tokens) for tokens in (man, woman, nothing)} == {LENGTH}
        assert nothing[0] == man[0] and (nothing[1:] == nothing[1]).all() and man[4] == nothing[1]
        context = words(torch.stack([man, woman]))
        assert context.shape == (2, LENGTH, REGION_DIM) and not context.requires_grad
        assert not torch.equal(*context)

    def test_what_cannot_be_read(self, tmp_path):
        with pytest.raises(TrainingError, match="has no folder text_encoder"):
            load_words(tmp_path)
        (tmp_path / "text_encoder").mkdir()
        (tmp_path / "tokenizer").mkdir()
        with pytest.raises(TrainingError, match="cannot be read"):
            load_words(tmp_path)
        with pytest.raises(TrainingError, match="is 32 wide, and the UNet's context 16"):
            method_of(text=words_folder(32)).words.tokens("")
        with pytest.raises(TrainingError, match="give options.text"):
            method_of(text=None).words.tokens("")


class TestLoss:
    @pytest.mark.parametrize("rule, scale", [("Eq. 15", 100.0), ("Eq. 14", 2000.0)])
    def test_it_is_eq_17(self, rule, scale):
        """‖ε − ε_θ − s √(1 − ᾱ) ∇G‖², G and its gradient computed anew: of what ε_θ is wrong by, decoded."""
        schedule = Schedule()
        method = method_of(drop=0.0, rule=rule, schedule=schedule, field=scale)
        batch = batch_of(method, "p0-v0", "p1-v1")
        draws = Draws(0, range(2), 0)
        clean = batch["target_latent"]
        noise, timesteps = draws.normal(*clean.shape[1:]), draws.integers(1000)
        scheduler = schedule.scheduler()
        noisy, truth = noised(scheduler, clean, noise, timesteps)
        with torch.no_grad():
            context = method.words.encoder(batch["caption"])[0]
            given = torch.cat([noisy, batch["pose_latent"]], 1)
            predicted = method.denoising(given, timesteps, encoder_hidden_states=context).sample
        seen = method.taught_field.seen
        wrong = (noise - predicted).requires_grad_()
        made = seen.estimator(sized_for((seen.decoder.decode(wrong) / 2 + 0.5).clamp(0, 1)))
        wanted = seen.estimator(sized_for(batch["skeleton"].movedim(-1, 1) / 255)).features.detach()
        heat = (made.fine.detach().sum(1, keepdim=True) > 0.1).float()
        weight = torch.nn.functional.interpolate(heat, size=made.features.shape[-2:], mode="area")
        distance = (weight * (made.features - wanted).square()).sum()
        (gradient,) = torch.autograd.grad(distance, wrong)
        alphas = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
        factor = (1 - alphas if rule == "Eq. 15" else alphas).sqrt()
        moved = scale * factor * gradient
        expected = float((truth - predicted - moved).square().mean())
        without = float((truth - predicted).square().mean())
        assert loss(method, batch) == pytest.approx(expected, rel=1e-4)
        assert abs(expected - without) > 1e-3 * without
        plain = method_of(drop=0.0, rule=rule, schedule=schedule, field=0.0)
        assert loss(plain, batch) == pytest.approx(without, rel=1e-4)

    def test_the_gradient_is_a_constant(self):
        """The loss's own gradient is that of the error times the prediction's: nothing flows through the estimator."""
        method = method_of(drop=0.0)
        batch = batch_of(method)
        sum(method(batch, Draws(0, [0], 0)).values()).backward()
        assert method.denoising.conv_in.weight.grad[:, 4:].abs().sum() > 0
        assert all(weight.grad is None for weight in method.taught_field.seen.estimator.parameters())
        assert all(weight.grad is None for weight in method.words.encoder.parameters())
        assert not any("words" in name or "estimator" in name for name, _ in method.named_parameters())

    @pytest.mark.parametrize("what", ["caption", "pose_latent", "skeleton"])
    def test_every_condition_reaches_the_loss(self, what):
        told, dropped = method_of(drop=0.0, field=0.5), method_of(drop=1.0, field=0.5)
        batch = batch_of(told)
        other = batch | {what: torch.roll(batch[what], 3, 1)}
        assert abs(loss(told, batch) - loss(told, other)) > 1e-7
        assert loss(dropped, batch) == loss(dropped, other), "the null condition sees none of them"

    def test_a_picture_of_nobody_is_not_guided(self):
        method, plain = method_of(drop=0.0, field=0.5), method_of(drop=0.0, field=0.0)
        batch = batch_of(method)
        assert loss(method, batch) != loss(plain, batch)
        empty = batch | {"skeleton": torch.zeros_like(batch["skeleton"])}
        assert loss(method, empty) == loss(plain, empty)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    with torch.inference_mode(False), torch.enable_grad():
        return Run(recipe(tmp_path_factory.mktemp("reposesd"), "reposesd", steps=2), SpokenPeople()).train()


class TestRun:
    def test_its_file_makes_pictures_of_words_and_poses(self, weights):
        predictor = load_predictor(weights, field_files()["decoder"], steps=2)
        record = SpokenPeople().record("p0-v0")
        (made,) = predictor.predict([(record, record)])
        assert made.shape == record.image.shape
        blind = replace(record, image=record.image * 0, fields=record.fields | {"latent": record.fields["latent"] + 1})
        assert (predictor.predict([(blind, blind)])[0] == made).all(), "of a target words and poses alone are read"
        for changed in ({"caption": from_text("nobody")}, {"pose_latent": record.fields["pose_latent"] + 1}):
            other = replace(record, fields=record.fields | changed)
            assert (predictor.predict([(other, other)])[0] != made).any(), changed

    def test_its_file_is_the_unet_alone(self, weights):
        method = load_method(weights)
        state = load_file(weights)
        assert {key.removeprefix("denoising_unet.") for key in state} == method.denoising.state_dict().keys()
        assert method.denoising.conv_in.in_channels == 8

    def test_the_recipe_is_read(self):
        options = read_recipe(Path(__file__).parents[1] / "training" / "recipes" / "paper_reposesd.yaml").options
        assert options.field and options.rule == "Eq. 15" and options.generation == 2
        with pytest.raises(ValueError, match="choose the rule 'Eq. 14' or 'relative'"):
            replace(options, schedule=Schedule("scaled_linear", "v_prediction", True))
