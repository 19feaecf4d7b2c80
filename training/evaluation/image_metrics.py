"""Similarity of a generated picture to the true one, and of two sets of features, as the published metric code has it.

Pictures are uint8 ``[H, W, 3]``. The true one comes first.
"""

import numpy as np
from scipy import linalg
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from .protocols import Protocol

#: Side of the uniform window that the field calls SSIM; pictures must be at least so large.
WINDOW = 51


def psnr(truth: np.ndarray, made: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    return float(peak_signal_noise_ratio(_unit(truth), _unit(made), data_range=1))


def ssim(truth: np.ndarray, made: np.ndarray) -> float:
    """Structural similarity (Wang et al., 2004) over uniform windows of 51 pixels, the channels' mean; at most 1."""
    return float(structural_similarity(_unit(truth), _unit(made), win_size=WINDOW, channel_axis=-1, data_range=1))


def ssim_256(truth: np.ndarray, made: np.ndarray, protocol: Protocol) -> float:
    """Structural similarity over Gaussian windows.

    Both families take the *generated* picture's own range for the range of the data, so that a flat picture is measured
    more strictly.
    """
    truth, made = _unit(truth) * 255, _unit(made) * 255
    return float(
        structural_similarity(
            truth,
            made,
            gaussian_weights=True,
            sigma=protocol.sigma,
            use_sample_covariance=False,
            channel_axis=-1,
            data_range=made.max() - made.min(),
        )
    )


def psnr_inside(truth: np.ndarray, made: np.ndarray, mask: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over the pixels of a boolean mask ``[H, W]``; NaN where it is empty."""
    if not mask.any():
        return float("nan")
    error = np.mean((_unit(truth)[mask] - _unit(made)[mask]) ** 2, dtype=np.float64)
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def l1(truth: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of values in 0–1."""
    return float(np.mean(np.abs(_unit(truth) - _unit(made))))


def relative_l1(truth: np.ndarray, made: np.ndarray) -> float:
    """Σ|a − b| / Σ(a + b): what PCDMs' code calls MAE."""
    truth, made = _unit(truth), _unit(made)
    return float(np.sum(np.abs(truth - made)) / np.sum(truth + made))


def frechet_distance(truth: np.ndarray, made: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features ``[n, D]`` (Heusel et al., 2017).

    ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½). Needs more features than dimensions to mean anything outside its own table.
    With Σ = FᵀF and Σ′ = F′ᵀF′ the root's trace is the sum of the singular values of FF′ᵀ, which holds its digits
    where there are fewer features than dimensions, and the root of the product does not exist in numbers.
    """
    truth, made = np.asarray(truth, np.float64), np.asarray(made, np.float64)
    means = truth.mean(0) - made.mean(0)
    factors = [_factor(features) for features in (truth, made)]
    traces = sum(float((factor**2).sum()) for factor in factors)
    return float(means @ means + traces - 2 * linalg.svdvals(factors[0] @ factors[1].T).sum())


def _factor(features: np.ndarray) -> np.ndarray:
    """F with FᵀF = Σ, of no more rows than there are features or dimensions: many features cost their QR once."""
    centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
    return centred if len(centred) <= centred.shape[1] else linalg.qr(centred, mode="r")[0][: centred.shape[1]]


def _unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255
