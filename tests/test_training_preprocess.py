"""``python -m training.preprocess``: its steps against what nodes compute, its command, and runs that are killed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import comfy.clip_vision
import numpy as np
import pytest
import torch
from generated import densepose_file, pack
from mannequin.nodes.parsing import MannequinEncodeRegions
from mannequin.preprocessors.labels import Parsing
from PIL import Image
from safetensors.torch import load_file, save_file

from devtools.host import ROOT
from training import preprocess as command
from training.autoencoders import SD_SCALE, TinyAutoencoder
from training.data.records import Record
from training.data.store import StoredPeople
from training.errors import INTERRUPTED, TrainingError
from training.preprocessing import work
from training.preprocessing.alone import alone
from training.preprocessing.pipeline import Pipeline, possible_steps
from training.preprocessing.step import Setup, SetupError, Step
from training.preprocessing.steps import STEPS, in_order
from training.preprocessing.work import BATCH

PHOTOS = ROOT / "workflows" / "inputs"
#: Height and width of the photos' records.
SIZE = (256, 176)


def photo(name: str = "mannequin_portrait.jpg") -> Record:
    picture = Image.open(PHOTOS / name).convert("RGB").resize(SIZE[::-1])
    return Record("me", "me", "me", np.asarray(picture), {})


def blank() -> Record:
    return Record("nobody", "nobody", "nobody", np.zeros((*SIZE, 3), np.uint8), {})


def image(record: Record) -> torch.Tensor:
    return torch.tensor(record.image)[None].float() / 255


@pytest.fixture(scope="module")
def folder_of_people(tmp_path_factory) -> Path:
    """Six small pictures of three people, of random blocks."""
    folder, draws = tmp_path_factory.mktemp("people"), np.random.default_rng(3)
    for person in ("anna", "bert", "carl"):
        for number in range(2):
            blocks = draws.integers(0, 256, (4, 3, 3), np.uint8)
            Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))).save(folder / f"{person}_{number}.png")
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("vae") / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = TinyAutoencoder()
    save_file(dict(network.state_dict()), file)
    return file


@pytest.fixture(scope="module")
def clip_vision(tmp_path_factory) -> Path:
    """A folder with a small image encoder, as transformers saves it."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = tmp_path_factory.mktemp("clip")
    with torch.inference_mode(False), torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
        config = CLIPVisionConfig(**shape, image_size=56, patch_size=14, projection_dim=24)
        CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def host_clip_vision(folder: Path):
    """The same weights in the host's own class."""
    network = comfy.clip_vision.ClipVisionModel(folder / "config.json")
    # On the CPU the host would keep half precision.
    network.model.float()
    missing, _ = network.load_sd(load_file(folder / "model.safetensors"))
    assert not missing
    return network


def computed(steps: list[str], setup: Setup, record: Record) -> Record:
    """One record with everything some steps give."""
    (given,) = Pipeline(steps, setup)([record])
    return given


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def run(*arguments: object) -> int:
    return command.main([str(argument) for argument in arguments])


# Steps


def test_keypoints_parsing_and_face_box_of_a_photo():
    record = computed(["keypoints", "parsing", "face_box"], Setup(), photo())
    points, parsing, box = (record.fields[field] for field in ("keypoints", "parsing", "face_box"))
    assert points.shape == (18, 3) and points.dtype == np.float32 and set(points[:, 2]) <= {0.0, 1.0}
    nose, right_eye, left_eye = points[0], points[14], points[15]
    assert (
        nose[2] == right_eye[2] == left_eye[2] == 1 and right_eye[0] < nose[0] < left_eye[0] and nose[1] > left_eye[1]
    )
    assert parsing.shape == SIZE and parsing.dtype == np.uint8 and {2, 13} <= set(np.unique(parsing))
    assert box.shape == (4,) and box.dtype == np.float32
    assert box[0] < nose[0] < box[2] and box[1] < nose[1] < box[3]
    y, x = np.nonzero(parsing == 13)
    assert box[0] < x.mean() < box[2] and box[1] < y.mean() < box[3]


def test_nobody_is_an_answer(vae, clip_vision, tmp_path):
    setup = Setup(
        densepose=densepose_file(tmp_path, people=0), faces=pack(tmp_path / "faces"), vae=vae, clip_vision=clip_vision
    )
    steps = [name for name in STEPS if name not in ("dino", "coarse_latent")]
    record = computed(steps, setup, blank())
    assert set(record.fields) == set(steps) - {"face", "face_box"}
    for field in ("keypoints", "parsing", "iuv", "texture", "regions"):
        assert not record.fields[field].any(), field


def test_densepose_and_texture(tmp_path):
    setup = Setup(densepose=densepose_file(tmp_path))
    record = computed(["texture", "iuv"], setup, photo())
    iuv, texture = record.fields["iuv"], record.fields["texture"]
    assert iuv.shape == (*SIZE, 3) and iuv.dtype == np.uint8 and set(np.unique(iuv[..., 0])) == {0, 2, 24}
    assert texture.shape == (512, 512, 3) and texture.dtype == np.uint8
    from preprocessors.densepose import DensePose
    from preprocessors.texture_map import texture_map

    expected, _ = texture_map(image(record), DensePose(torch.tensor(iuv)[None]))
    assert texture.any() and np.array_equal(texture, (expected * 255).round().to(torch.uint8).numpy())


def test_face_identity(tmp_path):
    """The generated detector finds red squares; the recogniser gives their colour."""
    picture = np.zeros((256, 256, 3), np.uint8)
    picture[64:192, 64:192] = (255, 0, 0)
    record = replace(photo(), image=picture)
    face = computed(["face"], Setup(faces=pack(tmp_path / "faces")), record).fields["face"]
    from preprocessors.antelopev2 import load_analyser
    from preprocessors.face_identity import embed_faces

    expected, _ = embed_faces(image(record), load_analyser("faces", tmp_path / "faces"))
    assert face.shape == (512,) and face.any() and np.array_equal(face, expected.raw[0].numpy())


def test_latents(vae):
    network = TinyAutoencoder()
    network.load_state_dict(load_file(vae))
    texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    record = replace(photo(), fields={"texture": texture})
    record = computed(["latent", "texture_latent"], Setup(vae=vae, texture_size=64), record)
    for field, pixels in (("latent", record.image), ("texture_latent", texture)):
        expected = network.taesd_encoder(torch.tensor(pixels).movedim(-1, 0)[None].float() / 255)[0]
        assert record.fields[field].shape == (4, pixels.shape[0] // 8, pixels.shape[1] // 8)
        # The generated file's scale is Stable Diffusion's own.
        assert np.allclose(record.fields[field], expected.detach() / network.vae_scale * SD_SCALE, atol=1e-5)


def test_latents_of_stable_diffusions_autoencoder(tmp_path):
    from diffusers import AutoencoderKL

    with torch.inference_mode(False), torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
        network = AutoencoderKL(**blocks, block_out_channels=(8,) * 4, norm_num_groups=4, latent_channels=4)
        network.save_pretrained(tmp_path)
    record = computed(["latent"], Setup(vae=tmp_path), photo())
    moments = network.encode(image(record).movedim(-1, 1) * 2 - 1).latent_dist
    assert np.allclose(record.fields["latent"], moments.mean[0].detach() * 0.18215, atol=1e-5)


def test_a_picture_whose_sides_latents_cannot_have(vae):
    record = replace(photo(), image=np.zeros((250, 176, 3), np.uint8))
    with pytest.raises(TrainingError, match="'me' is 250×176.*multiples of 8.*size="):
        computed(["latent"], Setup(vae=vae), record)


def test_both_hosts_see_the_same_embeddings(clip_vision):
    """CLIP here and in ComfyUI: the picture whole, the texture whole, and the regions as the node cuts them."""
    parsing = np.zeros(SIZE, np.uint8)
    parsing[20:90, 30:140], parsing[100:250, 60:80] = 13, 5
    texture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    record = replace(photo(), fields={"parsing": parsing, "texture": texture})
    fields = computed(["clip", "texture_clip", "regions"], Setup(clip_vision=clip_vision), record).fields
    host = host_clip_vision(clip_vision)
    for field, picture in (("clip", image(record)), ("texture_clip", torch.tensor(texture)[None].float() / 255)):
        expected = host.encode_image(picture, crop=False).image_embeds[0].float().numpy()
        assert fields[field].shape == (24,) and np.abs(fields[field] - expected).max() < 1e-5
        assert np.abs(expected).max() > 0.1
    labels, expected = MannequinEncodeRegions.execute(host, image(record), Parsing(torch.tensor(parsing)[None])).result[
        0
    ]
    assert fields["regions"].shape == (20, 24) and np.abs(fields["regions"] - expected[0].numpy()).max() < 1e-5
    assert set(np.flatnonzero(fields["regions"].any(1))) == {5, 13}


def test_records_together_and_alone(vae, clip_vision):
    """Pictures of two sizes, one without a parsing's labels: together they get what each gets alone."""
    draws, records = np.random.default_rng(0), []
    for number, (height, width) in enumerate([(64, 48), (32, 48), (64, 48), (64, 48)]):
        parsing = np.zeros((height, width), np.uint8)
        if number != 2:
            parsing[4:20, 8:30], parsing[20 : 24 + number, 2:9] = 5, 9 + number
        fields = {"parsing": parsing, "texture": draws.integers(0, 256, (40, 40, 3), np.uint8)}
        records.append(Record(f"p{number}", "p", "p", draws.integers(0, 256, (height, width, 3), np.uint8), fields))
    steps = ["latent", "texture_latent", "clip", "texture_clip", "regions"]
    setup = Setup(vae=vae, clip_vision=clip_vision, texture_size=32)
    for together, record in zip(Pipeline(steps, setup)(records), records, strict=True):
        alone = computed(steps, setup, record)
        assert together.name == record.name and np.array_equal(together.image, record.image)
        for step in steps:
            assert together.fields[step].shape == alone.fields[step].shape
            assert np.abs(together.fields[step] - alone.fields[step]).max() < 1e-5, step


def test_textures_become_squares_of_the_size_that_is_asked_for(vae):
    texture = np.full((512, 512, 3), (10, 200, 90), np.uint8)
    record = replace(photo(), fields={"texture": texture})
    already = replace(record, fields={"texture": texture[:64, :64]})

    def latent(record, **size):
        return computed(["texture_latent"], Setup(vae=vae, **size), record).fields["texture_latent"]

    assert latent(record, texture_size=64).shape == (4, 8, 8)
    assert np.array_equal(latent(record, texture_size=64), latent(already, texture_size=64))
    assert latent(already).shape == (4, 64, 64)


# What is computed, and what is not


class Counting(Step):
    """Counts the records it sees."""

    gives = ("clip",)
    seen: ClassVar[list[str]] = []

    def __call__(self, records):
        Counting.seen += [record.name for record in records]
        return [{"clip": np.full(3, 7, np.float32)} for _ in records]


def test_what_is_known_is_not_computed_again(monkeypatch):
    monkeypatch.setitem(STEPS, "clip", Counting)
    monkeypatch.setattr(Counting, "seen", [])
    known = replace(photo(), name="known", fields={"clip": np.zeros(3, np.float32)})
    first, second = Pipeline(["clip"], Setup())([known, photo()])
    assert not first.fields["clip"].any() and (second.fields["clip"] == 7).all() and Counting.seen == ["me"]
    (decided,) = Pipeline(["clip"], Setup(), complete=["clip"])([photo()])
    assert "clip" not in decided.fields and Counting.seen == ["me"], "absent where the data set decides it"


@pytest.mark.parametrize(
    ("step", "option"),
    [
        ("iuv", "--densepose"),
        ("face", "--faces"),
        ("latent", "--vae"),
        ("clip", "--clip-vision"),
        ("dino", "--dino"),
    ],
)
def test_a_step_without_its_network(step, option):
    with pytest.raises(TrainingError, match=f"The step {step} needs a network.*{option}"):
        Pipeline([step], Setup()).check(photo())
    known = replace(photo(), fields={step: np.zeros(3)})
    Pipeline([step], Setup()).check(known)


def test_a_step_without_what_it_needs(vae):
    with pytest.raises(
        TrainingError, match=r"The step texture needs 'iuv', which 'me' has not.*iuv \(with --densepose\)"
    ):
        Pipeline(["texture"], Setup()).check(photo())
    with pytest.raises(TrainingError, match="The step texture_latent needs 'texture'"):
        Pipeline(["texture_latent"], Setup(vae=vae)).check(photo())


def test_networks_that_cannot_be_read(tmp_path):
    """That is wrong for every record, and said so."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.safetensors").write_bytes(b"nothing")
    for step, setup in (
        ("latent", Setup(vae=tmp_path / "folder")),
        ("latent", Setup(vae=tmp_path / "file.safetensors")),
        ("clip", Setup(clip_vision=tmp_path / "folder")),
        ("iuv", Setup(densepose=tmp_path / "file.safetensors")),
        ("parsing", Setup(parser=tmp_path / "folder")),
        ("face", Setup(faces=tmp_path / "folder")),
    ):
        with pytest.raises(SetupError, match=f"The step {step}: "):
            computed([step], setup, photo())


def test_steps_by_name():
    assert in_order(["texture", "keypoints", "iuv", "iuv"]) == ["keypoints", "iuv", "texture"]
    with pytest.raises(TrainingError, match="'depth' is no step. The steps are people, keypoints, parsing"):
        in_order(["depth"])
    assert possible_steps(Setup(), ()) == ["keypoints", "parsing", "face_box"]
    assert possible_steps(Setup(), ("iuv",)) == ["keypoints", "parsing", "face_box", "texture"]
    path = Path("x")
    everything = Setup(None, "auto", path, path, path, path, path)
    by_name = ("people", "joint_latent", "pose_latent", "views_latent", "large_latent", "coarse_latent")
    assert possible_steps(everything, ()) == [name for name in STEPS if name not in by_name]
    for name, step in STEPS.items():
        assert step.gives == (name,), "training tells users to add the step by the field's name"


# The command


def test_command(folder_of_people, vae, tmp_path, capsys):
    source = f"folder:{folder_of_people},size=32x24"
    assert run(source, tmp_path / "out", "--steps", "latent", "--vae", vae, "--workers", 0) == 0
    said = capsys.readouterr()
    assert "has 6 records and is whole; 6 were computed now" in said.out and "6/6" in said.err
    stored = StoredPeople(tmp_path / "out")
    assert stored.names == [f"{person}_{number}" for person in ("anna", "bert", "carl") for number in (0, 1)]
    assert len(stored.pairs) == 6 and stored.record("anna_0").fields["latent"].shape == (4, 4, 3)
    before = contents(tmp_path / "out")
    assert run(source, tmp_path / "out", "--steps", "latent", "--vae", vae, "--workers", 0, "--quiet") == 0
    said = capsys.readouterr()
    assert "0 were computed now" in said.out and not said.err and contents(tmp_path / "out") == before


def test_both_formats_hold_the_same(folder_of_people, vae, tmp_path):
    for format in ("folder", "shards"):
        arguments = ("--format", format, "--steps", "latent", "--vae", vae, "--workers", 0, "--unit", 4)
        assert run(f"folder:{folder_of_people},size=32x24", tmp_path / format, *arguments) == 0
    folder, shards = (StoredPeople(tmp_path / format) for format in ("folder", "shards"))
    assert folder.names == shards.names and folder.pairs == shards.pairs
    for name in folder.names:
        one, other = folder.record(name), shards.record(name)
        assert np.array_equal(one.image, other.image) and np.array_equal(one.fields["latent"], other.fields["latent"])
        assert (one.name, one.identity, one.outfit) == (other.name, other.identity, other.outfit)


def test_steps_are_added_to_a_store(folder_of_people, vae, tmp_path):
    """A finished store is a source too: what it holds is kept as it is."""
    assert run(f"folder:{folder_of_people},size=32x24", tmp_path / "one", "--steps", "", "--workers", 0) == 0
    more = ("--steps", "latent", "--vae", vae, "--workers", 0)
    assert run(f"stored:{tmp_path / 'one'}", tmp_path / "two", *more) == 0
    one, two = StoredPeople(tmp_path / "one"), StoredPeople(tmp_path / "two")
    assert one.names == two.names and not one.fields_of("anna_0") and two.fields_of("anna_0") == {"latent"}
    assert np.array_equal(one.record("anna_0").image, two.record("anna_0").image)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--steps", "latent"], "--vae"),
        (["--steps", "depth"], "'depth' is no step"),
        (["--vae", "/nowhere"], "There is no '/nowhere'"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(folder_of_people, tmp_path, capsys, arguments, said):
    assert run(f"folder:{folder_of_people},size=32x24", tmp_path / "out", "--workers", 0, *arguments) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(("format", "there"), [("folder", 5), ("shards", 4)])
def test_a_broken_picture_is_named_and_the_others_are_done(folder_of_people, tmp_path, capsys, format, there):
    pictures = tmp_path / "pictures"
    shutil.copytree(folder_of_people, pictures)
    (pictures / "bert_0.png").write_bytes((folder_of_people / "bert_0.png").read_bytes()[:50])
    arguments = (f"folder:{pictures},size=32x24", tmp_path / "out", "--steps", "", "--workers", 0, "--unit", 2)
    arguments += ("--format", format)
    assert run(*arguments) == 1
    said = capsys.readouterr().err
    assert "bert_0.png' cannot be read" in said and f"{6 - there} of 6 records are left" in said
    # A shard has all of its records, or is not there.
    assert len(StoredPeople(tmp_path / "out", partial=True).names) == there
    shutil.copy(folder_of_people / "bert_0.png", pictures)
    assert run(*arguments) == 0 and f"{6 - there} were computed now" in capsys.readouterr().out
    assert StoredPeople(tmp_path / "out").names == [f"{who}_{n}" for who in ("anna", "bert", "carl") for n in (0, 1)]


def test_a_run_with_too_many_broken_pictures_is_stopped(folder_of_people, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "MOST_BROKEN", 2)
    pictures = tmp_path / "pictures"
    shutil.copytree(folder_of_people, pictures)
    for name in ("bert_0", "bert_1", "carl_0"):
        (pictures / f"{name}.png").write_bytes(b"")
    assert run(f"folder:{pictures},size=32x24", tmp_path / "out", "--steps", "", "--workers", 0) == 1
    assert "More than 2 pictures cannot be used. The first: bert_0: " in capsys.readouterr().err


def test_another_vae_is_another_store(folder_of_people, vae, tmp_path, capsys):
    other = tmp_path / vae.name
    save_file(load_file(vae) | {"more": torch.zeros(1)}, other)
    arguments = (f"folder:{folder_of_people},size=32x24", tmp_path / "out", "--steps", "latent", "--workers", 0)
    assert run(*arguments, "--vae", vae) == 0
    assert run(*arguments, "--vae", other) == 1
    assert "begun with other settings: setup was" in capsys.readouterr().err


def test_one_run_at_a_time(folder_of_people, tmp_path, capsys):
    arguments = (f"folder:{folder_of_people},size=32x24", tmp_path / "out", "--steps", "", "--workers", 0)
    assert run(*arguments) == 0
    with alone(tmp_path / "out"):
        assert run(*arguments) == 1
    assert "Another run is writing" in capsys.readouterr().err
    assert run(*arguments) == 0


class Renderer:
    """People who are drawn several at once."""

    def __init__(self) -> None:
        self.names, self.pairs, self.asked = [f"p_{n}" for n in range(BATCH + 3)], [], []

    def render(self, names):
        self.asked.append(list(names))
        return [replace(photo(), name=name) for name in names]

    def record(self, name):
        (record,) = self.render([name])
        return record


def test_a_renderer_draws_several_at_once(tmp_path, monkeypatch):
    people = Renderer()
    monkeypatch.setattr(work, "open_people", lambda source: people)
    job = work.Job({"kind": "synthetic"}, tmp_path / "out", "folder", 100, (), Setup())
    assert command.preprocess(job, people, quiet=True) == len(people.names)
    assert people.asked == [people.names[:1], people.names[:BATCH], people.names[BATCH:]]
    assert StoredPeople(tmp_path / "out").names == people.names


def test_ctrl_c(folder_of_people, tmp_path, capsys, monkeypatch):
    """In the middle of a run: a sentence, and the same command goes on."""
    calls = 0

    def interrupted(self, records):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return records

    monkeypatch.setattr(Pipeline, "__call__", interrupted)
    arguments = (f"folder:{folder_of_people},size=32x24", tmp_path / "out", "--steps", "", "--workers", 0, "--unit", 1)
    assert run(*arguments) == INTERRUPTED
    assert "Stopped. The same command goes on" in capsys.readouterr().err
    assert len(StoredPeople(tmp_path / "out", partial=True).names) == 2
    assert run(*arguments) == 0 and "4 were computed now" in capsys.readouterr().out


def test_who_works(monkeypatch):
    def who(*arguments):
        return command._who_works(command._options(["folder:x", "out", *arguments]))

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert who() == ("cpu", 3) and who("--workers", "0") == ("cpu", 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert who() == ("cuda", 2) and who("--workers", "8") == ("cuda", 8)
    assert who("--workers", "0") == ("cuda", 0) and who("--device", "cpu") == ("cpu", 3)
    # Of a cluster only itself knows what it has.
    assert who("--address", "head:6379") == ("cuda", None) and who("--address", "auto", "--workers", "5") == ("cuda", 5)


# Through Ray, and killed


def started(*arguments: object) -> subprocess.Popen:
    """The command as users run it."""
    line = [sys.executable, "-m", "training.preprocess", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        line,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_through_ray(folder_of_people, vae, tmp_path):
    """Ray's worker makes the bytes that one process makes."""
    source, steps = f"folder:{folder_of_people},size=32x24", ("--steps", "latent", "--vae", vae, "--unit", 2)
    assert run(source, tmp_path / "one", *steps, "--workers", 0) == 0
    process = started(source, tmp_path / "two", *steps, "--workers", 1)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "has 6 records and is whole; 6 were computed now" in output and "6/6" in errors
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def written(root: Path) -> set[str]:
    """Names of the records that a store has so far."""
    return set(StoredPeople(root, partial=True).names) if (root / "store.json").is_file() else set()


@pytest.mark.slow
@pytest.mark.parametrize("format", ["folder", "shards"])
def test_killed_twenty_times_through_ray(tmp_path, format):
    """SIGKILL to the command: the final store is that of a run that was never disturbed.

    Every fourth kill comes while Ray starts, the others at random moments after a first new record is there.
    """
    draws, pictures = np.random.default_rng(3), tmp_path / "pictures"
    pictures.mkdir()
    for number in range(240):
        pixels = draws.integers(0, 256, (64, 48, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"p{number // 2}_{number}.png")
    source, steps = f"folder:{pictures},size=256x176", ("--steps", "keypoints", "--format", format, "--unit", 2)
    assert run(source, tmp_path / "whole", *steps, "--workers", 0, "--quiet") == 0
    times, seen = random.Random(1), set()
    for kill in range(20):
        process = started(source, tmp_path / "killed", *steps, "--workers", 1)
        if kill % 4 == 0:
            time.sleep(times.uniform(0.5, 8))
        else:
            while process.poll() is None and len(written(tmp_path / "killed")) == len(seen):
                time.sleep(0.1)
            time.sleep(times.uniform(0, 1))
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        there = written(tmp_path / "killed")
        assert seen <= there, "what was there is still there"
        seen = there
    assert len(seen) >= 15
    process = started(source, tmp_path / "killed", *steps, "--workers", 1)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0 and "240 records and is whole" in output, errors
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    stored = StoredPeople(tmp_path / "killed")
    assert len(stored.names) == len(set(stored.names)) == 240
    assert all(stored.record(name).fields["keypoints"].shape == (18, 3) for name in stored.names)
