"""DINOv2's tokens, of pictures prepared as PCDMs and IMAGPose prepare them: squashed to a square, CLIP's statistics."""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from model_patches.dino import BY_SCALE, EPSILON, PATCH, SIDE, at_side, checked, is_dino
from model_patches.errors import PatchError
from preprocessors.images import squashed

from ..errors import TrainingError
from .clip import clip_pixels

#: Tokens down and across the square, behind one that stands for all.
GRID = (SIDE // PATCH, SIDE // PATCH)


class Dino(nn.Module):
    """The class token and 16×16 patches of whole pictures, normalised."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures ``[B, H, W, 3]`` in 0–1 → ``[B, 257, D]`` on the CPU."""
        return self.embed(clip_pixels(squashed(pictures, SIDE, SIDE), SIDE))

    def embed(self, pixels: Tensor) -> Tensor:
        """The network's input ``[B, 3, 224, 224]`` → ``[B, 257, D]`` on the CPU."""
        device = next(self.network.parameters()).device
        return self.network(pixel_values=pixels.to(device)).last_hidden_state.float().cpu()

    def blank(self) -> Tensor:
        """Tokens of zero pixels of the network's input, ``[257, D]``: grey, not black."""
        with torch.no_grad():
            return self.embed(torch.zeros(1, 3, SIDE, SIDE))[0]


def load_dino(file: Path) -> Dino:
    """A frozen DINOv2 from a safetensors file in any spelling, as the node Load DINOv2 takes it.

    Raises:
        TrainingError: it is none.
    """
    from transformers import Dinov2Config, Dinov2Model

    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        state = load_file(file)
        if not is_dino(state):
            raise PatchError(f"'{file}' is no DINOv2.")
        shape, ours = checked(state, file.name, metadata)
    except (OSError, SafetensorError, PatchError) as error:
        raise TrainingError(
            f"'{file}' has no DINOv2 that can be read ({error}). Give model.safetensors of facebook/dinov2-giant, or "
            "of another size."
        ) from error
    config = Dinov2Config(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        use_swiglu_ffn=shape.gated,
        image_size=SIDE,
        patch_size=PATCH,
        layer_norm_eps=EPSILON,
    )
    weights = {key: tensor.float() for key, tensor in at_side(ours, shape, BY_SCALE).items()}
    # from_pretrained knows the older spelling in every version; the newest has another of its own.
    network = Dinov2Model.from_pretrained(None, config=config, state_dict=weights)
    return Dino(network.float().eval().requires_grad_(False))
