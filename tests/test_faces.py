"""Faces: found on real photos, cut out, told apart by insightface, and kept in files."""

import importlib.util
import socket
import sys
from pathlib import Path

import folder_paths
import numpy as np
import pytest
import torch
from generated import COLOURS, arcface, pack, scrfd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mannequin.nodes.errors import NodeError
from mannequin.nodes.face import MannequinCropFace, MannequinEmbedFace, MannequinLoadFaceAnalysis
from mannequin.nodes.face_embedding import MannequinLoadFaceEmbedding, MannequinSaveFaceEmbedding
from mannequin.preprocessors.antelopev2 import load_analyser
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.face_choice import choose
from mannequin.preprocessors.face_crop import crop_faces, crop_square_of
from mannequin.preprocessors.face_embedding import FaceEmbedding, is_embedding, load_embedding, save_embedding
from mannequin.preprocessors.face_packs import find_packs, pack_folder
from mannequin.preprocessors.face_square import covered, cut, enlarged
from mannequin.preprocessors.faces import Face, find_faces
from mannequin.preprocessors.images import square_around
from PIL import Image
from safetensors.torch import save_file

from devtools.host import ROOT

CROP = {"on_no_face": "error", "on_several": "largest", "margin": 0.5, "size": 128, "align": True}
#: Right and left eye of everyone in the photos of the repository, read off by hand; the largest face first.
EYES = {
    "mannequin_portrait.jpg": [((203, 103), (249, 104))],
    "mannequin_group.jpg": [((731, 131), (759, 159)), ((207, 213), (242, 215)), ((409, 257), (441, 241))],
}


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture.convert("RGB"), np.float32) / 255)


def opened(name: str) -> Image.Image:
    return Image.open(ROOT / "workflows" / "inputs" / name)


def photo(name: str) -> torch.Tensor:
    """A photo ``[1, H, W, 3]``."""
    return tensor(opened(name))[None]


# Finding


@pytest.mark.parametrize("name", EYES)
def test_every_face_is_found_and_its_eyes_are_right(name):
    faces = find_faces(photo(name)[0])
    assert len(faces) == len(EYES[name])
    for right, left in EYES[name]:
        nearest = min(float((face.points[:2] - torch.tensor([right, left])).abs().max()) for face in faces)
        assert nearest <= 4


def test_the_astronaut_of_scikit_image():
    data = importlib.util.find_spec("skimage")
    file = Path(data.origin).parent / "data" / "astronaut.png" if data else None
    if file is None or not file.is_file():
        pytest.skip("scikit-image is not installed")
    (face,) = find_faces(tensor(Image.open(file)))
    assert (face.points[:2] - torch.tensor([[203, 103], [249, 104]])).abs().max() <= 4
    assert face.score > 0.8 and 100 < face.extent < 135 and abs(face.roll) < 0.1


@pytest.mark.parametrize("name", ["mannequin_source.png", "mannequin_pose.png"])
def test_a_face_of_25_pixels_is_found(name):
    (face,) = find_faces(photo(name)[0])
    assert 20 < face.extent < 32 and 40 < face.centre[1] < 60


@pytest.mark.parametrize(
    "size, place", [((400, 4000), (50, 3000)), ((4000, 300), (2000, 50)), ((2200, 2200), (100, 1900))]
)
def test_someone_small_in_a_large_picture(size, place):
    picture = torch.full((*size, 3), 0.5)
    picture[place[0] : place[0] + 350, place[1] : place[1] + 175] = photo("mannequin_source.png")[0]
    (face,) = find_faces(picture)
    (alone,) = find_faces(photo("mannequin_source.png")[0])
    assert (face.centre - torch.tensor([place[1], place[0]]) - alone.centre).abs().max() < 5


@pytest.mark.parametrize("cut_off", [0, 15, 30])
def test_a_face_that_fills_the_picture(cut_off):
    tight = photo("mannequin_portrait.jpg")[0, 50 + cut_off : 185 - cut_off, 160 + cut_off : 295 - cut_off]
    (face,) = find_faces(tight)
    assert (face.centre - torch.tensor([225 - 160 - cut_off, 121 - 50 - cut_off])).abs().max() < 8


@pytest.mark.parametrize("degrees", [-60, -30, 30, 60])
def test_a_head_that_leans(degrees):
    picture = opened("mannequin_portrait.jpg").convert("RGB").rotate(degrees, center=(226, 115))
    face = max(find_faces(tensor(picture)), key=lambda face: face.score)
    assert np.degrees(face.roll) == pytest.approx(-degrees, abs=6)
    assert (face.centre - torch.tensor([226, 120])).abs().max() < 10


def test_the_back_of_a_picture_shows_no_face():
    assert find_faces(photo("mannequin_source.png")[0, 120:]) == []


@given(height=st.integers(1, 260), width=st.integers(1, 260), seed=st.integers(0, 9))
@settings(max_examples=8, deadline=None)
@example(1, 1, 0)
@example(1, 260, 0)
@example(260, 1, 0)
def test_any_size_of_nothing(height, width, seed):
    noise = torch.rand(height, width, 3, generator=torch.Generator().manual_seed(seed))
    assert find_faces(torch.zeros(height, width, 3)) == []
    assert all(torch.isfinite(face.square).all() for face in find_faces(noise))


# Squares


@given(x=st.floats(-50, 150), y=st.floats(-50, 150), extent=st.floats(1, 200), roll=st.floats(-3.2, 3.2))
@settings(max_examples=40, deadline=None)
def test_squares_are_where_they_say(x, y, extent, roll):
    square = square_around(torch.tensor([x, y]), extent, roll)
    face = Face(square, torch.zeros(6, 2), 1.0, (90, 110))
    assert face.extent == pytest.approx(extent, rel=1e-3)
    assert torch.allclose(face.centre, torch.tensor([x, y]), atol=1e-2)
    assert torch.allclose(Face(enlarged(square, 2), *[None] * 3).centre, face.centre, atol=1e-2)
    mask = covered(square, (90, 110))
    assert mask.shape == (90, 110)
    if extent + 2 < min(x, y, 110 - x, 90 - y):
        assert float(mask.sum()) == pytest.approx(extent**2, rel=0.1, abs=4 * extent)


@given(x=st.floats(-40, 140), y=st.floats(-40, 140), extent=st.floats(2, 400), roll=st.floats(-3.2, 3.2))
@settings(max_examples=40, deadline=None)
def test_a_cut_sees_the_picture_and_nothing_else(x, y, extent, roll):
    """The crop of a white picture is white inside and black outside."""
    square = square_around(torch.tensor([x, y]), extent, roll)
    crop = cut(torch.ones(100, 120, 3), square, 32)
    centres = (torch.arange(32) + 0.5) / 32
    grid = torch.stack([*torch.meshgrid(centres, centres, indexing="xy"), torch.ones(32, 32)], -1) @ square.T
    depth = torch.minimum(grid, torch.tensor([120.0, 100.0]) - grid).amin(-1)
    # A crop coarser than the picture reads cells of it, the last of which reach beyond its edge.
    edge = 2 + 2 * extent / 32
    assert (crop[depth > edge] > 0.99).all() and (crop[depth < -edge] == 0).all()


def test_a_cut_reads_the_same_as_the_whole_picture():
    from mannequin.preprocessors.images import crop_square

    picture = photo("mannequin_group.jpg")[0]
    square = square_around(torch.tensor([700.0, 150.0]), 90.0, 0.5)
    assert (cut(picture, square, 96) - crop_square(picture, square, 96)).abs().max() < 1e-3


# Cropping


def test_crops_of_a_turned_photo_are_the_same():
    picture = opened("mannequin_portrait.jpg").convert("RGB")
    upright, _ = crop_faces(tensor(picture)[None], size=128, margin=0.2)
    for degrees in (-40, 25):
        turned = tensor(picture.rotate(degrees, Image.Resampling.BICUBIC, center=(226, 115)))[None]
        aligned, _ = crop_faces(turned, on_several="most central", size=128, margin=0.2)
        as_it_is, _ = crop_faces(turned, on_several="most central", size=128, margin=0.2, align=False)
        assert (aligned - upright).abs().mean() < 0.08 < 0.16 < (as_it_is - upright).abs().mean()


@given(
    batch=st.integers(1, 2),
    size=st.sampled_from([16, 40, 130]),
    margin=st.sampled_from([0.0, 0.5, 4.0]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    alpha=st.booleans(),
)
@settings(max_examples=8, deadline=None)
def test_crops_of_any_kind_of_batch(batch, size, margin, dtype, alpha):
    image = photo("mannequin_portrait.jpg").to(dtype).expand(batch, -1, -1, -1)
    image = torch.cat([image, torch.ones_like(image[..., :1])], -1) if alpha else image
    crops, masks = crop_faces(image, margin=margin, size=size)
    assert crops.shape == (batch, size, size, 3) and crops.dtype == torch.float32
    assert masks.shape == image.shape[:3] and masks.dtype == torch.bool
    assert 0 <= float(crops.min()) and float(crops.max()) <= 1
    assert float(masks[0].sum()) == pytest.approx(115**2, rel=0.15)


def test_the_mask_holds_the_eyes_and_mouth():
    _, masks = crop_faces(photo("mannequin_group.jpg"), on_several="all")
    for face in find_faces(photo("mannequin_group.jpg")[0]):
        x, y = face.points[:4].round().long().T
        assert masks[0, y, x].all()


def test_several_faces():
    image = photo("mannequin_group.jpg")
    assert len(crop_faces(image, on_several="all", size=32)[0]) == 3
    faces = find_faces(image[0])
    (central,) = choose(faces, "error", "most central", 0)
    assert abs(float(central.centre[0]) - 450) < 60
    assert choose(faces, "error", "largest", 0) == faces[:1]
    with pytest.raises(ConditionError, match="3 faces were found in picture 1"):
        crop_faces(image, on_several="error")


def test_no_face():
    image = torch.cat([photo("mannequin_portrait.jpg"), torch.zeros(1, 512, 512, 3)])
    with pytest.raises(NodeError, match="^Crop Face: No face was found in picture 2"):
        MannequinCropFace.execute(image=image, **CROP)
    crops, masks = MannequinCropFace.execute(image=image, **CROP | {"on_no_face": "skip"}).result
    assert crops.shape == (2, 128, 128, 3) and masks.dtype == torch.float32
    assert crops[0].any() and masks[0].any() and not crops[1].any() and not masks[1].any()


def test_what_is_no_picture():
    with pytest.raises(NodeError, match="Crop Face: The image has shape"):
        MannequinCropFace.execute(image=torch.zeros(4, 4, 3), **CROP)
    with pytest.raises(NodeError, match="not numbers"):
        MannequinCropFace.execute(image=torch.full((1, 4, 4, 3), float("nan")), **CROP)


def test_a_margin_of_nothing_is_the_face():
    (face,) = find_faces(photo("mannequin_portrait.jpg")[0])
    assert torch.allclose(crop_square_of(face, 0.0, True), face.square, atol=1e-3)


# insightface, on generated networks of the true format

RED, CRIMSON, LIME = (255, 40, 20), (255, 20, 120), (60, 255, 130)
BLACK = (0, 0, 0)


@pytest.fixture(scope="module")
def analyser(tmp_path_factory):
    """The real insightface over generated networks, read without a network connection."""
    pytest.importorskip("insightface")
    with pytest.MonkeyPatch.context() as patch:
        block_network(patch)
        return load_analyser("antelopev2", pack(tmp_path_factory.mktemp("insightface") / "antelopev2"))


@pytest.fixture
def models(tmp_path, monkeypatch):
    """The host's models folder, empty, and no other folder for insightface."""
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    monkeypatch.delitem(folder_paths.folder_names_and_paths, "insightface", raising=False)
    return tmp_path


def block_network(patch) -> None:
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    for name in ("socket", "create_connection", "getaddrinfo"):
        patch.setattr(socket, name, refuse)


def scene(*faces: tuple[tuple[int, int, int], int, int], height: int = 640, width: int = 640) -> torch.Tensor:
    """A black picture ``[1, height, width, 3]`` with faces of some colour whose middle is at x, y."""
    picture = torch.zeros(1, height, width, 3)
    for colour, x, y in faces:
        # Large ones fill the detector's cell from the middle on, and the aligned face, which is around it.
        before, after = (16, 48) if colour[0] == 255 else (4, 12)
        picture[0, y - before : y + after, x - before : x + after] = torch.tensor(colour) / 255
    return picture


def vector_of(colour: tuple[int, int, int]) -> torch.Tensor:
    return (torch.tensor(colour) - 127.5) / 127.5 @ COLOURS


def embedded(analyser, image, **values):
    values = {"on_no_face": "error", "on_several": "largest", "average": False} | values
    return MannequinEmbedFace.execute(face_net=analyser, image=image, **values).result


def test_the_vector_is_as_the_network_gives_it(analyser):
    embedding, mask = embedded(analyser, scene((RED, 192, 256)))
    assert embedding.model == "antelopev2" and embedding.raw.dtype == torch.float32
    assert torch.allclose(embedding.raw, vector_of(RED)[None], atol=0.05), "red is red: BGR went in"
    assert float(embedding.raw.norm()) > 50
    assert torch.allclose(embedding.normalised.norm(dim=1), torch.ones(1))
    assert mask.sum() == 128**2 and mask[0, 192:320, 128:256].all()


def test_which_face_counts(analyser):
    image = scene((LIME, 320, 320), (RED, 128, 96), (CRIMSON, 512, 512))
    largest, _ = embedded(analyser, image)
    assert any(torch.allclose(largest.raw[0], vector_of(colour), atol=0.1) for colour in (RED, CRIMSON))
    central, _ = embedded(analyser, image, on_several="most central")
    assert torch.allclose(central.raw[0], vector_of(LIME), atol=0.1)
    for colour in (RED, CRIMSON, LIME):
        wanted, mask = embedded(analyser, image, on_several="match", match_image=scene((colour, 256, 320)))
        assert torch.allclose(wanted.raw[0], vector_of(colour), atol=0.1)
        assert mask.sum() == (48**2 if colour == LIME else 128**2)
    with pytest.raises(NodeError, match="Embed Face: 3 faces were found in picture 1"):
        embedded(analyser, image, on_several="error")


def test_large_pictures_are_seen_at_640(analyser):
    image = scene((RED, 192, 256)).repeat_interleave(2, 1).repeat_interleave(2, 2)
    embedding, mask = embedded(analyser, image)
    assert torch.allclose(embedding.raw[0], vector_of(RED), atol=0.1)
    assert mask.shape == (1, 1280, 1280) and mask.sum() == 256**2


def test_no_face_is_zeros(analyser):
    image = torch.cat([scene((RED, 192, 256)), scene()])
    with pytest.raises(NodeError, match="Embed Face: No face was found in picture 2"):
        embedded(analyser, image)
    embedding, mask = embedded(analyser, image, on_no_face="skip")
    assert embedding.found.tolist() == [True, False]
    assert not embedding.raw[1].any() and not embedding.normalised[1].any() and not mask[1].any()


@pytest.mark.parametrize("size", [(640, 640), (300, 200), (3000, 2600)])
def test_a_face_that_fills_the_photo_is_found_in_a_margin(analyser, size):
    image = (torch.tensor(RED) / 255).expand(1, *size, 3)
    assert not analyser.detector.detect(np.full((*size, 3), RED[::-1], np.uint8))[0].size, (
        "insightface alone finds none"
    )
    embedding, mask = embedded(analyser, image)
    assert embedding.found.all() and mask.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (5, 7)])
def test_any_size_for_insightface(analyser, size):
    embedding, mask = embedded(analyser, torch.zeros(1, *size, 3), on_no_face="skip")
    assert embedding.raw.shape == (1, 512) and mask.shape == (1, *size)


def test_the_mean_of_several_photos_leaves_out_those_without_a_face(analyser):
    image = torch.cat([scene((RED, 192, 256)), scene(), scene((CRIMSON, 192, 256))])
    embedding, mask = embedded(analyser, image, on_no_face="skip", average=True)
    assert torch.allclose(embedding.raw, (vector_of(RED) + vector_of(CRIMSON))[None] / 2, atol=0.1) and len(mask) == 3
    nobody, _ = embedded(analyser, scene(), on_no_face="skip", average=True)
    assert nobody.raw.shape == (1, 512) and not nobody.raw.any()


def test_what_can_be_wrong_with_a_match(analyser):
    image = scene((RED, 192, 256)).expand(3, -1, -1, -1)
    with pytest.raises(NodeError, match="match_image is not connected"):
        embedded(analyser, image, on_several="match")
    with pytest.raises(NodeError, match="match_image has 2 pictures and the image 3"):
        embedded(analyser, image, on_several="match", match_image=image[:2])
    with pytest.raises(NodeError, match="No face was found in picture 1 of match_image"):
        embedded(analyser, image, on_several="match", match_image=scene())


def test_the_console_stays_clean(tmp_path, capsys, recwarn):
    pytest.importorskip("insightface")
    analyser = load_analyser("antelopev2", pack(tmp_path / "pack"))
    embedded(analyser, scene((RED, 192, 256)))
    assert capsys.readouterr().out == "" and not [w for w in recwarn if "skimage" in str(w.filename)]


# Where the models lie


@pytest.mark.parametrize(
    "place",
    ["models/antelopev2", "models/antelopev2/antelopev2", "antelopev2", "antelopev2/antelopev2"],
)
def test_the_folder_is_found_nested_or_not(models, monkeypatch, place):
    pytest.importorskip("insightface")
    block_network(monkeypatch)
    pack(models / "insightface" / place)
    (network,) = MannequinLoadFaceAnalysis.execute(pack="antelopev2").result
    assert embedded(network, scene((RED, 192, 256)))[0].found.all()


def test_folders_from_elsewhere_and_other_packs(models, monkeypatch):
    elsewhere = models / "elsewhere"
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "insightface", ([str(elsewhere)], set()))
    for folder in (elsewhere / "models" / "buffalo_l", models / "insightface" / "models" / "antelopev2"):
        folder.mkdir(parents=True)
        (folder / "x.onnx").touch()
    (models / "insightface" / "inswapper.onnx").touch()
    (widget,) = MannequinLoadFaceAnalysis.define_schema().inputs
    assert widget.options == ["antelopev2", "buffalo_l"]
    # A pack that is not there is no choice, but where there is none at all, to say how to get it.
    (models / "insightface" / "models" / "antelopev2" / "x.onnx").unlink()
    assert MannequinLoadFaceAnalysis.define_schema().inputs[0].options == ["buffalo_l"]
    (elsewhere / "models" / "buffalo_l" / "x.onnx").unlink()
    assert MannequinLoadFaceAnalysis.define_schema().inputs[0].options == ["antelopev2"]


def test_no_models_at_all(models, monkeypatch):
    block_network(monkeypatch)
    (models / "insightface" / "models").mkdir(parents=True)
    (models / "insightface" / "models" / "antelopev2.zip").touch()
    with pytest.raises(NodeError) as raised:
        MannequinLoadFaceAnalysis.execute(pack="antelopev2")
    message = str(raised.value)
    assert message.startswith("Load Face Analysis: insightface's models 'antelopev2' are not there")
    for line in ("└── antelopev2", "├── scrfd_10g_bnkps.onnx", "└── glintr100.onnx", "models/antelopev2.zip"):
        assert line in message
    assert not (models / "insightface" / "models" / "antelopev2").exists(), "nothing was downloaded"


def test_no_folder_at_all(models):
    assert find_packs([models / "nowhere"]) == {}
    with pytest.raises(ConditionError, match="no such folder"):
        pack_folder("antelopev2", [models / "nowhere"])


def test_a_pack_that_lacks_something(tmp_path):
    pytest.importorskip("insightface")
    folder = pack(tmp_path / "models" / "antelopev2")
    (folder / "zz.onnx").rename(tmp_path / "detector.onnx")
    with pytest.raises(ConditionError, match="no network that finds faces.*holds aa.onnx(.|\n)*glintr100.onnx"):
        load_analyser("antelopev2", folder)
    scrfd(folder / "zz.onnx", points=False)
    with pytest.raises(ConditionError, match="no detector that also finds eyes"):
        load_analyser("antelopev2", folder)
    (tmp_path / "detector.onnx").replace(folder / "zz.onnx")
    (folder / "aa.onnx").unlink()
    with pytest.raises(ConditionError, match="no network that recognises faces.*holds zz.onnx"):
        load_analyser("antelopev2", folder)
    (folder / "zz.onnx").unlink()
    with pytest.raises(ConditionError, match="holds no .onnx file") as raised:
        load_analyser("antelopev2", folder)
    assert f"\n\n{tmp_path}\n└── models\n    └── antelopev2\n" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", None], ids=["empty", "page", "truncated"])
def test_a_damaged_pack(tmp_path, content):
    pytest.importorskip("insightface")
    folder = pack(tmp_path / "antelopev2")
    whole = (folder / "aa.onnx").read_bytes()
    (folder / "aa.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(ConditionError, match="cannot read the models.*damaged"):
        load_analyser("antelopev2", folder)


def test_vectors_of_another_length(tmp_path):
    pytest.importorskip("insightface")
    folder = pack(tmp_path / "small")
    arcface(folder / "aa.onnx", width=128)
    with pytest.raises(NodeError, match="vectors of length 128"):
        embedded(load_analyser("small", folder), scene((RED, 192, 256)))


def test_a_detector_of_one_size(tmp_path):
    pytest.importorskip("insightface")
    folder = pack(tmp_path / "fixed")
    scrfd(folder / "zz.onnx", side=640)
    embedding, _ = embedded(load_analyser("fixed", folder), scene((RED, 192, 256)))
    assert embedding.model == "fixed" and torch.allclose(embedding.raw[0], vector_of(RED), atol=0.05)


@pytest.mark.parametrize(
    "missing, package",
    [("insightface", "--no-deps insightface"), ("cv2", "opencv-python"), ("skimage", "scikit-image")],
)
def test_without_insightface(models, monkeypatch, missing, package):
    folder = models / "insightface" / "models" / "antelopev2"
    folder.mkdir(parents=True)
    (folder / "x.onnx").touch()
    if missing != "insightface":
        pytest.importorskip("insightface")
    for name in [name for name in sys.modules if name.split(".")[0] == "insightface"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(NodeError) as raised:
        MannequinLoadFaceAnalysis.execute(pack="antelopev2")
    message = str(raised.value)
    assert f'"{sys.executable}" -m pip install {package}\n' in message
    assert "Everything else in Mannequin works without it" in message


# Files


@pytest.fixture
def folders(tmp_path, monkeypatch):
    for name in ("input", "output"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(folder_paths, f"{name}_directory", str(tmp_path / name))
    return tmp_path


def test_saved_and_loaded(folders):
    embedding = FaceEmbedding(torch.randn(3, 512), "antelopev2")
    for number in (1, 2):
        saved = MannequinSaveFaceEmbedding.execute(face_embedding=embedding, prefix="faces/anna")
        assert saved.ui["face_embeddings"] == [
            {"filename": f"anna_{number:05}_.safetensors", "subfolder": "faces", "type": "output"}
        ]
    file = folders / "output" / "faces" / "anna_00001_.safetensors"
    file.rename(folders / "input" / "anna.safetensors")
    (widget,) = MannequinLoadFaceEmbedding.define_schema().inputs
    assert widget.options == ["anna.safetensors", "faces/anna_00002_.safetensors [output]"]
    for name in widget.options:
        (loaded,) = MannequinLoadFaceEmbedding.execute(face=name).result
        assert torch.equal(loaded.raw, embedding.raw) and loaded.model == "antelopev2"
        assert MannequinLoadFaceEmbedding.fingerprint_inputs(face=name) > 0


def test_foreign_files_are_refused(folders):
    foreign = folders / "input" / "lora.safetensors"
    save_file({"lora_up.weight": torch.zeros(2, 2)}, str(foreign))
    broken = folders / "input" / "broken.safetensors"
    broken.write_bytes(b"<html>")
    odd = folders / "input" / "odd.safetensors"
    save_embedding(FaceEmbedding(torch.zeros(2, 0), "antelopev2"), odd)
    assert not is_embedding(foreign) and not is_embedding(broken)
    with pytest.raises(ConditionError, match="is no face embedding: it holds lora_up.weight"):
        load_embedding(foreign)
    with pytest.raises(ConditionError, match="cannot be read as safetensors"):
        load_embedding(broken)
    with pytest.raises(NodeError, match="Load Face Embedding: 'odd.safetensors' is no face embedding"):
        MannequinLoadFaceEmbedding.execute(face="odd.safetensors")
    with pytest.raises(NodeError, match="There is no face embedding 'lora.safetensors'; there is odd.safetensors"):
        MannequinLoadFaceEmbedding.execute(face="lora.safetensors")


@pytest.mark.parametrize("prefix", ["../x", "/tmp/x", "C:\\x", "..\\x", "", "faces/../../x"])
def test_nothing_is_written_outside_the_output_folder(folders, prefix):
    with pytest.raises(NodeError, match="Save Face Embedding: .* is no name inside the output folder"):
        MannequinSaveFaceEmbedding.execute(face_embedding=FaceEmbedding(torch.zeros(1, 512), "x"), prefix=prefix)


@given(rows=st.integers(1, 4), seed=st.integers(0, 99), scale=st.sampled_from([0.0, 1e-3, 1.0, 30.0]))
@settings(max_examples=20, deadline=None)
def test_normalised_vectors(rows, seed, scale):
    raw = torch.randn(rows, 512, generator=torch.Generator().manual_seed(seed)) * scale
    embedding = FaceEmbedding(raw, "antelopev2")
    lengths = embedding.normalised.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(rows) if scale else torch.zeros(rows), atol=1e-5)
    assert embedding.mean().raw.shape == (1, 512)
