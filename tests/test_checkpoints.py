"""Weight files: recognised by their keys, and what is wrong is named."""

import pytest
import torch
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.networks.truepose import TruePose, TruePoseShape
from mannequin.model_patches.sites import Site, parse_key, select_sites
from mannequin.model_patches.weight_kinds import build, describe, recognise, take_apart
from mannequin.model_patches.weight_kinds.truepose import TRUEPOSE, truepose_metadata

SHAPE = TruePoseShape.full(
    {Site("input", 1, 0): 8, Site("middle", 0, 0): 16}, context_dim=6, region_dim=4, pose_channels=8
)


def build_truepose(state, name, metadata):
    """TruePose's modules from a file's tensors."""
    return build(TRUEPOSE, take_apart(TRUEPOSE, state, name, metadata).modules, metadata, torch.nn)


@pytest.fixture
def state():
    return TruePose(SHAPE).state_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_file_gives_the_network_it_came_from(state, dtype):
    state = {key: tensor.to(dtype) for key, tensor in state.items()}
    network = build_truepose(state, "x.safetensors", truepose_metadata())
    assert network.shape == SHAPE
    assert all(
        torch.equal(tensor, state[key]) and tensor.dtype == dtype for key, tensor in network.state_dict().items()
    )
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_an_ablation_is_a_file_with_fewer_keys(state):
    without_caa = {k: t for k, t in state.items() if not k.startswith(("caa", "region_projection", "pose_encoder"))}
    network = build_truepose(without_caa, "x", None)
    assert not network.caa and network.pose_encoder is None and len(network.hpfa) == 2


@pytest.mark.parametrize(
    "keys, words",
    [
        (["model.diffusion_model.input_blocks.0.0.weight"], "Load Checkpoint"),
        (["down_blocks.0.resnets.0.norm1.weight"], "diffusers"),
        (["decoder.conv_in.weight"], "Load VAE"),
        (["lora_unet_down.lora_up.weight"], "Load LoRA"),
        (["what.is.this"], "not a file of a kind we know"),
    ],
)
def test_foreign_files_are_recognised(keys, words):
    assert words in describe(recognise(dict.fromkeys(keys)))
    with pytest.raises(PatchError, match="'foreign.safetensors' is "):
        build_truepose(dict.fromkeys(keys), "foreign.safetensors", None)


def test_missing_unexpected_and_misshapen_keys_are_named(state):
    state.pop("hpfa.input_1_0.to_v.weight")
    state["hpfa.input_1_0.to_x.weight"] = torch.zeros(1)
    state["caa.middle_0_0.to_v.weight"] = torch.zeros(2, 2)
    with pytest.raises(PatchError) as error:
        build_truepose(state, "x", None)
    message = str(error.value)
    assert "1 missing (hpfa.input_1_0.to_v.weight)" in message
    assert "1 unexpected (hpfa.input_1_0.to_x.weight)" in message
    assert "1 of another shape (caa.middle_0_0.to_v.weight)" in message


def test_a_site_nobody_knows_is_named(state):
    state["hpfa.elsewhere.to_k.weight"] = torch.zeros(8, 8)
    with pytest.raises(PatchError, match="attention site Mannequin does not know"):
        build_truepose(state, "x", None)


def test_a_later_format_is_refused(state):
    with pytest.raises(PatchError, match="format 9"):
        build_truepose(state, "x", {"mannequin.format": "9"})


SITES = [Site("input", 1, 0), Site("input", 4, 0), Site("input", 4, 1), Site("middle", 0, 0), Site("output", 3, 0)]


@pytest.mark.parametrize(
    "words, expected",
    [
        ("all", [0, 1, 2, 3, 4]),
        ("down", [0, 1, 2]),
        ("mid, up", [3, 4]),
        ("Up", [4]),
        ("input 4", [1, 2]),
        ("input 4.1", [2]),
        ("output 2-5, input1", [0, 4]),
        ("input 4.0, all", [0, 1, 2, 3, 4]),
    ],
)
def test_words_select_sites(words, expected):
    assert select_sites(words, SITES) == tuple(SITES[index] for index in expected)


@pytest.mark.parametrize("words", ["", " , ", "left", "input 2", "input 4.7", "up 3-", "all; down"])
def test_words_that_select_nothing_are_refused(words):
    with pytest.raises(PatchError, match="Write 'all'"):
        select_sites(words, SITES)


def test_keys_of_sites_read_back():
    assert all(parse_key(site.key) == site for site in SITES)
