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


def l1(truth: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of values in 0–1."""
    return float(np.mean(np.abs(_unit(truth) - _unit(made))))


def relative_l1(truth: np.ndarray, made: np.ndarray) -> float:
    """Σ|a − b| / Σ(a + b): what PCDMs' code calls MAE."""
    truth, made = _unit(truth), _unit(made)
    return float(np.sum(np.abs(truth - made)) / np.sum(truth + made))


def frechet_distance(truth: np.ndarray, made: np.ndarray) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features ``[n, D]`` (Heusel et al., 2017).

    ‖μ − μ′‖² + tr(Σ + Σ′ − 2(ΣΣ′)^½). Needs more features than dimensions to mean anything.
    """
    means = truth.mean(0) - made.mean(0)
    covariances = np.cov(truth, rowvar=False), np.cov(made, rowvar=False)
    # The product of two covariances has real, non-negative eigenvalues; what is imaginary is rounding.
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    return float(means @ means + np.trace(covariances[0] + covariances[1] - 2 * root))


def _unit(picture: np.ndarray) -> np.ndarray:
    return picture.astype(np.float32) / 255
