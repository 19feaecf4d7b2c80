"""Kinds of weight files: told by a header alone, and loaders list what they can load."""

import json
import os
import random
import struct
import sys
from pathlib import Path

import folder_paths
import mannequin.model_patches.weight_kinds as registry
import pytest
import torch
from mannequin.model_patches.comfy_small_sd import load_clip_vision
from mannequin.model_patches.comfy_weights import load_weights
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.truepose import TruePose, TruePoseShape
from mannequin.model_patches.sites import Site
from mannequin.model_patches.weight_kinds import KINDS, check, header, recognise
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL
from mannequin.model_patches.weight_kinds.small_clip import CLIP_CONFIG_KEY, SMALL_CLIP
from mannequin.model_patches.weight_kinds.truepose import TRUEPOSE, TRUEPOSE_MODEL, truepose_metadata
from mannequin.nodes import NODES, model_files
from mannequin.nodes.errors import NodeError
from mannequin.nodes.loaders import (
    MannequinLoadSmallCLIPVision,
    MannequinLoadTruePose,
    MannequinLoadTruePoseModel,
)
from mannequin.nodes.mcld import MannequinLoadMCLD
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from devtools import untrained
from devtools.host import ROOT

DEMO = ROOT / "weights" / "models"
LOADERS = {
    MannequinLoadTruePose: TRUEPOSE,
    MannequinLoadTruePoseModel: TRUEPOSE_MODEL,
    MannequinLoadMCLD: MCLD_MODEL,
    MannequinLoadSmallCLIPVision: SMALL_CLIP,
}
SHAPE = TruePoseShape.full({Site("middle", 0, 0): 8}, context_dim=6, region_dim=4, pose_channels=8)


def listed(node) -> list[str]:
    return node.define_schema().inputs[0].options


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A user's models/mannequin, before the pack's own weights."""
    folder = tmp_path / "models" / "mannequin"
    folder.mkdir(parents=True)
    place = ([str(folder), str(DEMO)], model_files.ENDINGS)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, model_files.WEIGHTS_FOLDER, place)
    folder_paths.filename_list_cache.pop(model_files.WEIGHTS_FOLDER, None)
    yield folder
    folder_paths.filename_list_cache.pop(model_files.WEIGHTS_FOLDER, None)


def truepose_file(place: Path) -> Path:
    with torch.inference_mode():
        save_file(TruePose(SHAPE).state_dict(), place, truepose_metadata())
    return place


def mcld_file(place: Path, drop: str = "nothing") -> Path:
    state, metadata = untrained.mcld_state()
    save_file({key: tensor for key, tensor in state.items() if not key.startswith(drop)}, place, metadata)
    return place


def with_header(place: Path, text: bytes, tail: bytes = b"", length: int | None = None) -> Path:
    place.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + tail)
    return place


class TestKinds:
    @pytest.mark.parametrize(
        "name, kind",
        [("demo_truepose", TRUEPOSE_MODEL), ("demo_mcld", MCLD_MODEL), ("demo_clip_vision", SMALL_CLIP)],
    )
    def test_a_header_tells(self, name, kind):
        path = DEMO / f"{name}.safetensors"
        found = header.read_header(path)
        assert recognise(found.state, found.metadata) is kind
        check(kind, found.state, path.name, found.metadata)
        with safe_open(path, "pt") as file:
            assert file.metadata() == found.metadata
        assert {key: (t.dtype, t.shape) for key, t in load_file(path).items()} == {
            key: (t.dtype, t.shape) for key, t in found.state.items()
        }
        assert all(tensor.is_meta for tensor in found.state.values())

    def test_a_file_is_of_one_kind_of_ours(self):
        names = {node.define_schema().display_name for node in NODES}
        for path in DEMO.glob("*.safetensors"):
            found = header.read_header(path)
            kinds = [
                kind
                for kind in KINDS
                if kind.recognise(found.state, found.metadata) and kind.node.split(",")[0] in names
            ]
            assert len(kinds) == 1, path.name

    def test_a_kinds_node_is_there(self):
        names = {node.define_schema().display_name for node in NODES}
        assert {kind.node for kind in KINDS if not kind.foreign} <= names
        for node, kind in LOADERS.items():
            assert node.define_schema().display_name == kind.node

    def test_a_new_method_is_one_file(self, tmp_path, monkeypatch):
        """It is found among the package's modules, and the other loaders name its node."""
        (tmp_path / "new_method.py").write_text(
            "from mannequin.model_patches.weight_kinds.kind import WeightKind\n"
            "NEW = WeightKind('New', 'New weights', 'Load New', lambda keys, metadata: 'new.weight' in keys,\n"
            "                 shapes=lambda state, metadata: {'new.weight': (1,)})\n"
            "KINDS = (NEW,)\n"
        )
        monkeypatch.setattr(registry, "__path__", [*registry.__path__, str(tmp_path)])
        monkeypatch.setattr(registry, "KINDS", registry._all_kinds())
        try:
            assert recognise(["new.weight"]).node == "Load New"
            with pytest.raises(PatchError, match="'x' is New weights; load it with Load New. A TruePose weight file"):
                load_weights(TRUEPOSE, {"new.weight": torch.zeros(1)}, "x", None)
        finally:
            sys.modules.pop("mannequin.model_patches.weight_kinds.new_method", None)

    def test_heads_of_the_header_reach_the_unets(self):
        state, metadata = untrained.mcld_state()
        for stated, heads in (({}, 8), ({"mannequin.heads": "4"}, 4)):
            parts = load_weights(MCLD_MODEL, state, "x", metadata | stated)
            for patcher in parts[:2]:
                unet = patcher.get_model_object("diffusion_model")
                assert {module.heads for module in unet.modules() if hasattr(module, "to_q")} == {heads}

    @pytest.mark.parametrize(
        "stated, words",
        [
            ({"mannequin.heads": "many"}, "'x' cannot be loaded. Its header says 'many' for 'mannequin.heads'"),
            ({"mannequin.heads": "7"}, "The denoising UNet in 'x' is no complete UNet.* cannot be cut into 7 heads"),
            ({"mannequin.face_projector_heads": "no"}, "'x' cannot be loaded. Its header says 'no'"),
            ({"mannequin.face_projector_heads": "7"}, "face projector is 64 wide, which 7 heads"),
        ],
    )
    def test_a_header_that_cannot_be_right(self, stated, words):
        state, metadata = untrained.mcld_state()
        with pytest.raises(PatchError, match=words):
            load_weights(MCLD_MODEL, state, "x", metadata | stated)

    @pytest.mark.parametrize("config", ["[]", "{}", "{", "[" * 100000, '{"hidden_size": 1e9}'], ids=lambda c: c[:20])
    def test_an_image_encoder_of_no_sizes(self, config):
        state = load_file(DEMO / "demo_clip_vision.safetensors")
        with pytest.raises(PatchError, match="'x' cannot be loaded. Its header's '.*clip_vision_config' are no sizes"):
            load_clip_vision(state, "x", {CLIP_CONFIG_KEY: config})

    def test_an_image_encoder_for_the_hosts_own_loader(self):
        state = load_file(DEMO / "demo_clip_vision.safetensors")
        with pytest.raises(PatchError, match="'x' is a CLIP vision encoder; load it with Load CLIP Vision. A small im"):
            load_clip_vision(state, "x", None)


class TestLists:
    def test_each_loader_lists_its_kind(self, models):
        truepose_file(models / "a_truepose.safetensors")
        mcld_file(models / "zz_mcld.safetensors")
        save_file({"decoder.conv_in.weight": torch.zeros(1)}, models / "a_vae.safetensors")
        # The user's own come first, whatever their names: the first is what a new node begins with.
        assert {node.__name__: listed(node) for node in LOADERS} == {
            "MannequinLoadTruePose": ["a_truepose.safetensors"],
            "MannequinLoadTruePoseModel": ["demo_truepose.safetensors"],
            "MannequinLoadMCLD": ["zz_mcld.safetensors", "demo_mcld.safetensors"],
            "MannequinLoadSmallCLIPVision": ["demo_clip_vision.safetensors"],
        }

    def test_what_is_listed_loads(self, models):
        truepose_file(models / "mine.safetensors")
        mcld_file(models / "mine_too.safetensors")
        for node in LOADERS:
            assert listed(node)
            for name in listed(node):
                assert node.execute(weights=name).result

    def test_what_would_be_refused_is_not_listed(self, models):
        mcld_file(models / "no_reference.safetensors", drop="reference_unet.")
        mcld_file(models / "no_middle.safetensors", drop="denoising_unet.mid_block.attentions.0.norm")
        mcld_file(models / "no_guider.safetensors", drop="pose_guider.conv_in")
        state = load_file(truepose_file(models / "later.safetensors"))
        save_file(state, models / "later.safetensors", truepose_metadata() | {"mannequin.format": "2"})
        whole = truepose_file(models / "whole.safetensors").read_bytes()
        (models / "cut_short.safetensors").write_bytes(whole[:-1])
        assert listed(MannequinLoadMCLD) == ["demo_mcld.safetensors"]
        assert listed(MannequinLoadTruePose) == ["whole.safetensors"]
        # By name, as an old graph has it, each is answered with a sentence.
        for node in (MannequinLoadMCLD, MannequinLoadTruePose):
            for name in {path.name for path in models.iterdir()} - {"whole.safetensors"}:
                with pytest.raises(NodeError, match=f"^Load .*'{name}'"):
                    node.execute(weights=name)
                assert node.validate_inputs(weights=name) is True

    def test_a_file_that_changes_is_looked_at_again(self, models):
        place = models / "mine.safetensors"
        place.touch()
        assert listed(MannequinLoadTruePose) == []
        truepose_file(place)
        assert listed(MannequinLoadTruePose) == ["mine.safetensors"]

    def test_a_header_is_read_once(self, models, monkeypatch):
        for node in LOADERS:
            listed(node)
        monkeypatch.setattr(model_files, "read_header", None)
        for node in LOADERS:
            listed(node)

    def test_odd_files_stop_nothing(self, models):
        good = truepose_file(models / "good.safetensors").read_bytes()
        length = int.from_bytes(good[:8], "little")
        names = json.loads(good[8 : 8 + length])
        key = "hpfa.middle_0_0.to_k.weight"
        odd = {
            "empty": b"",
            "seven": b"1234567",
            "huge_length": b"\xff" * 8 + b"{}",
            "no_json": struct.pack("<Q", 4) + b"{{{{",
            "no_text": struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
            "deep": struct.pack("<Q", 200_000) + b"[" * 200_000,
            "list": struct.pack("<Q", 2) + b"[]",
            "number": struct.pack("<Q", 2) + b"12",
        }
        for name, content in odd.items():
            (models / f"{name}.safetensors").write_bytes(content)
        (models / "folder.safetensors").mkdir()
        (models / "link.safetensors").symlink_to(models / "nowhere")
        os.mkfifo(models / "pipe.safetensors")
        changes = [
            {"shape": [2**62, 2**62]},
            {"shape": [0, 2**63]},
            {"shape": [0, 2**40]},
            {"shape": "wide"},
            {"shape": [-8, -8]},
            {"shape": [8.0, 8]},
            {"shape": [True]},
            {"shape": []},
            {"dtype": "F3"},
            {"dtype": 3},
            {"data_offsets": [0]},
            {"data_offsets": [5, 1]},
            {"data_offsets": None},
        ]
        for number, change in enumerate(changes):
            text = json.dumps(names | {key: names[key] | change}).encode()
            with_header(models / f"changed_{number}.safetensors", text, good[8 + length :])
        text = json.dumps(names | {"__metadata__": [1]}).encode()
        with_header(models / "metadata.safetensors", text, good[8 + length :])
        with_header(models / "entry.safetensors", json.dumps({key: 7}).encode())
        with_header(
            models / "no_rows.safetensors",
            json.dumps({key: {"dtype": "F32", "shape": [2**40, 0], "data_offsets": [0, 0]}}).encode(),
        )
        assert listed(MannequinLoadTruePose) == ["good.safetensors"]
        assert listed(MannequinLoadTruePoseModel) == ["demo_truepose.safetensors"]

    @pytest.mark.parametrize("seed", range(4))
    def test_random_damage_stops_nothing(self, models, seed):
        """Of headers whose JSON is still whole: keys dropped, doubled, renamed, sizes drawn anew."""
        draw = random.Random(seed)
        sources = [header_of(truepose_file(models / "t.safetensors")), header_of(mcld_file(models / "m.safetensors"))]
        sources.append(header_of(DEMO / "demo_clip_vision.safetensors"))
        for number in range(60):
            names, metadata = draw.choice(sources)
            names = {key: dict(entry) for key, entry in names.items()}
            for _ in range(draw.randint(1, 4)):
                key = draw.choice(list(names))
                entry = names.pop(key)
                what = draw.randint(0, 3)
                if what == 1:
                    names[key.replace(".", draw.choice(["", "..", "_"]), 1)] = entry
                if what == 2:
                    shape = [draw.choice([0, 1, 7, 64, 2**33]) for _ in range(draw.randint(0, 5))]
                    names[key] = entry | {"shape": shape}
                if what == 3:
                    names[key.rpartition(".")[0]] = dict(entry)
                    names[key[: draw.randint(0, len(key))]] = entry
            end = 0
            for entry in names.values():
                # Places that fit the shapes: the damage is to reach the kinds.
                size = 4 * int(torch.Size(entry["shape"]).numel()) if entry["shape"] else 4
                entry |= {"dtype": "F32", "data_offsets": [end, end + size]}
                end += size
            metadata = metadata | draw.choice([{}, {"mannequin.heads": "9"}, {"mannequin.face_projector_heads": "-1"}])
            text = json.dumps({"__metadata__": metadata, **names}).encode()
            place = with_header(models / f"d{number}.safetensors", text)
            if end < 2**40:
                os.truncate(place, place.stat().st_size + end)
        for node in LOADERS:
            assert not [name for name in listed(node) if name.startswith("d") and "demo" not in name]


def header_of(place: Path) -> tuple[dict, dict]:
    content = place.read_bytes()
    names = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return names, names.pop("__metadata__", {})
