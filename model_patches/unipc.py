"""UniPC (Zhao et al., "UniPC: A Unified Predictor-Corrector Framework …", 2023): order 2, B(h) = e^h − 1, for x₀.

Samples here are of exploding variance, x = x₀ + σε: the paper's, divided by α. Its α then cancel in every step, its
λ is −log σ, and a step of the first order is DDIM's.
"""

import math
from collections.abc import Callable, Sequence

from torch import Tensor


def unipc(
    predict: Callable[[Tensor, int], Tensor],
    x: Tensor,
    sigmas: Sequence[float],
    after: Callable[[int, Tensor, Tensor], None] = lambda step, x, clean: None,
    second_order: bool = True,
) -> Tensor:
    """A sample at the last noise level, of one at the first.

    Args:
        predict: x₀ of a sample at the noise level of this number.
        x: of exploding variance.
        sigmas: noise levels, falling; the last may be 0.
        after: told each step's number, its sample and x₀.
        second_order: without it, and without the corrector, it is DDIM.
    """
    steps, former, before, started = len(sigmas) - 1, None, None, x
    for step in range(steps):
        clean = predict(x, step)
        if second_order and step > 0:
            x = _corrected(started, sigmas[: step + 1], former, before, clean)
        after(step, x, clean)
        started, stepped = x, _stepped(x, clean, sigmas[step], sigmas[step + 1])
        # The first step knows one x₀, and the last is of the first order, too.
        if second_order and 0 < step < steps - 1:
            slope = (former - clean) / _ratio(*sigmas[step - 1 : step + 2])
            stepped = stepped + 0.5 * (1 - sigmas[step + 1] / sigmas[step]) * slope
        x, before, former = stepped, former, clean
    return x


def _ratio(before: float, sigma: float, following: float) -> float:
    """r: the step before, backwards, in units of the coming one, of λ."""
    return math.log(sigma / before) / math.log(sigma / following)


def _stepped(x: Tensor, clean: Tensor, sigma: float, following: float) -> Tensor:
    """The first order's: towards x₀."""
    ratio = following / sigma
    return ratio * x + (1 - ratio) * clean


def _corrected(x: Tensor, sigmas: Sequence[float], former: Tensor, before: Tensor | None, clean: Tensor) -> Tensor:
    """The step that has led to the last of ``sigmas``, again, with the x₀ that is now known there (UniC).

    Args:
        x: where that step began.
        former, before: x₀ there, and one step earlier; None makes it of the first order.
        clean: x₀ where it ended.
    """
    sigma, following = sigmas[-2:]
    h = math.log(sigma / following)
    b_of_h = math.expm1(-h)
    stepped = _stepped(x, former, sigma, following)
    if before is None:
        return stepped - b_of_h * 0.5 * (clean - former)
    # Σ ρ = b₁ and Σ r ρ = b₂ (the paper's R_p ρ = b), with r = 1 for the step itself.
    first = b_of_h / -h - 1
    b_1, b_2 = first / b_of_h, 2 * (first / -h - 0.5) / b_of_h
    r = _ratio(sigmas[-3], sigma, following)
    earlier = (b_1 - b_2) / (1 - r)
    return stepped - b_of_h * (earlier * (before - former) / r + (b_1 - earlier) * (clean - former))
