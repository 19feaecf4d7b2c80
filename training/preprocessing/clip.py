"""CLIP's image embeddings, of pictures prepared as ComfyUI's CLIP Vision prepares them with ``crop=False``."""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


def load_clip_vision(folder: Path) -> ClipVision:
    """A frozen image encoder from a folder as transformers saves it.

    Raises:
        TrainingError: there is none, or its projection is missing.
    """
    from safetensors import SafetensorError
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
    return ClipVision(network.float().eval().requires_grad_(False))
