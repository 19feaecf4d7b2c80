"""DINOv2 (Oquab et al., 2023) as weight files spell it: all spellings in one, sizes read off, positions for 224 pixels.

Three spellings are about: Facebook's own, and transformers' before and since version 5. Ours is the older of
transformers', which the host's class has.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import PatchError
from .unet_family import whole_number
from .weight_kinds.kind import Metadata, Shapes, State

#: Of which every DINOv2 has one, in transformers' spelling or in Facebook's.
FIRST_KEYS = ("encoder.layer.0.layer_scale1.lambda1", "blocks.0.ls1.gamma")
#: Sides in pixels of a patch and of the pictures that PCDMs and IMAGPose show DINOv2.
PATCH, SIDE = 14, 224
#: Of the norms of all published sizes.
EPSILON = 1e-6
#: Width of the heads of all published sizes; a file with others says in its header how many it has.
HEAD = 64
HEADS_KEY = "mannequin.dino_heads"
#: How positions of 37×37 patches become those of 16×16. Both methods pin a transformers that scales by 16.1/37, as
#: Facebook's code does; since 4.46 it asks for the size. Tokens differ by a tenth of their size.
Positions = Literal["scale 16.1/37", "size 16×16"]
BY_SCALE, BY_SIZE = "scale 16.1/37", "size 16×16"

_POSITIONS, _CLASS, _MASK = "embeddings.position_embeddings", "embeddings.cls_token", "embeddings.mask_token"
_FIRST = "embeddings.patch_embeddings.projection"
_RENAMED = {
    "cls_token": _CLASS,
    "pos_embed": _POSITIONS,
    "mask_token": _MASK,
    "patch_embed.proj.weight": f"{_FIRST}.weight",
    "patch_embed.proj.bias": f"{_FIRST}.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
_LAYER = re.compile(r"(?:blocks|encoder\.layer)\.(\d+)\.(.+?)(\.weight|\.bias|)")
#: Within a layer.
_PARTS = {
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.w12": "mlp.weights_in",
    "mlp.w3": "mlp.weights_out",
    "attention.q_proj": "attention.attention.query",
    "attention.k_proj": "attention.attention.key",
    "attention.v_proj": "attention.attention.value",
    "attention.o_proj": "attention.output.dense",
    "mlp.down_proj": "mlp.weights_out",
}
#: What some spellings keep in one tensor: the halves or thirds, in order.
_SPLIT = {"attn.qkv": [f"attention.attention.{name}" for name in ("query", "key", "value")]}
_JOINED = {"mlp.gate_proj": "mlp.up_proj"}


@dataclass(frozen=True)
class DinoShape:
    """Sizes: base 768 wide with 12 layers, large 1024 with 24, giant 1536 with 40 and gated feed-forwards."""

    width: int
    layers: int
    heads: int
    gated: bool

    @classmethod
    def of(cls, state: State, metadata: Metadata) -> "DinoShape":
        """The sizes of weights in our spelling.

        Raises:
            KeyError: a key that tells a size is missing.
            PatchError: the heads in the header cannot share the width.
        """
        width = state[_CLASS].shape[-1]
        layers = {key.split(".")[2] for key in state if key.startswith("encoder.layer.")}
        heads = whole_number(metadata, HEADS_KEY) or max(1, width // HEAD)
        if width % heads:
            raise PatchError(
                f"Its tokens are {width} wide, which {heads} heads ('{HEADS_KEY}' in its header) cannot share. Take "
                "another file."
            )
        return cls(width, len(layers), heads, "encoder.layer.0.mlp.weights_in.weight" in state)

    def shapes(self) -> Shapes:
        """Every key of such a file and its shape, but for the positions and the mask token, which is for training."""
        width = self.width
        if self.gated:
            hidden = (4 * width * 2 // 3 + 7) // 8 * 8
            feed_forward = {"mlp.weights_in": (2 * hidden, width), "mlp.weights_out": (width, hidden)}
        else:
            feed_forward = {"mlp.fc1": (4 * width, width), "mlp.fc2": (width, 4 * width)}
        matrices = feed_forward | {
            f"attention.{name}": (width, width)
            for name in ("attention.query", "attention.key", "attention.value", "output.dense")
        }
        layer = {f"layer_scale{number}.lambda1": (width,) for number in (1, 2)}
        for name, shape in {**matrices, "norm1": (width,), "norm2": (width,)}.items():
            layer |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        shapes = {
            _CLASS: (1, 1, width),
            f"{_FIRST}.weight": (width, 3, PATCH, PATCH),
            f"{_FIRST}.bias": (width,),
            "layernorm.weight": (width,),
            "layernorm.bias": (width,),
        }
        for number in range(self.layers):
            shapes |= {f"encoder.layer.{number}.{name}": shape for name, shape in layer.items()}
        return shapes


def is_dino(keys: Collection[str]) -> bool:
    """Whether a file is a DINOv2, in any spelling."""
    return any(key in keys for key in FIRST_KEYS)


def in_our_spelling(state: State) -> dict[str, Tensor]:
    """The weights of any spelling under the keys that the host's class has; keys of no spelling stay as they are."""
    ours: dict[str, Tensor] = {}
    for key, tensor in state.items():
        place = _LAYER.fullmatch(key)
        if place is None:
            ours[_RENAMED.get(key, key)] = tensor
            continue
        number, part, ending = place.groups()
        start = f"encoder.layer.{number}."
        if part in _SPLIT:
            names = _SPLIT[part]
            pieces = tensor.chunk(len(names)) if len(tensor) % len(names) == 0 else [tensor]
            ours |= {start + name + ending: piece for name, piece in zip(names, pieces, strict=False)}
        elif part in _JOINED:
            other = state.get(key.replace(part, _JOINED[part]))
            ours[f"{start}mlp.weights_in{ending}"] = tensor if other is None else torch.cat([tensor, other])
        elif part not in _JOINED.values():
            ours[start + _PARTS.get(part, part) + ending] = tensor
    return ours


def positions_at_side(positions: Tensor, how: Positions) -> Tensor:
    """Position embeddings ``[1, 1 + n², C]`` for pictures of 224 pixels: ``[1, 257, C]``, fp32."""
    side = SIDE // PATCH
    count = round((positions.shape[1] - 1) ** 0.5)
    if count == side:
        return positions.float()
    grid = positions[:, 1:].float().unflatten(1, (count, count)).movedim(-1, 1)
    size = {"size": (side, side)} if how == BY_SIZE else {"scale_factor": (side + 0.1) / count}
    grid = F.interpolate(grid, mode="bicubic", align_corners=False, **size)
    return torch.cat([positions[:, :1].float(), grid.flatten(2).mT], 1)


def checked(state: State, name: str, metadata: Metadata) -> tuple[DinoShape, dict[str, Tensor]]:
    """Sizes and weights, in our spelling, of a file; tensors may be without memory.

    Raises:
        PatchError: it is no complete DINOv2.
    """
    if any(key.endswith("register_tokens") for key in state):
        raise PatchError(
            f"'{name}' is a DINOv2 with registers, which no method here was trained with. Take the one without "
            "(facebook/dinov2-giant, not dinov2-with-registers-giant)."
        )
    ours = in_our_spelling(state)
    try:
        shape = DinoShape.of(ours, metadata)
        positions = tuple(ours[_POSITIONS].shape)
    except KeyError as error:
        raise PatchError(f"'{name}' is no complete DINOv2: {error} is missing. Download it again.") from error
    expected = shape.shapes()
    found = {key: tuple(tensor.shape) for key, tensor in ours.items() if key not in (_POSITIONS, _MASK)}
    wrong = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    patches = positions[1] - 1 if len(positions) == 3 else 0
    if patches < 1 or round(patches**0.5) ** 2 != patches or positions[::2] != (1, shape.width):
        wrong.append(_POSITIONS)
    if wrong:
        raise PatchError(
            f"'{name}' is no complete DINOv2: {len(wrong)} keys are missing, of another shape or unknown "
            f"({', '.join(wrong[:3])}{', …' if len(wrong) > 3 else ''}). Download it again."
        )
    return shape, ours


def at_side(state: Mapping[str, Tensor], shape: DinoShape, how: Positions) -> dict[str, Tensor]:
    """Weights in our spelling for pictures of 224 pixels, with a mask token if they have none."""
    mask = state.get(_MASK, torch.zeros(1, shape.width))
    return {**state, _MASK: mask, _POSITIONS: positions_at_side(state[_POSITIONS], how)}
