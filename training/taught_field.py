"""RePoseDM's gradient guidance while training: the pose interaction field on what a prediction is wrong by.

P̃ is the decoded ε − ε_θ (Eq. 10), and the gradient of its distance from the pose is a constant of the loss (Eq. 3, 12).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_patches.guidance.pose_interaction_field import Rule, shift, taught_reach

from .objectives import Prediction
from .seen_poses import SeenPoses


@dataclass(frozen=True, eq=False)
class TaughtField:
    """What is added to predictions before their loss.

    Attributes:
        seen: the estimator and the decoder.
        scale: s; by the rule "relative" a share of what the prediction is wrong by.
    """

    seen: SeenPoses
    rule: Rule
    scale: float

    def shift(self, error: Tensor, alphas: Tensor, prediction: Prediction, drawn: Tensor) -> Tensor:
        """ε̃_θ − ε_θ of Eq. 15, in the prediction's terms: ``[B, C, h, w]``, zeros where it is not of numbers.

        Args:
            error: ε − ε_θ, or v − v_θ, ``[B, C, h, w]``.
            alphas: ᾱ of the rows, ``[B]``.
            prediction: of the network.
            drawn: the targets' skeletons, uint8 ``[B, H, W, 3]``.
        """
        error = error.detach().float()
        wrong = error if prediction == "epsilon" else alphas.sqrt().view(-1, 1, 1, 1) * error
        _, gradient = self.seen.gradient(wrong, drawn)
        if self.rule == "relative":
            moved = shift(error, gradient, alphas, self.scale, 1.0, self.rule)
        else:
            moved = self.scale * taught_reach(alphas, self.rule, prediction).view(-1, 1, 1, 1) * gradient
        return torch.where(moved.flatten(1).isfinite().all(1).view(-1, 1, 1, 1), moved, 0.0)
