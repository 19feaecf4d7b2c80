"""Guidance that keeps the condition's contrast (Lin et al., "Common Diffusion Noise Schedules …", 2024, Eq. 15, 16)."""

from torch import Tensor


def rescaled(guided: Tensor, conditional: Tensor, amount: float) -> Tensor:
    """φ · guided · std(conditional) / std(guided) + (1 − φ) · guided, of a prediction ``[B, C, h, w]``.

    Args:
        guided: after classifier-free guidance.
        conditional: of the condition alone.
        amount: φ; 0 is ``guided``. Above 1, as PCDMs is published with 2, it goes beyond the condition's contrast.
    """
    axes = tuple(range(1, guided.ndim))
    contrast = conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True)
    return amount * guided * contrast + (1 - amount) * guided
