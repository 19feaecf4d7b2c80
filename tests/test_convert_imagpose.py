"""IMAGPose's trained files to ours: what is read over what, a motion module alone, what is missing or swapped."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from devtools import untrained
from model_patches.published_imagpose import MODULES_ALONE, PATCH, POSE_GUIDER, UNET, WHOLE_UNET, kind_of, our_name
from model_patches.sites import site_in_diffusers
from model_patches.weight_kinds import check
from model_patches.weight_kinds.imagpose import CVA_MODULES, IMAGPOSE_MODEL
from training import convert

KEYS = "checkpoint_keys/imagpose_{}.json"
#: Places of the published modules, as diffusers numbers them, by site.
PLACES = {
    site_in_diffusers(part, level, layer, 0, 2).key: f"{part}_block{'' if part == 'mid' else f's.{level}'}"
    f".motion_modules.{layer}.temporal_transformer."
    for part, levels, layers in (("down", 4, 2), ("mid", 1, 1), ("up", 4, 3))
    for level in range(levels)
    for layer in range(layers)
}


def published_key(key: str) -> tuple[str, str]:
    """A key of ours as published, and of which file."""
    if key.startswith("cva."):
        _, site, inner = key.split(".", 2)
        return "modules", PLACES[site] + inner
    prefix, inner = key.split(".", 1)
    return {"denoising_unet": "unet", "flc": "patch"}.get(prefix, prefix), inner


@pytest.fixture(scope="module")
def ours():
    return untrained.imagpose_state()[0]


@pytest.fixture(scope="module")
def published(ours):
    files: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in ours.items():
        file, name = published_key(key)
        files.setdefault(file, {})[name] = tensor
    return files


@pytest.fixture
def folder(tmp_path, published):
    """As the last stage writes them."""
    folder = tmp_path / "trained"
    folder.mkdir()
    torch.save(published["unet"] | published["modules"], folder / "denoising_unet-50000.pth")
    torch.save(published["pose_guider"], folder / "pose_guider-50000.pth")
    torch.save(published["patch"], folder / "patch-50000.pth")
    return folder


def run(folder, out, *words: str) -> int:
    return convert.main(["imagpose", str(folder), str(out), *words])


def same(path, expected) -> bool:
    state = load_file(path)
    return state.keys() == expected.keys() and all(torch.equal(state[key], expected[key]) for key in state)


def test_one_file(folder, tmp_path, ours, capsys):
    out = tmp_path / "models" / "imagpose.safetensors"
    assert run(folder, out) == 0
    said = capsys.readouterr().out
    assert "denoising_unet-50000.pth: the UNet with cross-view attention" in said and "at 21 of 21 places" in said
    assert same(out, ours)
    with safe_open(out, framework="pt") as file:
        metadata = file.metadata()
    assert len(json.loads(metadata["mannequin.sources"])) == 3
    check(IMAGPOSE_MODEL, load_file(out), out.name, metadata)


def test_half(folder, tmp_path, ours):
    assert run(folder, tmp_path / "out.safetensors", "--half") == 0
    assert same(tmp_path / "out.safetensors", {key: tensor.half() for key, tensor in ours.items()})


@pytest.mark.parametrize("first", ["bare", "whole"])
def test_the_second_stages_file_is_read_over_the_first(folder, tmp_path, published, ours, first):
    stage_1 = {key: tensor + 1 for key, tensor in published["unet"].items()}
    torch.save(stage_1 | (published["modules"] if first == "whole" else {}), folder / "denoising_unet-50000.pth")
    torch.save(published["unet"] | published["modules"], folder / "motion_module-200000.pth")
    assert run(folder, tmp_path / "out.safetensors") == 0
    assert same(tmp_path / "out.safetensors", ours)


def test_modules_beside_a_unet_without(folder, tmp_path, published, ours):
    torch.save(published["unet"], folder / "denoising_unet-50000.pth")
    without = tmp_path / "without.safetensors"
    assert run(folder, without) == 0
    assert same(without, {key: tensor for key, tensor in ours.items() if not key.startswith("cva.")})
    torch.save({f"module.{key}": tensor for key, tensor in published["modules"].items()}, folder / "mm_sd.ckpt")
    assert run(folder, tmp_path / "out.safetensors") == 0
    assert same(tmp_path / "out.safetensors", ours)


def test_a_motion_module_alone(tmp_path, published, ours, capsys):
    """The first version of AnimateDiff's has no module in the middle."""
    (tmp_path / "mm").mkdir()
    modules = {key: tensor for key, tensor in published["modules"].items() if not key.startswith("mid_block")}
    torch.save({"state_dict": modules, "epoch": 1}, tmp_path / "mm" / "mm_sd_v15.ckpt")
    out = tmp_path / "cva.safetensors"
    assert run(tmp_path / "mm", out) == 0 and "at 20 of 21 places" in capsys.readouterr().out
    expected = {key: tensor for key, tensor in ours.items() if key.startswith("cva.") and "middle" not in key}
    assert same(out, expected)
    with safe_open(out, framework="pt") as file:
        check(CVA_MODULES, load_file(out), out.name, file.metadata())


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "patch-50000.pth").unlink(), "has no patch-*.pth. Needed are"),
        (lambda folder: (folder / "denoising_unet-50000.pth").unlink(), "has no denoising_unet-*.pth"),
        (
            lambda folder: (folder / "patch-50000.pth").rename(folder / "pose_guider-1.pth"),
            "pose_guider-1.pth is named as a pose_guider and holds the patch convolution",
        ),
        (
            lambda folder: (folder / "patch-1.pth").write_bytes((folder / "patch-50000.pth").read_bytes()),
            "patch-1.pth and patch-50000.pth are both the patch convolution",
        ),
    ],
    ids=["no patch", "no UNet", "swapped", "twice"],
)
def test_what_is_wrong_is_named(folder, tmp_path, capsys, change, words):
    change(folder)
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert words in capsys.readouterr().err and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    "drop, words",
    [
        ("conv_out.bias", "conv_out.bias"),
        (PLACES["middle_0_0"] + "transformer_blocks.0.ff_norm.bias", "ff_norm"),
    ],
)
def test_an_incomplete_unet(folder, tmp_path, published, capsys, drop, words):
    state = published["unet"] | published["modules"]
    torch.save({key: tensor for key, tensor in state.items() if key != drop}, folder / "denoising_unet-50000.pth")
    assert run(folder, tmp_path / "out.safetensors") == 1
    said = capsys.readouterr().err
    assert "make no complete set" in said and words in said and not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    "name, kind",
    [
        ("denoising_unet", WHOLE_UNET),
        ("motion_module", WHOLE_UNET),
        ("motion_module_keys_only", MODULES_ALONE),
        ("pose_guider", POSE_GUIDER),
        ("patch", PATCH),
    ],
)
def test_the_published_keys(golden, name, kind):
    shapes = json.loads(golden(KEYS.format(name)).read_text())
    assert kind_of(shapes) == kind
    bare = [key for key in shapes if "motion_modules" not in key]
    assert kind != WHOLE_UNET or kind_of(bare) == UNET


def test_the_full_size_set_is_complete(golden):
    """Every published key has its place in ours, and none is missing; nothing is allocated."""
    files = {"denoising_unet": WHOLE_UNET, "pose_guider": POSE_GUIDER, "patch": PATCH}
    state = {
        our_name(kind, key): torch.empty(shape, device="meta")
        for name, kind in files.items()
        for key, shape in json.loads(golden(KEYS.format(name)).read_text()).items()
    }
    check(IMAGPOSE_MODEL, state, "the published set", untrained.imagpose_state()[1])
    assert len(state) == 1274 + 16 + 2
