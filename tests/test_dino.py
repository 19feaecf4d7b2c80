"""DINOv2 at 224 pixels: the published numbers, every spelling of its keys, what is no DINOv2."""

import folder_paths
import pytest
import torch
from mannequin.model_patches.comfy_dino import load_dino
from mannequin.model_patches.dino import BY_SCALE, BY_SIZE, HEADS_KEY, DinoShape, checked, is_dino, positions_at_side
from mannequin.model_patches.errors import PatchError
from mannequin.model_patches.weight_kinds import describe, recognise
from mannequin.nodes import dino as node
from mannequin.nodes.dino import MannequinLoadDINOv2
from mannequin.nodes.errors import NodeError
from safetensors.torch import save_file
from small import difference, random

from devtools import parity, untrained

BASE, GIANT = DinoShape(32, 2, 2, gated=False), DinoShape(48, 2, 3, gated=True)
SIZES = pytest.mark.parametrize("shape", [BASE, GIANT], ids=["base", "giant"])
#: Of our spelling, in Facebook's and in that of transformers 5.
FACEBOOK = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm.": "norm.",
    "encoder.layer": "blocks",
    "attention.output.dense": "attn.proj",
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
    "weights_in": "w12",
    "weights_out": "w3",
}
TRANSFORMERS_5 = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "weights_out": "down_proj",
}


def renamed(key: str, names: dict[str, str]) -> str:
    for ours, theirs in names.items():
        key = key.replace(ours, theirs)
    return key


def facebook(state: dict) -> dict:
    """The same weights as Facebook spells them: queries, keys and values in one."""
    theirs = {renamed(key, FACEBOOK): tensor for key, tensor in state.items() if ".attention.attention." not in key}
    for start in {key.split(".query")[0] for key in state if ".query" in key}:
        for ending in ("weight", "bias"):
            parts = [state[f"{start}.{name}.{ending}"] for name in ("query", "key", "value")]
            layer = start.split(".")[2]
            theirs[f"blocks.{layer}.attn.qkv.{ending}"] = torch.cat(parts)
    return theirs | {"mask_token": torch.zeros(1, len(state["layernorm.weight"]))}


def transformers_5(state: dict) -> dict:
    """The same weights as transformers spells them since version 5: the gate by itself."""
    theirs = {}
    for key, tensor in state.items():
        if "weights_in" in key:
            gate, up = tensor.chunk(2)
            theirs |= {key.replace("weights_in", "gate_proj"): gate, key.replace("weights_in", "up_proj"): up}
        else:
            theirs[renamed(key, TRANSFORMERS_5)] = tensor
    return theirs


def weights(shape: DinoShape, seed: int = 0) -> dict:
    state = untrained.dino_state(shape, seed)
    # Biases of 0 would hide a wrong place.
    return {key: tensor + 0.1 * random(*tensor.shape, seed=n) for n, (key, tensor) in enumerate(state.items())}


def header(shape: DinoShape) -> dict:
    return {HEADS_KEY: str(shape.heads)}


def encoder(shape: DinoShape, state: dict, how: str = BY_SCALE):
    return load_dino(state, "x", header(shape), how, torch.float32)


def tokens(encoder, side: int = 224) -> torch.Tensor:
    picture = torch.rand(1, side, side, 3, generator=torch.Generator().manual_seed(2))
    return encoder.encode_image(picture, crop=False).last_hidden_state


def test_parity(golden, capsys):
    """Of both kinds of feed-forward, under both interpolations, from the photo on."""
    assert parity.main([str(golden("dino_tokens.safetensors"))]) == 0
    assert '"kind": "dino_tokens"' in capsys.readouterr().out


@SIZES
@pytest.mark.parametrize("spelling", [facebook, transformers_5])
def test_a_spelling_is_the_same_network(shape, spelling):
    ours = weights(shape)
    theirs = spelling(ours)
    assert theirs.keys() != ours.keys() and is_dino(theirs)
    assert torch.equal(tokens(encoder(shape, ours)), tokens(encoder(shape, theirs)))


@SIZES
def test_what_transformers_saves(shape):
    """The installed version's own class and names: the tokens of both under its interpolation."""
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        image_size=518,
        use_swiglu_ffn=shape.gated,
    )
    theirs = Dinov2Model(config).eval()
    state = theirs.state_dict()
    for number, tensor in enumerate(state.values()):
        tensor.copy_(0.2 * random(*tensor.shape, seed=number))
    ours = encoder(shape, state, BY_SIZE)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (ours.image_mean, ours.image_std))
    picture = (torch.rand(1, 224, 224, 3, generator=torch.Generator().manual_seed(3)) * 255).round() / 255
    expected = theirs((picture.movedim(-1, 1) - mean) / std).last_hidden_state
    assert difference(ours.encode_image(picture, crop=False).last_hidden_state, expected) < 1e-4


def test_its_statistics_are_clips_at_224():
    made = encoder(BASE, weights(BASE))
    assert made.image_size == 224
    assert made.image_mean == [0.48145466, 0.4578275, 0.40821073] and made.image_std[0] == 0.26862954
    assert tokens(made).shape == (1, 257, 32)
    # Another size is squashed to it.
    assert tokens(made, 300).shape == (1, 257, 32)


def test_the_host_keeps_it_in_its_own_precision():
    made = load_dino(weights(BASE), "x", header(BASE), BY_SCALE)
    assert {parameter.dtype for parameter in made.model.parameters()} == {made.dtype}
    exact = tokens(encoder(BASE, weights(BASE)))
    assert 0 < difference(tokens(made).float(), exact) < 2e-2 * float(exact.abs().max())


class TestPositions:
    def test_a_ramp_stays_a_ramp(self):
        """Patch centres of 16 columns lie among those of 37; by the scale of 16.1/37, a bit nearer to the left."""
        columns = torch.arange(37.0).repeat(37)[:, None]
        positions = torch.cat([torch.full((1, 1), -1.0), columns])[None]
        for how, scale in ((BY_SIZE, 16 / 37), (BY_SCALE, 16.1 / 37)):
            made = positions_at_side(positions, how)
            assert made.shape == (1, 257, 1) and made[0, 0, 0] == -1
            rows = made[0, 1:, 0].unflatten(0, (16, 16))
            expected = (torch.arange(16) + 0.5) / scale - 0.5
            assert difference(rows, rows[:1].expand(16, -1)) < 1e-4
            # Within, where no edge is near; torch's cubic curves waver about a line by 0.05 of a column.
            assert difference(rows[0, 1:-1], expected[1:-1]) < 0.06, how

    def test_a_file_for_224_keeps_its_own(self):
        state = untrained.dino_state(BASE, patches=16)
        for how in (BY_SCALE, BY_SIZE):
            made = load_dino(state, "x", header(BASE), how, torch.float32).model.embeddings.position_embeddings
            assert torch.equal(made, state["embeddings.position_embeddings"])


class TestWrongFiles:
    @pytest.mark.parametrize(
        "key",
        [
            "embeddings.cls_token",
            "embeddings.position_embeddings",
            "layernorm.bias",
            "encoder.layer.1.mlp.weights_out.weight",
            "encoder.layer.0.attention.attention.key.weight",
        ],
    )
    def test_a_missing_key(self, key):
        state = weights(GIANT)
        state.pop(key)
        with pytest.raises(PatchError, match=f"'x' is no complete DINOv2: .*{key}"):
            checked(state, "x", header(GIANT))

    def test_the_other_half_of_a_gate(self):
        state = transformers_5(weights(GIANT))
        state.pop("encoder.layer.1.mlp.up_proj.bias")
        with pytest.raises(PatchError, match=r"no complete DINOv2: 1 keys .*layer\.1\.mlp\.weights_in\.bias"):
            checked(state, "x", header(GIANT))

    def test_positions_that_are_no_square(self):
        state = weights(BASE)
        state["embeddings.position_embeddings"] = torch.zeros(1, 1371, 32)
        with pytest.raises(PatchError, match="position_embeddings"):
            checked(state, "x", header(BASE))

    def test_registers(self):
        state = weights(BASE) | {"embeddings.register_tokens": torch.zeros(1, 4, 32)}
        with pytest.raises(PatchError, match="DINOv2 with registers"):
            checked(state, "x", header(BASE))

    def test_heads_that_cannot_share_the_width(self):
        with pytest.raises(PatchError, match="32 wide, which 5 heads"):
            checked(weights(BASE), "x", {HEADS_KEY: "5"})

    @pytest.mark.parametrize("spelling", [dict, facebook, transformers_5])
    def test_in_our_folder_it_is_called_by_its_name(self, spelling):
        state = spelling(weights(BASE))
        assert "a DINOv2 image encoder; load it with Load DINOv2" in describe(recognise(state))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A models/clip_vision of its own, with a DINOv2 and something else in it."""
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "clip_vision", ([str(tmp_path)], {".safetensors"}))
    folder_paths.filename_list_cache.pop("clip_vision", None)
    save_file(weights(GIANT), tmp_path / "dino.safetensors", header(GIANT))
    save_file({"vision_model.embeddings.class_embedding": torch.zeros(4)}, tmp_path / "clip.safetensors")
    yield tmp_path
    folder_paths.filename_list_cache.pop("clip_vision", None)


class TestNode:
    def test_it_lists_what_it_loads(self, folder):
        assert node._files() == ["dino.safetensors", "demo_dino.safetensors"], "the user's before the pack's own"
        (made,) = MannequinLoadDINOv2.execute("dino.safetensors", BY_SIZE, "float32").result
        assert torch.equal(tokens(made), tokens(encoder(GIANT, weights(GIANT), BY_SIZE)))

    def test_the_packs_own_is_loaded(self, folder):
        (made,) = MannequinLoadDINOv2.execute("demo_dino.safetensors").result
        assert tokens(made).shape == (1, 257, 64)

    @pytest.mark.parametrize(
        "name, sentence",
        [
            ("clip.safetensors", "'clip.safetensors' is no DINOv2. .* Load CLIP Vision"),
            ("none.safetensors", "no safetensors file 'none.safetensors' in models/clip_vision; .* dino.safetensors"),
        ],
    )
    def test_another_file(self, folder, name, sentence):
        with pytest.raises(NodeError, match=f"Load DINOv2: .*{sentence}"):
            MannequinLoadDINOv2.execute(name)
