"""CLIP's image embeddings, of pictures prepared as ComfyUI's CLIP Vision prepares them with ``crop=False``."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from model_patches.errors import PatchError
from model_patches.weight_kinds.small_clip import clip_config
from preprocessors.errors import reason

from ..errors import TrainingError

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipVision(nn.Module):
    """The projected, pooled embedding of whole pictures: they are stretched to the network's square, never cropped."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    @property
    def side(self) -> int:
        """Of the network's input."""
        return self.network.config.image_size

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures ``[B, H, W, 3]`` in 0–1 → ``[B, D]`` on the CPU."""
        return self.embed(clip_pixels(pictures, self.side))

    def embed(self, pixels: Tensor) -> Tensor:
        """The network's input, :func:`clip_pixels` → ``[B, D]`` on the CPU."""
        device = next(self.network.parameters()).device
        return self.network(pixel_values=pixels.to(device)).image_embeds.float().cpu()

    def blank(self) -> Tensor:
        """The embedding of zero pixels of the network's input, ``[D]``: grey, not black."""
        with torch.no_grad():
            return self.embed(torch.zeros(1, 3, self.side, self.side))[0]


def clip_pixels(pictures: Tensor, side: int) -> Tensor:
    """The network's input ``[B, 3, side, side]`` of pictures ``[B, H, W, 3]`` in 0–1."""
    channels = pictures.movedim(-1, 1)
    if channels.shape[2:] != (side, side):
        channels = F.interpolate(channels, size=(side, side), mode="bicubic", antialias=True)
    # To eight bits, as a picture file would have it.
    channels = (255 * channels).clamp(0, 255).round() / 255
    mean, deviation = (channels.new_tensor(values).view(3, 1, 1) for values in (MEAN, DEVIATION))
    return (channels - mean) / deviation


def load_clip_vision(place: Path) -> ClipVision:
    """A frozen image encoder from a folder as transformers saves it, or a small one's file, as
    ``python -m training.small_clip`` writes it for the node.

    Raises:
        TrainingError: there is none, or its projection is missing.
    """
    return ClipVision((_of_file if place.is_file() else _of_folder)(place).float().eval().requires_grad_(False))


def _of_file(file: Path) -> nn.Module:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    try:
        with safe_open(file, "pt") as opened:
            sizes = clip_config(opened.metadata() or {})
        network = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes))
        network.load_state_dict(load_file(file))
    except (OSError, SafetensorError, RuntimeError, PatchError) as error:
        raise TrainingError(
            f"'{file}' is no small CLIP image encoder ({reason(error)}). Give the clip_vision.safetensors that python "
            "dev.py training small_clip has written, or a folder as transformers saves it."
        ) from error
    return network


def _of_folder(folder: Path) -> nn.Module:
    from transformers import CLIPVisionModelWithProjection

    try:
        network, report = CLIPVisionModelWithProjection.from_pretrained(
            folder, local_files_only=True, output_loading_info=True
        )
    except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"'{folder}' has no CLIP image encoder that can be read ({reason}). Give a folder with config.json and "
            "model.safetensors, such as image_encoder of lambdalabs/sd-image-variations-diffusers."
        ) from error
    if report["missing_keys"]:
        raise TrainingError(
            f"The image encoder in '{folder}' lacks {sorted(report['missing_keys'])[0]}. Take config.json and weights "
            "from one place."
        )
    return network
