"""DINOv2 in the host's own class, for pictures of 224 pixels under CLIP's statistics.

The host's loader knows two sizes, at 518 pixels under ImageNet's statistics.
"""

from typing import Any

import torch
from torch import nn

from .comfy_small_sd import host_clip_vision
from .dino import EPSILON, PATCH, SIDE, Positions, at_side, checked
from .weight_kinds.kind import Metadata, State


def load_dino(
    state: State, name: str, metadata: Metadata | None, positions: Positions, dtype: torch.dtype | None = None
) -> Any:
    """A CLIP_VISION whose ``last_hidden_state`` is ``[B, 257, width]``: the class token and 16×16 patches, normalised.

    Args:
        state: of a file in any spelling.
        name: the file's name, for errors.
        positions: how position embeddings are interpolated.
        dtype: None is what the host keeps image encoders in, fp16 mostly: 1e-3 of the tokens.

    Raises:
        PatchError: the file is no complete DINOv2.
    """
    shape, ours = checked(state, name, metadata or {})
    clip_vision = host_clip_vision(
        {
            "model_type": "dinov2",
            "hidden_size": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "layer_norm_eps": EPSILON,
            "use_swiglu_ffn": shape.gated,
            "image_size": SIDE,
            "patch_size": PATCH,
        }
    )
    if dtype is not None:
        clip_vision.dtype = dtype
        clip_vision.model.to(dtype)
    weights = {key: tensor.to(clip_vision.dtype) for key, tensor in at_side(ours, shape, positions).items()}
    embeddings = clip_vision.model.embeddings
    size = weights["embeddings.position_embeddings"].shape
    embeddings.position_embeddings = nn.Parameter(torch.empty(size, dtype=clip_vision.dtype), requires_grad=False)
    clip_vision.load_sd(weights)
    return clip_vision
