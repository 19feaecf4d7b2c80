"""What a pose estimator sees in latents and in drawn poses, with gradients: RePoseDM's Eq. 10 and 11."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from model_patches.errors import PatchError
from model_patches.guidance.pose_interaction_field import Field, field_gradient
from model_patches.networks.higherhrnet import HigherHRNet, PoseMaps, sized_for
from model_patches.weight_kinds import build, take_apart
from model_patches.weight_kinds.higherhrnet import HIGHERHRNET

from .autoencoders import Autoencoder
from .errors import TrainingError

#: Of pictures, or of their latents, the part that is looked at.
Shown = Callable[[Tensor], Tensor]


def whole(pictures: Tensor) -> Tensor:
    """All of them."""
    return pictures


class SeenPoses:
    """A decoder and an estimator behind it.

    No module: both are frozen, no part of what is trained, and follow what they are given to its device.
    """

    def __init__(self, estimator: HigherHRNet, decoder: Autoencoder) -> None:
        self.estimator, self.decoder = estimator, decoder

    def gradient(self, latents: Tensor, drawn: Tensor, shown: Shown = whole) -> tuple[Field, Tensor]:
        """G of latents in the UNet's scale ``[B, C, h, w]``, and its gradient; in single precision.

        Args:
            drawn: the poses that are wanted, uint8 ``[B, H, W, 3]``.
            shown: what of the decoded pictures ``[B, 3, H, W]`` is looked at, as many views of every row.
        """
        with torch.autocast(latents.device.type, enabled=False):
            return self.plain_gradient(latents, drawn, shown)

    def plain_gradient(self, latents: Tensor, drawn: Tensor, shown: Shown = whole) -> tuple[Field, Tensor]:
        """The same, in whatever precision is set."""
        views = len(shown(latents)) // len(drawn)
        wanted = self._maps(drawn.movedim(-1, 1).float() / 255).features.repeat_interleave(views, 0)

        def maps_of(latents: Tensor) -> PoseMaps:
            pictures = self.decoder.to(latents.device).decode(latents) * 0.5 + 0.5
            return self._maps(shown(pictures.clamp(0, 1)))

        return field_gradient(latents.float(), maps_of, wanted)

    def _maps(self, pictures: Tensor) -> PoseMaps:
        return self.estimator.to(pictures.device).for_field(sized_for(pictures))


def load_estimator(file: Path) -> HigherHRNet:
    """A frozen pose estimator from a file that the node Load Pose Estimator reads.

    Raises:
        TrainingError: it is none.
    """
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
        modules = take_apart(HIGHERHRNET, load_file(file), file.name, metadata).modules
    except (OSError, SafetensorError, PatchError) as error:
        raise TrainingError(
            f"'{file}' has no pose estimator that can be read ({error}). Make one of a published HigherHRNet: "
            "python dev.py training convert higherhrnet FILE OUT"
        ) from error
    return build(HIGHERHRNET, modules, metadata, nn).float()
