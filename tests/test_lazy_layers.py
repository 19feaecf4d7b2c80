"""Hosts with dynamic VRAM: their layers have no weights until a file is read, and ours work as on any other."""

import inspect

import comfy.model_management
import comfy.model_patcher
import comfy.ops
import pytest
import torch
from mannequin.model_patches.comfy_networks import give_weights, host_operations
from mannequin.model_patches.comfy_small_sd import SmallSD, build_clip_vision, build_model, build_truepose, build_vae
from mannequin.nodes.loaders import MannequinLoadSmallCLIPVision, MannequinLoadTruePoseModel
from small import SIZES, model, patched, random, sample
from torch import nn


def lazy_init(self, in_features, out_features, bias=True, device=None, dtype=None):
    nn.Module.__init__(self)
    self.in_features, self.out_features = in_features, out_features
    self.weight = self.bias = None
    self.comfy_need_lazy_init_bias = bias
    self.weight_comfy_model_dtype = self.bias_comfy_model_dtype = dtype


def lazy_load(self, state, prefix, metadata, strict, missing, unexpected, errors):
    """What the file has becomes the weight as it is."""
    for name in ("weight", "bias"):
        if prefix + name in state:
            setattr(self, name, nn.Parameter(state[prefix + name].clone(), requires_grad=False))
        elif name == "weight" or self.comfy_need_lazy_init_bias:
            missing.append(prefix + name)


@pytest.fixture
def lazy(monkeypatch):
    """``lazy()`` makes the host's Linear wait for a file, as its versions with dynamic VRAM do."""

    def begin() -> None:
        monkeypatch.setattr(comfy.ops.disable_weight_init.Linear, "__init__", lazy_init)
        monkeypatch.setattr(comfy.ops.disable_weight_init.Linear, "_load_from_state_dict", lazy_load)

    return begin


def same(found: nn.Module, expected: nn.Module) -> bool:
    """The same keys, dtypes and bits."""
    found, expected = found.state_dict(), expected.state_dict()
    return found.keys() == expected.keys() and all(
        found[key].dtype == expected[key].dtype and torch.equal(found[key], expected[key]) for key in expected
    )


def test_the_simulation(lazy):
    lazy()
    layer = comfy.ops.manual_cast.Linear(3, 2)
    assert layer.weight is None and not layer.state_dict()
    layer.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.ones(2)})
    assert torch.equal(layer(torch.ones(1, 3)), torch.full((1, 2), 4.0))


@pytest.mark.parametrize(
    "name, words",
    [
        ("Linear", (3, 2)),
        ("Conv1d", (3, 2, 1)),
        ("Conv2d", (3, 2, 1)),
        ("Conv3d", (3, 2, 1)),
        ("ConvTranspose1d", (3, 2, 1)),
        ("ConvTranspose2d", (3, 2, 1)),
        ("Embedding", (3, 2)),
        ("GroupNorm", (2, 4)),
        ("LayerNorm", (4,)),
    ],
)
def test_every_layer_of_ours_is_torchs_own(lazy, name, words):
    """In what it holds from the start and in how it is read; its forward is the host's."""
    lazy()
    ours, plain = getattr(host_operations(), name)(*words), getattr(nn, name)(*words)
    assert isinstance(ours, getattr(comfy.ops.manual_cast, name))
    shapes = {key: tensor.shape for key, tensor in plain.state_dict().items()}
    assert {key: tensor.shape for key, tensor in ours.state_dict().items()} == shapes
    ours.load_state_dict(plain.state_dict())
    assert same(ours, plain)
    with pytest.raises(RuntimeError, match="Missing key"):
        ours.load_state_dict({})


def test_our_layers_cast_to_the_query(lazy):
    lazy()
    layer = host_operations().Linear(3, 2, dtype=torch.float16)
    layer.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.ones(2)})
    assert torch.equal(layer(torch.ones(1, 3)), torch.full((1, 2), 4.0))


def test_a_file_is_read_to_the_same_networks(lazy):
    load = MannequinLoadTruePoseModel.execute
    expected = load(weights="demo_truepose.safetensors").result
    lazy()
    for patcher, plain in zip(load(weights="demo_truepose.safetensors").result, expected, strict=True):
        assert same(patcher.model, plain.model)


def test_half_precision_files_are_widened_as_the_host_would(lazy, monkeypatch):
    """A layer that takes its tensor as it is must not keep another dtype than its neighbours."""
    monkeypatch.setattr(comfy.model_management, "unet_dtype", lambda *words, **named: torch.float64)
    test_a_file_is_read_to_the_same_networks(lazy)


def test_the_small_image_encoder(lazy):
    def seen() -> torch.Tensor:
        encoder = MannequinLoadSmallCLIPVision.execute(weights="demo_clip_vision.safetensors").result[0]
        return encoder.encode_image(random(1, 64, 64, 3).abs())["image_embeds"]

    expected = seen()
    lazy()
    assert torch.equal(seen(), expected)


@pytest.mark.parametrize("layout", SIZES)
def test_untrained_models_have_the_same_weights(lazy, layout):
    def networks():
        base = build_model(SIZES[layout], 0)
        return [
            base.model,
            build_vae(1).first_stage_model,
            build_clip_vision(2).model,
            build_truepose(base, 64, 3).model,
        ]

    expected = networks()
    lazy()
    assert all(same(network, plain) for network, plain in zip(networks(), expected, strict=True))


def test_embeddings_on_no_device_get_memory():
    """As the same hosts leave them."""
    network = nn.Sequential(nn.Embedding(3, 2, device="meta", dtype=torch.float16))
    give_weights(network)
    assert not network[0].weight.is_meta and network[0].weight.dtype == torch.float16


@pytest.mark.parametrize("layout", SIZES)
def test_a_sampled_picture_is_the_same(lazy, layout):
    def picture():
        return sample(patched(model(layout), "hpfa", "caa", "reference", "mfca"))

    expected = picture()
    lazy()
    assert torch.equal(picture(), expected)


@pytest.mark.parametrize("index", range(3))
def test_the_host_gets_another_copy_of_what_we_loaded(index):
    """torch.compile under dynamic VRAM, and a second device."""
    patcher = MannequinLoadTruePoseModel.execute(weights="demo_truepose.safetensors").result[index]
    factory, words, *rest = patcher.cached_patcher_init
    assert not rest, "an index beside them is known to some versions only"
    copy = factory(*words, disable_dynamic=True)
    assert type(copy) is comfy.model_patcher.ModelPatcher
    assert copy.model is not patcher.model and same(copy.model, patcher.model)
    assert same(factory(*words).model, patcher.model)


def test_the_host_gets_another_copy_of_an_untrained_model():
    patcher = build_model(SmallSD(width=32), 4)
    factory, words = patcher.cached_patcher_init
    copy = factory(*words, disable_dynamic=True)
    assert copy.model is not patcher.model and same(copy.model, patcher.model)


@pytest.mark.skipif(
    "disable_dynamic" not in inspect.signature(comfy.model_patcher.ModelPatcher.clone).parameters,
    reason="this ComfyUI has no dynamic VRAM",
)
def test_clones_without_dynamic_vram(monkeypatch):
    """As TorchCompileModel makes them."""
    patcher = patched(build_model(SmallSD(width=32, context_dim=32, heads=2), 4), "reference")
    monkeypatch.setattr(patcher, "is_dynamic", lambda: True)
    clone = patcher.clone(disable_dynamic=True)
    assert clone.model is not patcher.model and same(clone.model, patcher.model)
