"""Losses of diffusion training, per sample, and the noise schedules they belong to.

Schedules are diffusers' own; what is here is which one a paper takes, and what its prediction is compared with.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from torch.nn import functional as F

Prediction = Literal["epsilon", "v_prediction"]
TIMESTEPS = 1000


@dataclass(frozen=True)
class Schedule:
    """A variance schedule and what the network predicts under it.

    Attributes:
        betas: ``"scaled_linear"`` is linear in √β (Stable Diffusion), ``"linear"`` in β.
        prediction: ε, or v = √ᾱ ε − √(1 − ᾱ) x (Salimans and Ho, 2022).
        zero_snr: whether the last step is pure noise (Lin et al., 2024).
        spacing: which steps DDIM takes.
    """

    betas: Literal["linear", "scaled_linear"] = "scaled_linear"
    prediction: Prediction = "epsilon"
    zero_snr: bool = False
    spacing: Literal["leading", "trailing"] = "leading"

    def __post_init__(self) -> None:
        if self.prediction == "epsilon" and self.zero_snr:
            raise ValueError("Noise cannot be predicted where there is nothing else: zero_snr needs v_prediction.")

    def scheduler(self) -> DDIMScheduler:
        """As diffusers has it; η of DDIM is 0."""
        return DDIMScheduler(
            num_train_timesteps=TIMESTEPS,
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule=self.betas,
            prediction_type=self.prediction,
            rescale_betas_zero_snr=self.zero_snr,
            timestep_spacing=self.spacing,
            steps_offset=0 if self.spacing == "trailing" else 1,
            clip_sample=False,
            # The last step ends at the clean latent, as ComfyUI's samplers do.
            set_alpha_to_one=True,
        )


def noised(scheduler: DDIMScheduler, clean: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """x_t = √ᾱ x + √(1 − ᾱ) ε, and what the network should say of it; ``timesteps`` is ``[B]``."""
    noisy = scheduler.add_noise(clean, noise, timesteps)
    if scheduler.config.prediction_type == "v_prediction":
        return noisy, scheduler.get_velocity(clean, noise, timesteps)
    return noisy, noise


def offset_noise(noise: Tensor, offsets: Tensor, strength: float) -> Tensor:
    """ε + strength · one number for each row and channel, ``[B, C]``: lets training move a picture's mean."""
    return noise + strength * offsets[:, :, None, None]


def min_snr_weights(scheduler: DDIMScheduler, timesteps: Tensor, gamma: float) -> Tensor:
    """Weights ``[B]`` of the squared error: min(SNR, γ) of x̂₀'s (Hang et al., 2023, Eq. 9), in the prediction's terms.

    Divided by SNR for ε, by SNR + 1 for v. At zero terminal SNR v's weight is 0 / 1, as the formula has it.
    """
    alphas = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = alphas / (1 - alphas)
    divisor = snr + 1 if scheduler.config.prediction_type == "v_prediction" else snr
    return snr.clamp(max=gamma) / divisor


def squared_error(prediction: Tensor, target: Tensor, place: Tensor | None = None) -> Tensor:
    """Mean squared error of every row, ``[B]``; ``place`` weighs pixels, ``[B, 1, h, w]``."""
    error = F.mse_loss(prediction.float(), target.float(), reduction="none")
    return (error if place is None else place * error).flatten(1).mean(1)


def masked_squared_error(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of every row inside its mask, ``[B]``; 0 where the mask is empty.

    Args:
        mask: ``[B, h, w]`` in 0–1.
    """
    error = F.mse_loss(prediction.float(), target.float(), reduction="none").mean(1)
    return (error * mask).flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1e-6)


def dropped(uniform: Tensor, rate: float) -> Tensor:
    """Which rows train the null condition of classifier-free guidance, boolean ``[B]``."""
    return uniform < rate


def guided(null: Tensor, conditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance: ε_∅ + ω (ε_c − ε_∅) (Ho and Salimans, 2022)."""
    return torch.lerp(null, conditional, scale)
