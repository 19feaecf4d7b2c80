"""PCDMs' published DeepSpeed files to ours: stages by their keys, what is wrong is named, nothing is half written."""

import json

import pytest
import torch
from published_pcdms import NAMES, our_state, published_state, save
from safetensors import safe_open
from safetensors.torch import load_file

from devtools.host import ROOT
from model_patches.published_pcdms import STAGES, our_name, stage_in_name, stage_of
from model_patches.weight_kinds import check
from model_patches.weight_kinds.pcdms_unets import stage_metadata
from training import convert, convert_pcdms, safetensors_stream


@pytest.fixture(scope="module")
def ours() -> dict[str, dict[str, torch.Tensor]]:
    return {stage: our_state(stage) for stage in STAGES}


@pytest.fixture(scope="module")
def published(ours) -> dict[str, dict[str, torch.Tensor]]:
    return {stage: published_state(stage, state) for stage, state in ours.items()}


@pytest.fixture
def folder(tmp_path, published):
    folder = tmp_path / "published"
    folder.mkdir()
    for stage, state in published.items():
        save(state, folder / NAMES[stage])
    return folder


def run(folder, out, *words: str) -> int:
    return convert.main(["pcdms", str(folder), str(out), *words])


def nothing_in(out) -> bool:
    return not out.exists() or not list(out.iterdir())


def test_every_stage_becomes_one_file(folder, tmp_path, ours, capsys):
    out = tmp_path / "models"
    assert run(folder, out) == 0
    said = capsys.readouterr().out
    assert "s1_256.pt: the prior (stage 1) (" in said and "pcdms_ckpt.pt: the simplified" in said
    assert {path.name for path in out.iterdir()} == set(convert_pcdms.NAMES.values())
    for stage, name in convert_pcdms.NAMES.items():
        state = load_file(out / name)
        assert state.keys() == ours[stage].keys() and all(torch.equal(state[k], ours[stage][k]) for k in state), stage
        with safe_open(out / name, framework="pt") as file:
            metadata = file.metadata()
        assert metadata["mannequin.method"] == "pcdms" and metadata["mannequin.pcdms_stage"] == stage
        assert set(json.loads(metadata["mannequin.sources"])) == {NAMES[stage]}
        check(convert_pcdms.KINDS[stage], state, name, metadata)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_alone(folder, tmp_path, stage):
    for path in folder.iterdir():
        if path.name != NAMES[stage]:
            path.unlink()
    assert run(folder, tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [convert_pcdms.NAMES[stage]]


def test_half(folder, tmp_path, ours):
    assert run(folder, tmp_path / "out", "--half") == 0
    state = load_file(tmp_path / "out" / convert_pcdms.NAMES["refining"])
    assert all(torch.equal(tensor, ours["refining"][key].half()) for key, tensor in state.items())


def test_folders_below_and_the_optimisers_state(folder, tmp_path, published):
    below = folder / "checkpoint" / "30000"
    below.mkdir(parents=True)
    (folder / NAMES["prior"]).rename(below / "mp_rank_00_model_states.pt")
    (below / "zero_pp_rank_0_mp_rank_00_optim_states.pt").write_bytes(b"anything")
    torch.save({"anything": torch.zeros(1)}, folder / "other.pth")
    # Without DeepSpeed's frame, too.
    torch.save(published["refining"], folder / NAMES["refining"])
    assert run(folder, tmp_path / "out") == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_the_published_s2_256_holds_a_stage_1(folder, tmp_path, capsys):
    (folder / NAMES["prior"]).rename(folder / "s2_256.pt")
    assert run(folder, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "s2_256.pt is named as the inpainting model (stage 2) and holds the prior (stage 1)." in said
    assert nothing_in(tmp_path / "out")


def test_swapped_stages(folder, tmp_path, capsys):
    (folder / NAMES["inpainting"]).rename(folder / "aside")
    (folder / NAMES["refining"]).rename(folder / NAMES["inpainting"])
    (folder / "aside").rename(folder / NAMES["refining"])
    assert run(folder, tmp_path / "out") == 1
    assert "s2_512.pt is named as the inpainting model (stage 2) and holds the refining" in capsys.readouterr().err
    assert nothing_in(tmp_path / "out")


def test_the_same_stage_twice(folder, tmp_path, capsys):
    (folder / "copy.pt").write_bytes((folder / NAMES["prior"]).read_bytes())
    assert run(folder, tmp_path / "out") == 1
    assert "copy.pt and s1_256.pt are both the prior (stage 1)" in capsys.readouterr().err
    assert nothing_in(tmp_path / "out")


@pytest.mark.parametrize(
    "stage, key",
    [
        ("prior", "proj_to_clip_embeddings.bias"),
        ("prior", "transformer_blocks.0.attn1.to_k.weight"),
        ("inpainting", "unet.class_embedding.linear_1.weight"),
        ("inpainting", "unet.time_embedding.linear_1.bias"),
        ("inpainting", "pose_proj.conv_out.weight"),
        ("inpainting", "image_proj_model_p.net.3.bias"),
        ("refining", "unet.mid_block.attentions.0.proj_in.weight"),
        ("refining", "image_proj_model_p.net.4.weight"),
        ("simplified", "pose_proj.blocks.2.weight"),
    ],
)
def test_an_incomplete_file(folder, tmp_path, capsys, published, stage, key):
    state = dict(published[stage])
    state.pop(key)
    save(state, folder / NAMES[stage])
    assert run(folder, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{NAMES[stage]} is no complete file of {STAGES[stage]}: ")
    assert key.split(".", 1 if stage != "prior" else 0)[-1] in said
    assert nothing_in(tmp_path / "out")


@pytest.mark.parametrize(
    "stage, part",
    [
        ("prior", "prd_embedding"),
        ("prior", "pose_encoder1."),
        ("inpainting", "image_proj_model_p."),
        ("inpainting", "pose_proj."),
        ("simplified", "image_proj_model."),
    ],
)
def test_a_file_without_one_of_its_parts_is_not_left_out(folder, tmp_path, capsys, published, stage, part):
    """The others would be converted, and the user would think that it was none of PCDMs'."""
    state = {key: tensor for key, tensor in published[stage].items() if not key.startswith(part)}
    save(state, folder / NAMES[stage])
    assert run(folder, tmp_path / "out") == 1
    assert f"{NAMES[stage]} is no complete file of {STAGES[stage]}: " in capsys.readouterr().err
    assert nothing_in(tmp_path / "out")


def test_half_an_inpainting_model_is_no_refining_model(folder, tmp_path, capsys, published):
    """Without pose encoder and class embedding it has a third stage's keys, and nine channels."""
    state = {
        key: tensor
        for key, tensor in published["inpainting"].items()
        if not key.startswith(("pose_proj.", "unet.class_embedding."))
    }
    (folder / NAMES["inpainting"]).unlink()
    save(state, folder / NAMES["refining"])
    assert run(folder, tmp_path / "out") == 1
    assert "s3_512.pt is no complete file of the refining model" in capsys.readouterr().err


def test_a_key_of_nothing(folder, tmp_path, capsys, published):
    save(published["refining"] | {"ema.weight": torch.zeros(2)}, folder / NAMES["refining"])
    assert run(folder, tmp_path / "out") == 1
    assert "1 unexpected (ema.weight)" in capsys.readouterr().err


def test_a_file_cut_short(folder, tmp_path, capsys):
    path = folder / NAMES["inpainting"]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run(folder, tmp_path / "out") == 1
    assert "s2_512.pt cannot be read" in capsys.readouterr().err
    assert nothing_in(tmp_path / "out")


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of the file was run')",))


def test_code_in_a_file_is_not_run(folder, tmp_path, capsys):
    torch.save({"module": {}, "args": Evil()}, folder / NAMES["refining"])
    assert run(folder, tmp_path / "out") == 1
    assert "s3_512.pt cannot be read" in capsys.readouterr().err


def test_nothing_is_there(tmp_path, capsys):
    assert run(tmp_path, tmp_path / "out") == 1
    assert "holds no published file of PCDMs. Needed is one or more of s1_256.pt" in capsys.readouterr().err
    assert run(tmp_path / "nowhere", tmp_path / "out") == 1
    assert "There is no folder" in capsys.readouterr().err


def test_nothing_is_overwritten(folder, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / convert_pcdms.NAMES["refining"]).write_text("mine")
    assert run(folder, out) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.read_text() for path in out.iterdir()] == ["mine"]


def test_an_interrupted_conversion_leaves_no_part(folder, tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(safetensors_stream.os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "out")
    assert nothing_in(tmp_path / "out")


@pytest.mark.parametrize("stage, name", [("prior", "stage1"), ("inpainting", "stage2"), ("refining", "stage3")])
def test_the_published_keys_are_known(golden, stage, name):
    """Of the full-size checkpoints: every key has its place in a complete file of ours."""
    _is_complete(golden(f"checkpoint_keys/pcdms_{name}.json"), stage)


def test_the_published_keys_of_the_simplified_release(golden):
    _is_complete(golden("checkpoint_keys/pcdms_simplified.json"), "simplified")


def _is_complete(path, stage: str) -> None:
    shapes = json.loads(path.read_text())
    assert stage_of(shapes) == stage
    state = {our_name(stage, key): torch.empty(shape, device="meta") for key, shape in shapes.items()}
    assert len(state) == len(shapes)
    check(convert_pcdms.KINDS[stage], state, path.name, stage_metadata(stage))


def test_the_example_graphs_load_what_is_written():
    nodes = [
        node
        for path in (ROOT / "workflows").glob("pcdms*.json")
        if path.stem != "pcdms_demo"
        for node in json.loads(path.read_text(encoding="utf-8"))["nodes"]
        if node["type"].startswith("MannequinLoadPCDMs")
    ]
    assert {node["widgets_values"][0] for node in nodes} == set(convert_pcdms.NAMES.values())


def test_names_that_say_a_stage():
    said = {name: stage_in_name(name) for name in ("s1_256.pt", "S2.pt", "s3-512.pt", "s21.pt", "s2a.pt", "ckpt_s2.pt")}
    assert list(said.values()) == ["prior", "inpainting", "refining", None, None, None]
