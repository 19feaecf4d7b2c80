"""A small image encoder of CLIP's architecture, whose header holds its sizes: the host knows large ones only."""

import json
from collections.abc import Iterator
from typing import Any

from ..errors import PatchError
from .kind import Metadata, Shapes, State, WeightKind, by_training

#: Where the header holds the sizes, as transformers writes them.
CLIP_CONFIG_KEY = "mannequin.clip_vision_config"

_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "num_channels",
    "patch_size",
    "image_size",
    "projection_dim",
)
_ACTIVATIONS = ("quick_gelu", "gelu")
#: Older versions of transformers write it.
_POSITION_IDS = "vision_model.embeddings.position_ids"
#: An encoder with more layers than this is none that the host does not know.
_MOST_LAYERS = 200


def clip_config(metadata: Metadata) -> dict[str, Any]:
    """The sizes in a file's header.

    Raises:
        PatchError: they are not such sizes.
    """
    try:
        config = json.loads(metadata[CLIP_CONFIG_KEY])
        sizes = [config[name] for name in _SIZES]
        fits = (
            all(type(size) is int and size > 0 for size in sizes)
            and config["num_hidden_layers"] <= _MOST_LAYERS
            and config["hidden_size"] % config["num_attention_heads"] == 0
            and config["hidden_act"] in _ACTIVATIONS
            and config["model_type"] == "clip_vision_model"
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise PatchError(
            f"Its header's '{CLIP_CONFIG_KEY}' are no sizes of a CLIP vision encoder. Make it again with "
            f"{by_training('small_clip OUT')}."
        )
    return config


def _shapes(state: State, metadata: Metadata) -> Shapes:
    return dict(_all(state, clip_config(metadata)))


def _all(state: State, config: dict[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    width, inner, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    positions = (config["image_size"] // patch) ** 2 + 1
    embeddings = "vision_model.embeddings"
    yield f"{embeddings}.class_embedding", (width,)
    yield f"{embeddings}.patch_embedding.weight", (width, config["num_channels"], patch, patch)
    yield f"{embeddings}.position_embedding.weight", (positions, width)
    if _POSITION_IDS in state:
        yield _POSITION_IDS, (1, positions)
    layers = [f"vision_model.encoder.layers.{number}" for number in range(config["num_hidden_layers"])]
    norms = ["vision_model.pre_layrnorm", "vision_model.post_layernorm"]
    norms += [f"{layer}.layer_norm{number}" for layer in layers for number in (1, 2)]
    linear = {f"{layer}.self_attn.{name}_proj": (width, width) for layer in layers for name in ("q", "k", "v", "out")}
    linear |= {f"{layer}.mlp.fc1": (inner, width) for layer in layers}
    linear |= {f"{layer}.mlp.fc2": (width, inner) for layer in layers}
    for name, shape in (linear | dict.fromkeys(norms, (width,))).items():
        yield f"{name}.weight", shape
        yield f"{name}.bias", shape[:1]
    yield "visual_projection.weight", (config["projection_dim"], width)


SMALL_CLIP = WeightKind(
    name="small image encoder",
    what="a small image encoder",
    node="Load Small CLIP Vision",
    advice=(
        f"A small image encoder has its sizes in its header ('{CLIP_CONFIG_KEY}'), as demo_clip_vision.safetensors has"
    ),
    recognise=lambda keys, metadata: CLIP_CONFIG_KEY in metadata,
    shapes=_shapes,
)
KINDS = (SMALL_CLIP,)
