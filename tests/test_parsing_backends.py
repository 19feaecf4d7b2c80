"""Parsing networks: generated files of the true formats go through the real loaders, nodes and the host's patcher."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from generated import scrfd
from hypothesis import given, settings
from hypothesis import strategies as st
from mannequin.nodes.errors import NodeError
from mannequin.nodes.model_files import WEIGHTS_FOLDER
from mannequin.nodes.parsers import HostedParser, MannequinImportParsing, MannequinLoadParser
from mannequin.nodes.parsing import MannequinKeepLabels, MannequinParsePerson, MannequinParsingMask
from mannequin.preprocessors import schp, segformer
from mannequin.preprocessors.errors import ConditionError
from mannequin.preprocessors.label_pictures import palette
from mannequin.preprocessors.label_sets import ATR_18, FASHN_18, LABEL_SETS, LIMBS, choose_label_set, recognise
from mannequin.preprocessors.labels import GROUPS, LIP_20, Parsing, label_names
from mannequin.preprocessors.onnx import read as read_bundled
from mannequin.preprocessors.onnx import runtime
from mannequin.preprocessors.onnx.outline import read_outline
from mannequin.preprocessors.overlay import overlay
from mannequin.preprocessors.parsers import WORKING_SIDE, parse
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from devtools.host import ROOT

#: Of blue, green and red, as SCHP's own code has them.
MEAN, DEVIATION = np.array([0.406, 0.456, 0.485]), np.array([0.225, 0.224, 0.229])
SIZES = {"LIP-20": 473, "ATR-18": 512, "Pascal-7": 512}
#: Widgets of Parse Person where everything a network sees counts.
ALL = {"on_no_person": "error", "on_several": "all"}


def photo(name: str) -> Tensor:
    picture = Image.open(ROOT / "workflows" / "inputs" / name).convert("RGB")
    return torch.from_numpy(np.asarray(picture, np.float32) / 255)[None]


def colours(count: int) -> Tensor:
    """Colours ``[count, 3]`` in 0–1 that lie near one another: swapped channels or another mean mix them up."""
    number = torch.arange(count)
    return torch.stack([number / (count - 1), torch.full((count,), 0.5), (7 * number % count) / (count - 1)], 1)


def painted(labels: Tensor, count: int) -> Tensor:
    """An IMAGE ``[1, H, W, 3]`` in which every class has its colour."""
    return colours(count)[labels.long()][None]


def nearest_colour(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[count, 3]`` and bias of a layer whose largest output is the nearest colour's, behind SCHP's input."""
    target = colours(count).numpy()[:, ::-1]
    weights = 2 * target * DEVIATION
    return weights.astype(np.float32), (2 * target @ MEAN - (target**2).sum(1)).astype(np.float32)


def saved_schp(
    file, count: int = 20, side: int | None = 473, step: int = 4, outputs: str = "three", half: bool = False
):
    """SCHP's inputs and outputs around a network that tells colours: scores at a quarter of the size.

    The parsing branch, which comes first, is wrong everywhere; the fusion, the last with these classes, is right.
    """
    weights, bias = nearest_colour(count)
    edges = {
        "wrong": (np.roll(weights, 1, 0), np.roll(bias, 1)),
        "fused": (weights, bias),
        "edge": (weights[:2], bias[:2]),
    }
    names = {"three": ["wrong", "fused", "edge"], "one": ["fused"], "edge": ["edge"]}[outputs]
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    numbers = np.float16 if half else np.float32
    tensors, layers, results = [], [], []
    for name in names:
        weight, offset = edges[name]
        tensors += [
            numpy_helper.from_array(weight[:, :, None, None].astype(numbers), f"{name}.weight"),
            numpy_helper.from_array(offset.astype(numbers), f"{name}.bias"),
        ]
        inputs = ["input.1", f"{name}.weight", f"{name}.bias"]
        layers.append(helper.make_node("Conv", inputs, [name], strides=[step, step]))
        length = (side - 1) // step + 1 if side else None
        results.append(helper.make_tensor_value_info(name, kind, [1, len(weight), length, length]))
    entry = helper.make_tensor_value_info("input.1", kind, [1, 3, side or "height", side or "width"])
    graph = helper.make_graph(layers, "schp", [entry], results, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, file)
    return file


def saved_segformer(folder, classes=ATR_18, **changed):
    """A tiny SegFormer as transformers saves one, whose classes all occur."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    config = SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        id2label=dict(enumerate(classes)),
        label2id={name: number for number, name in enumerate(classes)},
    )
    with torch.inference_mode(False), torch.random.fork_rng():
        torch.manual_seed(3)
        network = SegformerForSemanticSegmentation(config)
        for name, weights in network.named_parameters():
            if weights.ndim > 1:
                torch.nn.init.normal_(weights, std=1 / weights[0].numel() ** 0.5 * (4 if "classifier" in name else 1))
        # No class is favoured: over noise all have the same mean score.
        with torch.no_grad():
            scores = network.eval()(pixel_values=torch.randn(4, 3, 64, 96)).logits
            network.decode_head.classifier.bias -= scores.mean((0, 2, 3))
        network.save_pretrained(folder)
    said = {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.25, 0.3], "resample": 2}
    said |= {"do_rescale": True, "do_resize": True, "size": {"height": 64, "width": 96}}
    said |= {"image_processor_type": "SegformerImageProcessor"} | changed
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder


@pytest.fixture
def models(tmp_path, monkeypatch):
    """An empty models/mannequin, in a host without other models."""
    import folder_paths

    folder = tmp_path / WEIGHTS_FOLDER
    folder.mkdir()
    endings = {".safetensors", ".onnx"}
    monkeypatch.setitem(folder_paths.folder_names_and_paths, WEIGHTS_FOLDER, ([str(folder)], endings))
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path))
    folder_paths.filename_list_cache.pop(WEIGHTS_FOLDER, None)
    yield folder
    folder_paths.filename_list_cache.pop(WEIGHTS_FOLDER, None)


@pytest.fixture(scope="module")
def lip(tmp_path_factory):
    return schp.load(saved_schp(tmp_path_factory.mktemp("schp") / "parsing_lip.onnx"))


@pytest.fixture(scope="module")
def atr_folder(tmp_path_factory):
    return saved_segformer(tmp_path_factory.mktemp("segformer_b2_clothes"))


# Label sets


class TestLabelSets:
    @pytest.mark.parametrize("name, count", [("LIP-20", 20), ("ATR-18", 18), ("Pascal-7", 7), ("fashn-18", 18)])
    def test_every_class_has_a_place(self, name, count):
        known = LABEL_SETS[name]
        assert len(known.classes) == len(known.numbers) == count
        assert known.numbers[0] == 0 and all(number is None or 0 <= number < 23 for number in known.numbers)
        assert {label for label in known.labels if label} <= {*LIP_20, *LIMBS}

    def test_lip_is_itself(self):
        assert LABEL_SETS["LIP-20"].numbers == tuple(range(20))

    def test_atr_as_published(self):
        meaning = dict(zip(ATR_18, LABEL_SETS["ATR-18"].labels, strict=True))
        assert meaning.pop("Bag") == "Background" and meaning.pop("Belt") is None
        assert all(name == label for name, label in meaning.items())
        # id2label of segformer_b2_clothes, at the places where it differs from LIP.
        assert (ATR_18[4], ATR_18[7], ATR_18[9], ATR_18[12], ATR_18[15]) == (
            *("Upper-clothes", "Dress", "Left-shoe", "Left-leg", "Right-arm"),
        )

    def test_pascal_and_fashn_lack_sides(self):
        limbs = {name: {label for label in LABEL_SETS[name].labels if label in LIMBS} for name in LABEL_SETS}
        assert limbs["Pascal-7"] == {"arm", "leg"} and limbs["fashn-18"] == set(LIMBS)
        assert not limbs["LIP-20"] | limbs["ATR-18"]
        meaning = dict(zip(FASHN_18, LABEL_SETS["fashn-18"].labels, strict=True))
        assert meaning["top"] == "Upper-clothes" and meaning["feet"] == "shoe" and meaning["jewelry"] is None

    @pytest.mark.parametrize("name", LABEL_SETS)
    def test_recognised_by_name_not_by_number(self, name):
        classes = LABEL_SETS[name].classes
        assert recognise([each.upper().replace("-", "_") for each in classes]) is LABEL_SETS[name]

    @given(order=st.permutations(ATR_18))
    @settings(max_examples=20, deadline=None)
    def test_names_in_any_order(self, order):
        known = recognise(order)
        assert [label for name, label in zip(order, known.labels, strict=True) if name not in ("Belt", "Bag")] == [
            name for name in order if name not in ("Belt", "Bag")
        ]

    def test_unknown_names_among_known_ones_are_background(self):
        assert recognise(["sky", "Hair", "dog", "shirt, blouse"]).labels == (
            *("Background", "Hair", "Background", "Upper-clothes"),
        )

    def test_other_networks(self):
        with pytest.raises(ConditionError, match="None of the network's classes is known: road, car"):
            recognise(["road", "car", "background"])

    def test_by_number(self):
        nameless = [f"LABEL_{number}" for number in range(20)]
        assert choose_label_set("auto", nameless, 20).name == "LIP-20"
        assert choose_label_set("auto", (), 18, ["ATR-18", "LIP-20"]).name == "ATR-18"
        with pytest.raises(ConditionError, match="may be ATR-18 or fashn-18. Set label_set"):
            choose_label_set("auto", nameless[:18], 18)
        with pytest.raises(ConditionError, match="no known set.*no human parsing network"):
            choose_label_set("auto", nameless[:11], 11)

    def test_chosen(self):
        assert choose_label_set("fashn-18", ATR_18, 18).name == "fashn-18"
        with pytest.raises(ConditionError, match="tells 20 classes apart and ATR-18 has 18"):
            choose_label_set("ATR-18", (), 20)


# SCHP


def blocks(height: int, width: int, count: int, side: int = 24, seed: int = 0) -> Tensor:
    """Random classes in squares, uint8 ``[height, width]``."""
    rows, columns = -(-height // side), -(-width // side)
    small = torch.randint(0, count, (rows, columns), generator=torch.Generator().manual_seed(seed))
    large = small.repeat_interleave(side, 0).repeat_interleave(side, 1)
    return large[:height, :width].to(torch.uint8)


def published_schp(network, picture: np.ndarray, side: int) -> np.ndarray:
    """What ``simple_extractor.py`` does, in NumPy: warp, network, both ways back, argmax. No antialiasing."""
    height, width = picture.shape[:2]
    scale = (side - 1) / (max(height, width) - 1)

    def look_up(image, y, x):
        """Bilinear at y × x, black outside, as OpenCV's warpAffine with BORDER_CONSTANT."""
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        y, x = np.clip(y + 1, 0, image.shape[0] + 0.999), np.clip(x + 1, 0, image.shape[1] + 0.999)
        top, left = y.astype(int), x.astype(int)
        down, right = (y - top)[:, None, None], (x - left)[None, :, None]
        upper = padded[top][:, left] * (1 - right) + padded[top][:, left + 1] * right
        lower = padded[top + 1][:, left] * (1 - right) + padded[top + 1][:, left + 1] * right
        return upper * (1 - down) + lower * down

    cells = np.arange(side) - (side - 1) / 2
    square = look_up(picture[..., ::-1], cells / scale + (height - 1) / 2, cells / scale + (width - 1) / 2)
    scores = network(((square - MEAN) / DEVIATION).transpose(2, 0, 1)[None].astype(np.float32))[0]
    fine = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], (side, side), mode="bilinear", align_corners=True
    )[0]
    back = ((np.arange(length) - (length - 1) / 2) * scale + (side - 1) / 2 for length in (height, width))
    return look_up(fine.permute(1, 2, 0).numpy(), *back).argmax(-1)


class TestSCHP:
    @pytest.mark.parametrize("name", SIZES)
    def test_every_class_where_its_colour_is(self, tmp_path, name):
        count = len(LABEL_SETS[name].classes)
        parser = schp.load(saved_schp(tmp_path / "parsing.onnx", count, SIZES[name]))
        assert parser.label_set.name == name and parser.side == SIZES[name]
        classes = blocks(300, 200, count, 40, seed=1)
        found = parser.labels(painted(classes, count)[0])
        numbers = torch.tensor([0 if number is None else number for number in LABEL_SETS[name].numbers])
        wanted = numbers[classes.long()].to(torch.uint8)
        # A belt takes the network's next choice.
        certain = torch.tensor([number is not None for number in LABEL_SETS[name].numbers])[classes.long()]
        # Between two squares the mixed colour may be a third one's.
        inner = torch.zeros_like(certain)
        for top in range(0, 300, 40):
            for left in range(0, 200, 40):
                inner[top + 6 : top + 34, left + 6 : left + 34] = True
        assert (found == wanted)[certain & inner].float().mean() > 0.999

    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (473, 473), (90, 61), (600, 900)], ids=str)
    def test_equal_to_the_published_code(self, lip, size):
        generator = torch.Generator().manual_seed(5)
        coarse = torch.rand(1, 3, size[0] // 12, size[1] // 12, generator=generator)
        picture = torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(0, 1)[0].permute(1, 2, 0)
        entry = lip.session.get_inputs()[0].name
        wanted = published_schp(
            lambda image: lip.session.run(["fused"], {entry: image})[0], picture.numpy().astype(np.float64), 473
        )
        found = lip.labels(picture).numpy()
        assert len(np.unique(wanted)) > 10
        # What differs lies on edges, where two scores are equal to rounding.
        assert (found == wanted).mean() > 0.9995

    def test_left_is_left(self, lip):
        classes = torch.zeros(200, 300, dtype=torch.uint8)
        classes[:, 200:] = LIP_20.index("Left-arm")
        found = lip.labels(painted(classes, 20)[0])
        # The outermost pixels are mixed with the black around the picture.
        assert (found[2:-2, 205:] == 14).all() and (found[2:-2, 2:195] == 0).all()

    def test_one_output(self, tmp_path):
        parser = schp.load(saved_schp(tmp_path / "p.onnx", 7, 64, outputs="one"))
        assert set(parser.labels(painted(torch.full((20, 20), 2), 7)[0]).unique().tolist()) == {5}

    def test_a_size_that_the_file_leaves_open(self, tmp_path):
        assert schp.load(saved_schp(tmp_path / "p.onnx", 20, None)).side == 473
        parser = schp.load(saved_schp(tmp_path / "q.onnx", 18, None))
        assert parser.side == 512
        assert (parser.labels(painted(torch.full((20, 30), 11), 18)[0]) == LIP_20.index("Face")).all()

    def test_half_precision(self, tmp_path):
        parser = schp.load(saved_schp(tmp_path / "p.onnx", 7, 64, half=True))
        assert set(parser.labels(painted(torch.full((20, 20), 2), 7)[0]).unique().tolist()) == {5}

    def test_a_belt_is_what_it_holds(self, tmp_path):
        """The next choice, by the network's own scores."""
        parser = schp.load(saved_schp(tmp_path / "p.onnx", 18, 64))
        belt = colours(18)[ATR_18.index("Belt")]
        distances = [(float((belt - colour).norm()), number) for number, colour in enumerate(colours(18))]
        nearest = ATR_18[sorted(distances)[1][1]]
        (found,) = parser.labels(belt.expand(9, 9, 3)).unique().tolist()
        assert LIP_20[found] == nearest

    def test_a_damaged_file(self, tmp_path):
        file = saved_schp(tmp_path / "parsing_lip.onnx")
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(ConditionError, match="'parsing_lip.onnx' cannot be read as ONNX.*download it again"):
            schp.load(file)
        file.write_bytes(b"")
        with pytest.raises(ConditionError, match="parsing_lip.onnx"):
            schp.load(file)

    def test_another_network(self, tmp_path):
        with pytest.raises(ConditionError, match=r"no SCHP network.*An output of 7, 18 or 20 classes is needed"):
            schp.load(saved_schp(tmp_path / "p.onnx", outputs="edge"))
        with pytest.raises(ConditionError, match="no SCHP network"):
            schp.load(bundled("blazepose_detector", tmp_path))

    def test_a_label_set_of_another_size(self, tmp_path):
        with pytest.raises(ConditionError, match="tells 20 classes apart and Pascal-7 has 7"):
            schp.load(saved_schp(tmp_path / "p.onnx"), "Pascal-7")


# SegFormer


def expected_of_transformers(folder, picture: Tensor) -> Tensor:
    """Classes ``[H, W]`` by transformers' own processor and model."""
    import transformers
    from transformers import SegformerForSemanticSegmentation, SegformerImageProcessor

    # Before version 5 the one of that name resized whole-numbered pixels.
    kind = getattr(transformers, "SegformerImageProcessorFast", SegformerImageProcessor)
    processor = kind.from_pretrained(folder)
    network = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    seen = processor(images=picture.movedim(-1, 0), do_rescale=False, return_tensors="pt")
    scores = network(**seen).logits
    return torch.nn.functional.interpolate(scores, picture.shape[:2], mode="bilinear", align_corners=False)[0].argmax(0)


class TestSegformer:
    @pytest.mark.parametrize("name", ["mannequin_source.png", "mannequin_group.jpg"])
    def test_equal_to_transformers(self, tmp_path, name):
        """LIP's order of the same names, so that nothing is left out of the choice."""
        folder = saved_segformer(tmp_path, LIP_20)
        picture = photo(name)[0]
        wanted = expected_of_transformers(folder, picture)
        found = segformer.load(folder).labels(picture)
        assert len(wanted.unique()) >= 5, "the test's network tells nothing apart"
        assert (found == wanted).float().mean() > 0.9995

    def test_atrs_classes_become_lips(self, atr_folder):
        picture = photo("mannequin_source.png")[0]
        parser = segformer.load(atr_folder)
        assert parser.label_set is LABEL_SETS["ATR-18"]
        wanted = expected_of_transformers(atr_folder, picture)
        certain = wanted != ATR_18.index("Belt")
        numbers = torch.tensor([number or 0 for number in parser.label_set.numbers], dtype=torch.uint8)
        assert certain.float().mean() > 0.3 and len(wanted[certain].unique()) >= 3
        assert (parser.labels(picture) == numbers[wanted])[certain].float().mean() > 0.9995

    def test_keys_of_published_files(self, atr_folder):
        """The names under which segformer_b2_clothes has its weights, whatever transformers calls them today."""
        keys = load_file(atr_folder / "model.safetensors").keys()
        assert "segformer.encoder.block.0.0.attention.self.query.weight" in keys
        assert "decode_head.linear_c.0.proj.weight" in keys

    def test_full_precision(self, tmp_path):
        folder = saved_segformer(tmp_path)
        state = {key: weights.half() for key, weights in load_file(folder / "model.safetensors").items()}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        network = segformer.load(folder)
        assert {weights.dtype for weights in network.parameters()} == {torch.float32}
        assert not network.training and not any(weights.requires_grad for weights in network.parameters())

    @pytest.mark.parametrize(
        "size, seen",
        [
            ({"height": 64, "width": 96}, (64, 96)),
            (80, (80, 80)),
            ([64, 32], (64, 32)),
            ({"shortest_edge": 64}, (128, 64)),
            ({"shortest_edge": 4}, (32, 32)),
            ({"height": 9000, "width": 64}, (2048, 64)),
        ],
    )
    def test_sizes_of_older_and_newer_settings(self, tmp_path, size, seen):
        network = segformer.load(saved_segformer(tmp_path, size=size))
        assert network.sight.prepare(torch.rand(200, 100, 3)).shape[-2:] == seen

    def test_without_settings_it_is_transformers_default(self, tmp_path):
        folder = saved_segformer(tmp_path)
        (folder / "preprocessor_config.json").unlink()
        sight = segformer.load(folder).sight
        assert sight == segformer.Sight((512, 512), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")

    def test_lanczos_is_bicubic_and_stays_in_range(self, tmp_path):
        sight = segformer.load(saved_segformer(tmp_path, resample=1, do_normalize=False)).sight
        edge = torch.zeros(40, 40, 3)
        edge[:, 20:] = 1
        assert sight.mode == "bicubic"
        seen = sight.prepare(edge)
        assert seen.min() == 0 and seen.max() == 1

    @pytest.mark.parametrize(
        "wrong", [{"size": "large"}, {"size": {"width": 3}}, {"image_mean": [1]}, {"image_std": [0] * 3}]
    )
    def test_settings_that_make_no_sense(self, tmp_path, wrong):
        with pytest.raises(ConditionError, match="preprocessor_config.json in .* cannot be read"):
            segformer.load(saved_segformer(tmp_path, **wrong))

    def test_no_config(self, tmp_path):
        with pytest.raises(ConditionError, match=r"There is no config.json in .*model.safetensors"):
            segformer.load(tmp_path)
        assert not segformer.is_segformer(tmp_path)

    def test_no_weights(self, tmp_path):
        folder = saved_segformer(tmp_path)
        (folder / "model.safetensors").unlink()
        with pytest.raises(ConditionError, match="model.safetensors"):
            segformer.load(folder)

    @pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "vit"}', "{}"])
    def test_another_architecture_or_no_settings(self, tmp_path, text):
        folder = saved_segformer(tmp_path)
        (folder / "config.json").write_text(text)
        assert not segformer.is_segformer(folder)
        with pytest.raises(ConditionError, match="no JSON|holds no settings|'vit'|'unknown'"):
            segformer.load(folder)

    @pytest.mark.parametrize("length", [0, 7, 5000])
    def test_a_truncated_file(self, tmp_path, length):
        file = saved_segformer(tmp_path) / "model.safetensors"
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises(ConditionError, match="cannot be read.*compare their sizes"):
            segformer.load(tmp_path)

    def test_a_backbone_alone(self, tmp_path):
        file = saved_segformer(tmp_path) / "model.safetensors"
        state = {key: weights for key, weights in load_file(file).items() if not key.startswith("decode_head")}
        save_file(state, file, metadata={"format": "pt"})
        with pytest.raises(ConditionError, match="lacks .* of the network's weights, decode_head"):
            segformer.load(tmp_path)

    def test_files_of_two_networks(self, tmp_path):
        one, other = tmp_path / "one", tmp_path / "other"
        saved_segformer(one)
        saved_segformer(other, LIP_20)
        (one / "config.json").write_bytes((other / "config.json").read_bytes())
        with pytest.raises(ConditionError, match="cannot be read"):
            segformer.load(one)

    def test_other_things_than_people(self, tmp_path):
        with pytest.raises(ConditionError, match="None of the network's classes is known: wall, building"):
            segformer.load(saved_segformer(tmp_path, ("wall", "building", "sky")))

    def test_nothing_is_looked_up(self, atr_folder, monkeypatch):
        import socket

        def refuse(*_):
            raise AssertionError("a connection was tried")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        segformer.load(atr_folder)


# Any backend


class Fixed:
    """A parser that gives what it is told, whatever it sees."""

    def __init__(self, labels):
        self.make = labels if callable(labels) else lambda picture: labels

    def labels(self, picture: Tensor) -> Tensor:
        return self.make(picture)


def everything(number: int) -> Fixed:
    return Fixed(lambda picture: torch.full(picture.shape[:2], number, dtype=torch.uint8))


class TestParse:
    @given(
        rows=st.integers(1, 3),
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        dtype=st.sampled_from([torch.float32, torch.float16, torch.float64, torch.bfloat16]),
        channels=st.sampled_from([3, 4]),
    )
    @settings(max_examples=15, deadline=None)
    def test_any_size_batch_and_precision(self, lip, rows, height, width, dtype, channels):
        image = torch.rand(rows, height, width, channels).to(dtype)
        parsing = parse(image, lip, on_no_person="skip", on_several="all")
        assert parsing.labels.shape == (rows, height, width) and parsing.labels.dtype == torch.uint8
        assert int(parsing.labels.max()) < 20

    def test_a_pixel(self, lip, atr_folder):
        for parser in (lip, segformer.load(atr_folder)):
            assert parse(torch.rand(1, 1, 1, 3), parser, "skip", "all").labels.shape == (1, 1, 1)
            assert parse(torch.rand(1, 1, 1, 3), parser, "skip", "largest").labels.shape == (1, 1, 1)

    @pytest.mark.parametrize("size", [(300, 4000), (4000, 300), (2000, 1501)], ids=str)
    def test_large_pictures_are_labelled_where_they_should_be(self, lip, size):
        classes = torch.zeros(size, dtype=torch.uint8)
        top, left = size[0] // 4, size[1] // 2
        classes[top:, left:] = LIP_20.index("Dress")
        labels = parse(painted(classes, 20), lip, on_several="all").labels[0]
        slack = max(size) // 120
        assert labels.shape == size
        # The outermost pixels are mixed with the black around the picture.
        assert (labels[slack : top - slack, slack:-slack] == 0).all()
        assert (labels[slack:-slack, slack : left - slack] == 0).all()
        assert (labels[top + slack : -slack, left + slack : -slack] == 6).all()

    def test_no_network_sees_more_than_the_working_size(self):
        seen = []
        parser = Fixed(lambda picture: seen.append(picture.shape) or torch.ones(picture.shape[:2], dtype=torch.uint8))
        parse(torch.rand(1, 4320, 7680, 3), parser, on_several="all")
        assert seen == [(WORKING_SIDE * 9 // 16, WORKING_SIDE, 3)]

    def test_a_batch_is_its_pictures_one_by_one(self, lip):
        image = torch.cat([painted(blocks(90, 60, 20, seed=seed), 20) for seed in range(3)])
        together = parse(image, lip, on_several="all").labels
        assert all(torch.equal(together[i], parse(image[i : i + 1], lip, on_several="all").labels[0]) for i in range(3))

    def test_nobody_is_no_label(self):
        image = photo("mannequin_source.png")
        with pytest.raises(ConditionError, match="Nobody was found in picture 1"):
            parse(image, everything(0))
        assert not parse(image, everything(0), on_no_person="skip").labels.any()

    def test_what_blazepose_does_not_find_counts(self):
        image = torch.full((1, 60, 40, 3), 0.4)
        for on_several in ("largest", "most central", "all", "error"):
            assert (parse(image, everything(5), on_several=on_several).labels == 5).all()
        assert (parse(image, everything(5), on_several="index", person=1).labels == 5).all()
        assert not parse(image, everything(5), "skip", "index", person=2).labels.any()

    def test_one_person_keeps_every_label(self):
        image = photo("mannequin_source.png")
        assert (parse(image, everything(5)).labels == 5).all()

    def test_several_people(self):
        """Each of a group alone, from the left: together they are the whole, and nobody is twice."""
        image = photo("mannequin_group.jpg")
        coarse = parse(image, on_several="all").labels
        parser = Fixed(lambda picture: torch.where(coarse[0] > 0, 5, 0).to(torch.uint8))
        with pytest.raises(ConditionError, match="people were found in picture 1"):
            parse(image, parser, on_several="error")
        masks = []
        for person in range(1, 17):
            labels = parse(image, parser, "skip", "index", person=person).labels[0]
            if not labels.any():
                break
            masks.append(labels > 0)
        assert len(masks) >= 2 and torch.stack(masks).sum(0).eq(coarse[0] > 0).all()
        middles = [float(mask.nonzero()[:, 1].float().mean()) for mask in masks]
        assert middles == sorted(middles)
        largest = parse(image, parser, on_several="largest").labels[0] > 0
        assert any(torch.equal(largest, mask) for mask in masks)

    def test_progress_is_told_after_every_picture(self, lip):
        steps = []
        parse(torch.rand(3, 8, 8, 3), lip, "skip", "all", lambda: steps.append(1))
        assert len(steps) == 3

    def test_without_a_network_it_is_the_coarse_one(self):
        from mannequin.preprocessors.parsing import parse as coarse

        image = photo("mannequin_source.png")
        assert torch.equal(parse(image).labels, coarse(image).labels)


class TestSides:
    ARM, LEG, SHOE = (20 + LIMBS.index(limb) for limb in ("arm", "leg", "shoe"))

    @pytest.mark.parametrize("flipped", [False, True])
    def test_the_persons_own_left(self, flipped):
        """Who faces us has the left leg at our right, mirrored or not."""
        image = photo("mannequin_source.png")
        image = image.flip(2) if flipped else image
        coarse = parse(image)
        for number, limb in ((self.LEG, "leg"), (self.SHOE, "shoe"), (self.ARM, "arm")):
            labels = parse(image, everything(number)).labels[0]
            columns = {
                side: float((labels == LIP_20.index(f"{side}-{limb}")).nonzero()[:, 1].float().mean())
                for side in ("Left", "Right")
            }
            assert columns["Left"] > columns["Right"]
            assert int(labels.min()) >= 14, "no limb is left without a side"
        shoes = parse(image, everything(self.SHOE)).labels
        for side in ("Left-shoe", "Right-shoe"):
            assert (shoes[coarse.mask([side])] == LIP_20.index(side)).float().mean() > 0.9

    def test_nobody_found_is_taken_to_face_us(self):
        image = torch.full((1, 50, 30, 3), 0.5)
        labels = parse(image, everything(self.LEG)).labels[0]
        assert (labels[:, 15:] == LIP_20.index("Left-leg")).all()
        assert (labels[:, :15] == LIP_20.index("Right-leg")).all()

    def test_pascal_through_a_file(self, tmp_path):
        parser = schp.load(saved_schp(tmp_path / "parsing_pascal.onnx", 7, 512))
        present = parse(painted(blocks(200, 120, 7, 40), 7), parser, on_several="all").present()
        assert {"Face", "Upper-clothes", "Left-arm", "Right-arm", "Left-leg", "Right-leg"} == set(present)


# Nodes


class TestNodes:
    def test_through_the_hosts_folders(self, models):
        saved_segformer(models / "segformer_b2_clothes")
        saved_schp(models / "parsing_lip.onnx")
        save_file({"weights": torch.zeros(1)}, models / "truepose.safetensors")
        options = MannequinLoadParser.define_schema().inputs[0].options
        assert options == ["segformer_b2_clothes/model.safetensors", "parsing_lip.onnx"]
        image = photo("mannequin_source.png")
        for weights in options:
            (parser,) = MannequinLoadParser.execute(weights, "auto").result
            (parsing,) = MannequinParsePerson.execute(image, **ALL, parser=parser).result
            assert parsing.labels.shape == image.shape[:3] and parsing.names == LIP_20
            (again,) = MannequinParsePerson.execute(image, **ALL, parser=parser).result
            assert torch.equal(parsing.labels, again.labels)

    def test_what_would_be_refused_is_not_listed(self, models):
        """A backbone, files cut short, and other networks."""
        good = saved_schp(models / "parsing_lip.onnx").read_bytes()
        saved_schp(models / "parsing_free.onnx", side=None)
        saved_schp(models / "edges.onnx", outputs="edge")
        scrfd(models / "faces.onnx")
        for name, content in {"short": good[:-1], "half": good[: len(good) // 2], "text": b"<html>", "no": b""}.items():
            (models / f"{name}.onnx").write_bytes(content)
        backbone = models / "backbone" / "model.safetensors"
        saved_segformer(backbone.parent)
        state = {key: tensor for key, tensor in load_file(backbone).items() if not key.startswith("decode_head")}
        save_file(state, backbone)
        half = models / "half" / "model.safetensors"
        saved_segformer(half.parent)
        half.write_bytes(half.read_bytes()[:-1])
        assert MannequinLoadParser.define_schema().inputs[0].options == ["parsing_free.onnx", "parsing_lip.onnx"]

    def test_the_host_has_the_segformer(self, models, atr_folder):
        import comfy.model_management

        saved_segformer(models / "segformer_b2_clothes")
        (parser,) = MannequinLoadParser.execute("segformer_b2_clothes/model.safetensors", "auto").result
        assert isinstance(parser, HostedParser)
        MannequinParsePerson.execute(photo("mannequin_source.png"), **ALL, parser=parser)
        loaded = [model.model for model in comfy.model_management.current_loaded_models]
        assert any(patcher is parser.patcher for patcher in loaded)
        comfy.model_management.unload_all_models()
        MannequinParsePerson.execute(photo("mannequin_source.png"), **ALL, parser=parser)

    def test_folders_of_other_packs(self, models):
        saved_segformer(models.parent / "segformer_b3_clothes")
        (models.parent / "humanparsing").mkdir()
        saved_schp(models.parent / "humanparsing" / "parsing_atr.onnx", 18, 64)
        (models.parent / "segformer_other").mkdir()
        (models.parent / "segformer_other" / "model.safetensors").write_bytes(b"")
        options = MannequinLoadParser.define_schema().inputs[0].options
        assert options == ["models/segformer_b3_clothes/model.safetensors", "models/humanparsing/parsing_atr.onnx"]
        for weights in options:
            (parser,) = MannequinLoadParser.execute(weights, "auto").result
            assert hasattr(parser, "labels")

    @pytest.mark.parametrize("weights", ["gone.onnx", "gone/model.safetensors", "../other/model.safetensors", "x"])
    def test_a_file_that_is_not_there(self, models, weights):
        with pytest.raises(NodeError, match="Load Parser: There is no"):
            MannequinLoadParser.execute(weights, "auto")

    def test_wrong_label_set(self, models):
        saved_schp(models / "parsing_lip.onnx")
        with pytest.raises(NodeError, match="Load Parser: The network tells 20 classes apart and fashn-18 has 18"):
            MannequinLoadParser.execute("parsing_lip.onnx", "fashn-18")

    def test_labels_and_groups(self):
        assert label_names("hair, Shoes") == ["Hair", "Left-shoe", "Right-shoe"]
        assert all(name in LIP_20 for names in GROUPS.values() for name in names)
        assert {*GROUPS["skin"], *GROUPS["clothes"], "Hair"} == set(GROUPS["person"])
        with pytest.raises(ConditionError, match="'Cape' is no parsing label.*groups of them are person"):
            label_names("Hair, Cape")
        with pytest.raises(ConditionError, match="No label is named"):
            label_names(" , ")

    def test_masks_of_groups(self):
        parsing = Parsing(torch.arange(20, dtype=torch.uint8)[None, None])
        (mask,) = MannequinParsingMask.execute(parsing, "skin").result
        assert mask.shape == (1, 1, 20) and mask.dtype == torch.float32
        assert [LIP_20[number] for number in mask[0, 0].nonzero()[:, 0]] == list(GROUPS["skin"])

    @given(names=st.lists(st.sampled_from([*LIP_20, *GROUPS]), min_size=1, max_size=5), seed=st.integers(0, 99))
    @settings(max_examples=30, deadline=None)
    def test_keep_and_remove_are_complements(self, names, seed):
        labels = torch.randint(0, 20, (2, 5, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
        parsing = Parsing(labels)
        kept, removed = (
            MannequinKeepLabels.execute(parsing, ", ".join(names), mode).result[0] for mode in ("keep", "remove")
        )
        assert torch.equal(kept.labels + removed.labels, labels) and not (kept.labels * removed.labels).any()
        chosen = parsing.mask(label_names(", ".join(names)))
        assert torch.equal(kept.labels[chosen], labels[chosen]) and not kept.labels[~chosen].any()
        assert torch.equal(labels, parsing.labels)


# Pictures of labels


class TestImport:
    def test_schps_palette(self):
        """Its first colours, and LIP's last, as everybody knows them from its pictures."""
        colours = palette(20).tolist()
        assert colours[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
        assert colours[19] == [128, 192, 0] and len({tuple(colour) for colour in colours}) == 20

    @given(
        name=st.sampled_from(list(LABEL_SETS)),
        grey=st.booleans(),
        height=st.integers(1, 20),
        width=st.integers(1, 20),
        rows=st.integers(1, 2),
        seed=st.integers(0, 99),
    )
    @settings(max_examples=30, deadline=None)
    def test_both_ways_of_writing(self, name, grey, height, width, rows, seed):
        known, generator = LABEL_SETS[name], torch.Generator().manual_seed(seed)
        classes = torch.randint(0, len(known.classes), (rows, height, width), generator=generator)
        image = classes[..., None].expand(-1, -1, -1, 3) if grey else palette(len(known.classes))[classes]
        labels = MannequinImportParsing.execute(image.float() / 255, name).result[0].labels
        wanted = torch.tensor(known.fixed_numbers)[classes]
        sided = wanted >= 20
        assert torch.equal(labels[~sided].long(), wanted[~sided])
        assert not sided.any() or int(labels[sided].min()) >= LIP_20.index("Left-arm")

    @pytest.mark.parametrize("name, words", [("LIP-20", "neither the numbers 0 to 19"), ("Pascal-7", "numbers 0 to 6")])
    def test_what_is_no_picture_of_labels(self, name, words):
        with pytest.raises(NodeError, match=f"Import Parsing: .*{words}.*PNG"):
            MannequinImportParsing.execute(photo("mannequin_source.png"), name)
        with pytest.raises(NodeError, match="100.0% of the picture"):
            MannequinImportParsing.execute(torch.full((1, 4, 4, 3), 25 / 255), name)


# Preview


class TestOverlay:
    @pytest.mark.parametrize("size", [(1, 1), (8, 3000), (3000, 8), (64, 48), (350, 175), (1100, 900)], ids=str)
    def test_all_labels_at_any_size(self, size):
        labels = (torch.arange(size[0] * size[1]) % 20).to(torch.uint8).reshape(1, *size)
        shown = overlay(torch.full((1, *size, 3), 0.5), Parsing(labels))
        assert 0 <= float(shown.min()) and float(shown.max()) <= 1
        times = shown.shape[1] // size[0]
        assert shown.shape[1] == size[0] * times and shown.shape[2] >= size[1] * times
        assert shown.shape[1] >= 256 or max(size) > 1000, "high enough for a legend"

    def test_every_label_has_its_swatch(self):
        from mannequin.preprocessors.labels import PALETTE

        labels = torch.arange(20, dtype=torch.uint8)[None, :, None].expand(1, 20, 400).repeat_interleave(25, 1)
        shown = overlay(torch.zeros(1, 500, 400, 3), Parsing(labels))
        legend = (shown[0, :, 400:] * 255).round().to(torch.uint8).flatten(0, 1)
        for colour in PALETTE[1:]:
            assert (legend == torch.tensor(colour)).all(-1).sum() > 100

    def test_a_batch_has_one_legend(self):
        labels = torch.zeros(2, 300, 200, dtype=torch.uint8)
        labels[0, :9], labels[1, :9] = 1, 5
        shown = overlay(torch.zeros(2, 300, 200, 3), Parsing(labels))
        assert torch.equal(shown[0, :, 200:], shown[1, :, 200:])

    def test_nobody(self):
        image = torch.rand(1, 300, 200, 3)
        assert torch.equal(overlay(image, Parsing(torch.zeros(1, 300, 200, dtype=torch.uint8))), image)


def bundled(name: str, folder: Path) -> Path:
    """A network of the pack as an ONNX file."""
    file = folder / f"{name}.onnx"
    file.write_bytes(read_bundled(name))
    return file


@pytest.mark.parametrize("name", ["blazeface_full_range", "blazepose_detector", "blazepose_landmark_full"])
def test_an_outline_is_what_the_runtime_says(name, tmp_path):
    """Without the weights, which these files hold for the most part."""
    file = bundled(name, tmp_path)
    session, found = runtime.open_session(file), read_outline(file)
    for entries, shapes in ((session.get_inputs(), found.inputs), (session.get_outputs(), found.outputs)):
        assert shapes == tuple(
            tuple(length if isinstance(length, int) else None for length in entry.shape) for entry in entries
        )


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 10**4))
def test_a_damaged_network_has_no_outline(tmp_path_factory, damage, place):
    """Whatever stands there, it is no crash and no wait."""
    file = tmp_path_factory.getbasetemp() / "damaged.onnx"
    if not file.exists():
        saved_schp(file)
        file.with_suffix(".whole").write_bytes(file.read_bytes())
    whole = file.with_suffix(".whole").read_bytes()
    place %= len(whole)
    file.write_bytes(whole[:place] + damage + whole[place + len(damage) :])
    assert schp.is_schp(file) in (True, False)
