"""Published files to ours: what is right converts, what is wrong is named, nothing is half written."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from devtools import untrained
from devtools.host import ROOT
from model_patches.published_mcld import KINDS, kind_of, our_name, site_of
from model_patches.unet_layout import UNetLayout
from training import convert, safetensors_stream

NAMES = {
    "denoising_unet": "denoising_unet.pth",
    "reference_unet": "reference_unet.pth",
    "pose_guider": "pose_guider.pth",
    "image_proj_model": "image_projector.pth",
}
BLOCKS = {"input": ("down_blocks", 1), "output": ("up_blocks", 0)}


def published_name(site_key: str) -> str:
    """Where the published UNet keeps the face projections of a site of ours."""
    part, number, _ = site_key.split("_")
    if part == "middle":
        place = "mid_block.attentions.0"
    else:
        block, first = BLOCKS[part]
        level, layer = divmod(int(number) - first, 3)
        place = f"{block}.{level}.attentions.{layer}"
    return f"{place}.transformer_blocks.0.attn2.processor"


@pytest.fixture(scope="module")
def ours():
    return untrained.mcld_state()[0]


@pytest.fixture(scope="module")
def published(ours) -> dict[str, dict[str, torch.Tensor]]:
    """The same weights as the authors publish them, by kind of file."""
    files: dict[str, dict[str, torch.Tensor]] = {kind: {} for kind in KINDS}
    for key, tensor in ours.items():
        head, _, rest = key.partition(".")
        if head == "mfca":
            site, what, _ = rest.split(".")
            files["denoising_unet"][f"{published_name(site)}.{what}_ip.weight"] = tensor
        else:
            files["image_proj_model" if head == "face_projector" else head][rest] = tensor
    return files


@pytest.fixture
def folder(tmp_path, published):
    folder = tmp_path / "published"
    folder.mkdir()
    for kind, state in published.items():
        torch.save(state, folder / NAMES[kind])
    return folder


def run(folder, out, *words: str) -> int:
    return convert.main(["mcld", str(folder), str(out), "--face-heads", "4", *words])


def test_the_published_set_becomes_one_file(folder, tmp_path, ours, capsys):
    out = tmp_path / "models" / "mcld.safetensors"
    assert run(folder, out) == 0
    said = capsys.readouterr().out
    assert "image_projector.pth: image_proj_model (" in said and "1.00" not in said
    state = load_file(out)
    assert state.keys() == ours.keys() and all(torch.equal(state[key], ours[key]) for key in ours)
    with safe_open(out, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["mannequin.method"] == "mcld" and metadata["mannequin.prediction"] == "v_prediction"
    assert set(json.loads(metadata["mannequin.sources"])) == set(NAMES.values())


def test_half(folder, tmp_path, ours):
    assert run(folder, tmp_path / "half.safetensors", "--half") == 0
    state = load_file(tmp_path / "half.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert all(torch.equal(state[key], ours[key].half()) for key in ours)


def test_names_do_not_matter(folder, tmp_path):
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{number}.pth")
    (folder / "readme.txt").write_text("hello")
    torch.save({"anything": torch.zeros(1)}, folder / "other.pth")
    assert run(folder, tmp_path / "out.safetensors") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_file(folder, tmp_path, capsys, kind):
    (folder / NAMES[kind]).unlink()
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert f"has no {kind}." in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors*"))


def test_the_same_kind_twice(folder, tmp_path, capsys):
    (folder / "copy.pth").write_bytes((folder / NAMES["pose_guider"]).read_bytes())
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert "copy.pth and pose_guider.pth are both a pose_guider" in capsys.readouterr().err


@pytest.mark.parametrize("kind", KINDS)
def test_an_incomplete_file(folder, tmp_path, capsys, published, kind):
    state = dict(published[kind])
    drop = {"image_proj_model": "layers.1.1.1.weight", "pose_guider": "blocks.2.bias"}.get(
        kind, "time_embedding.linear_1.bias"
    )
    state.pop(drop)
    torch.save(state, folder / NAMES[kind])
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert drop in capsys.readouterr().err
    assert not list(tmp_path.glob("*.safetensors*"))


def test_a_file_cut_short(folder, tmp_path, capsys):
    path = folder / NAMES["reference_unet"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert "reference_unet.pth cannot be read" in capsys.readouterr().err


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the file was run')",))


def test_code_in_a_file_is_not_run(folder, tmp_path, capsys):
    torch.save({"a": Evil()}, folder / NAMES["reference_unet"])
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert "reference_unet.pth cannot be read" in capsys.readouterr().err


def test_a_projector_of_another_model(folder, tmp_path, capsys, published):
    state = dict(published["image_proj_model"])
    for key in ("proj_out.weight", "proj_out.bias", "norm_out.weight", "norm_out.bias"):
        state[key] = torch.cat([state[key], state[key]])
    torch.save(state, folder / NAMES["image_proj_model"])
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert "tokens 128 wide and the UNet takes 64" in capsys.readouterr().err


def test_heads_that_nobody_can_guess(folder, tmp_path, capsys, published):
    state = dict(published["image_proj_model"])
    narrow = {key: tensor[:48] if key.endswith("to_q.weight") else tensor for key, tensor in state.items()}
    torch.save(narrow, folder / NAMES["image_proj_model"])
    assert convert.main(["mcld", str(folder), str(tmp_path / "out.safetensors")]) == 1
    assert "Say with --face-heads" in capsys.readouterr().err


def test_heads_are_as_wide_as_the_published_ones(folder, tmp_path):
    assert convert.main(["mcld", str(folder), str(tmp_path / "out.safetensors")]) == 0
    with safe_open(tmp_path / "out.safetensors", framework="pt") as file:
        assert file.metadata()["mannequin.face_projector_heads"] == "1"


def test_nothing_is_overwritten(folder, tmp_path, capsys):
    (tmp_path / "out.safetensors").write_text("mine")
    assert run(folder, tmp_path / "out.safetensors") == 1
    assert "exists already" in capsys.readouterr().err and (tmp_path / "out.safetensors").read_text() == "mine"


def test_an_interrupted_conversion_leaves_nothing(folder, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors_stream.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("out*"))


def test_a_written_file_is_the_formats_own(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor(3, dtype=torch.int64), "ü": torch.zeros(0)}
    entries = [safetensors_stream.Entry(k, t.dtype, tuple(t.shape), lambda t=t: t) for k, t in tensors.items()]
    safetensors_stream.write(tmp_path / "x.safetensors", entries, {"key": "“value”"})
    state = load_file(tmp_path / "x.safetensors")
    assert state.keys() == tensors.keys() and all(torch.equal(state[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_keys_are_known(golden, kind):
    """Of the full-size checkpoints."""
    shapes = json.loads(golden(f"checkpoint_keys/mcld_{kind}.json").read_text())
    assert kind_of(shapes) == kind
    names = {our_name(kind, key) for key in shapes}
    assert len(names) == len(shapes)
    if kind == "denoising_unet":
        assert sum(name.startswith("mfca.") for name in names) == 32


def test_the_layout_is_the_published_unets(golden):
    shapes = json.loads(golden("checkpoint_keys/mcld_denoising_unet.json").read_text())
    expected = {key: tuple(shape) for key, shape in shapes.items() if "processor" not in key}
    state = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    assert UNetLayout.of(state) == untrained.SD15
    assert untrained.SD15.shapes() == expected


def test_sites_are_the_hosts():
    assert site_of("down_blocks.1.attentions.1").key == "input_5_0"
    assert site_of("mid_block.attentions.0").key == "middle_0_0"
    assert site_of("up_blocks.3.attentions.2").key == "output_11_0"


def test_it_needs_pytorch_alone(tmp_path):
    """As the help pages promise to whom has a ComfyUI and no environment for training."""
    program = "import sys, training.convert; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    brought = {name.split(".")[0] for name in done.stdout.split()}
    assert "torch" in brought and not brought & {"comfy", "safetensors", "diffusers", "accelerate", "pydantic", "ray"}
