"""RePoseDM's gradient guidance while training: the pose interaction field on what a prediction is wrong by.

P̃ is the decoded ε − ε_θ (Eq. 10), and the gradient of its distance from the pose is a constant of the loss (Eq. 3, 12).
"""

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from model_patches.errors import PatchError
from model_patches.guidance.pose_interaction_field import Rule, field_gradient, shift, taught_reach
from model_patches.networks.higherhrnet import HigherHRNet, PoseMaps, sized_for
from model_patches.weight_kinds import build, take_apart
from model_patches.weight_kinds.higherhrnet import HIGHERHRNET

from .autoencoders import Autoencoder
from .errors import TrainingError
from .objectives import Prediction


class TaughtField:
    """What is added to predictions, as :class:`~.methods.reposedm.RePoseDM` trains.

    No module: its networks are no part of what is trained, and follow what they are given to its device.

    Args:
        estimator, decoder: frozen.
        scale: s; by the rule "relative" a share of what the prediction is wrong by.
    """

    def __init__(self, estimator: HigherHRNet, decoder: Autoencoder, rule: Rule, scale: float) -> None:
        self.estimator, self.decoder, self.rule, self.scale = estimator, decoder, rule, scale

    def shift(self, error: Tensor, alphas: Tensor, prediction: Prediction, drawn: Tensor) -> Tensor:
        """ε̃_θ − ε_θ of Eq. 15, in the prediction's terms: ``[B, C, h, w]``, zeros where it is not of numbers.

        Args:
            error: ε − ε_θ, or v − v_θ, ``[B, C, h, w]``.
            alphas: ᾱ of the rows, ``[B]``.
            prediction: of the network.
            drawn: the targets' skeletons, uint8 ``[B, H, W, 3]``.
        """
        with torch.autocast(error.device.type, enabled=False):
            error = error.detach().float()
            wrong = error if prediction == "epsilon" else alphas.sqrt().view(-1, 1, 1, 1) * error
            _, gradient = field_gradient(
                wrong, self._looked_at, self._maps(drawn.movedim(-1, 1).float() / 255).features
            )
            if self.rule == "relative":
                moved = shift(error, gradient, alphas, self.scale, 1.0, self.rule)
            else:
                moved = self.scale * taught_reach(alphas, self.rule, prediction).view(-1, 1, 1, 1) * gradient
        fine = moved.flatten(1).isfinite().all(1).view(-1, 1, 1, 1)
        return torch.where(fine, moved, 0.0)

    def _looked_at(self, latent: Tensor) -> PoseMaps:
        return self._maps((self.decoder.to(latent.device).decode(latent) * 0.5 + 0.5).clamp(0, 1))

    def _maps(self, pictures: Tensor) -> PoseMaps:
        return self.estimator.to(pictures.device)(sized_for(pictures))


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
            f"'{file}' has no pose estimator that can be read ({error}). Make one of a published HigherHRNet: python "
            "dev.py training convert higherhrnet FILE OUT"
        ) from error
    return build(HIGHERHRNET, modules, metadata, nn).float()
