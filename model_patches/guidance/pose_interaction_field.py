"""RePoseDM's pose interaction field (Eq. 10–12) and the guidance by its gradient (Eq. 14–16), in x̂₀'s terms.

Samplers speak x̂₀ of x = x̂₀ + σε, so that ᾱ = 1 / (1 + σ²). ε is not known while sampling: what is decoded is x̂₀,
where training decodes ε − ε_θ.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..networks.higherhrnet import PoseMaps

#: Heat summed over the joints above which a place counts as a pose that was made (section 3.3).
THRESHOLD = 0.1

Rule = Literal["Eq. 15", "Eq. 14", "relative"]


class Field(NamedTuple):
    """The field of pictures.

    Attributes:
        distance: G, ``[B]``: a sum over places and channels, as Eq. 11 is written.
        density: W_h · ‖P_φ(P̃) − P_φ(P)‖², ``[B, 1, h, w]``, whose sum G is.
        weight: W_h, ``[B, 1, h, w]`` in 0–1.
    """

    distance: Tensor
    density: Tensor
    weight: Tensor


def heat_weight(fine: Tensor, size: tuple[int, int]) -> Tensor:
    """W_h ``[B, 1, h, w]`` of heat maps ``[B, joints, H, W]``: where the picture shows joints. A constant."""
    mask = (fine.detach().sum(1, keepdim=True) > THRESHOLD).to(fine.dtype)
    return F.interpolate(mask, size=size, mode="area")


def pose_field(made: PoseMaps, target: Tensor) -> Field:
    """Eq. 11 of the maps of generated pictures and P_φ(P) of the target's drawing ``[1 or B, width, h, w]``."""
    weight = heat_weight(made.fine, made.features.shape[-2:])
    density = weight * (made.features - target).square().sum(1, keepdim=True)
    return Field(density.flatten(1).sum(1), density, weight)


def field_gradient(clean: Tensor, maps_of: Callable[[Tensor], PoseMaps], target: Tensor) -> tuple[Field, Tensor]:
    """G of x̂₀ and its gradient, whatever mode the caller is in.

    Args:
        clean: x̂₀ ``[B, C, h, w]``.
        maps_of: decodes and looks; whatever it computes with was made outside inference mode.
        target: as in :func:`pose_field`, made outside it too.
    """
    with torch.inference_mode(False), torch.enable_grad():
        variable = clean.detach().clone().requires_grad_()
        field = pose_field(maps_of(variable), target)
        (gradient,) = torch.autograd.grad(field.distance.sum(), variable)
    return Field(*(part.detach() for part in field)), gradient


def reach(sigma: Tensor, rule: Rule) -> Tensor:
    """What the gradient is multiplied by at noise level σ: σ² / √(1 + σ²) by Eq. 15, σ / √(1 + σ²) by Eq. 14.

    The first grows with σ without bound, the second stays below 1.
    """
    return sigma ** (2 if rule == "Eq. 15" else 1) / (1 + sigma**2).sqrt()


def taught_reach(alphas: Tensor, rule: Rule, prediction: Literal["epsilon", "v_prediction"]) -> Tensor:
    """What the gradient is multiplied by where it is added to a prediction while training (Eq. 3, 14, 15).

    To ε: √(1 − ᾱ) by Eq. 15, √ᾱ by Eq. 14. To v the same over √ᾱ: σ, which grows without bound, and 1.

    Args:
        alphas: ᾱ; above 0 for v by Eq. 15.
    """
    if prediction == "epsilon":
        return (1 - alphas if rule == "Eq. 15" else alphas).sqrt()
    return ((1 - alphas) / alphas).sqrt() if rule == "Eq. 15" else torch.ones_like(alphas)


def shift(clean: Tensor, gradient: Tensor, sigma: Tensor, scale: float, guidance: float, rule: Rule) -> Tensor:
    """What is taken away from the guided x̂₀: w · s · reach · ∇G by Eq. 16.

    Args:
        clean: the condition's x̂₀, ``[B, C, h, w]``.
        gradient: ∇G at x̂₀.
        sigma: ``[B]`` or of one number.
        scale: s; by the rule "relative" the shift's length as a share of x̂₀'s, at every noise level.
        guidance: w of classifier-free guidance, which "relative" leaves out.
    """
    if rule == "relative":
        of_clean, of_gradient = (tensor.flatten(1).norm(dim=1).view(-1, 1, 1, 1) for tensor in (clean, gradient))
        return scale * of_clean * torch.where(of_gradient > 0, gradient / of_gradient, 0)
    return guidance * scale * reach(sigma, rule).view(-1, 1, 1, 1) * gradient
