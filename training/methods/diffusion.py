"""What every diffusion method here shares: a denoising UNet, its noise and loss, DDIM with classifier-free guidance."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from model_patches.attention.token_masks import soft_grid
from model_patches.unet_family import SD1, Heads, UNetFamily
from model_patches.unet_layout import VECTOR, UNetLayout

from ..autoencoders import Autoencoder
from ..data.records import Record
from ..diffusers_binding import checkpointed
from ..draws import Draws
from ..errors import TrainingError
from ..objectives import Schedule, guided, min_snr_weights, noised, offset_noise, squared_error
from ..unets import heads_of, small_unet, told_its_size, trained_unet, widened
from .base import Batch, Method, Sampler, tensor
from .base import field as field_of
from .begun import begin_from, take_backbone

#: The network's prediction for latents ``[B, C, h, w]`` at timesteps ``[B]``.
Predict = Callable[[Tensor, Tensor], Tensor]

#: What becomes of a prediction under guidance: of noisy latents, timesteps, the condition's prediction, the guided one,
#: and the scale of guidance.
Steer = Callable[[Tensor, Tensor, Tensor, Tensor, float], Tensor]


class Base(Protocol):
    """What a UNet is made of, where it is not a folder."""

    def build(self, seed: int, family: UNetFamily = SD1) -> UNet2DConditionModel:
        """With fresh weights."""


@dataclass(frozen=True)
class SmallUNet:
    """A UNet of Stable Diffusion's architecture at other sizes; see :class:`UNetLayout`.

    Attributes:
        channels: of the latents.
        heads: of every level.
        head_width: of heads, in the place of their number; 0 goes by the number.
        depths: transformers of every level, see :class:`UNetLayout`.
        told_size: whether it is told words and a picture's size beside the time, as SDXL's is; latents are then of
            SDXL's autoencoder.
    """

    widths: tuple[int, ...] = (64, 64, 64, 64)
    attends: tuple[bool, ...] = (True, True, True, False)
    layers: int = 1
    context_dim: int = 64
    channels: int = 4
    heads: int = 8
    head_width: int = 0
    depths: tuple[int, ...] = ()
    told_size: bool = False

    def build(self, seed: int, family: UNetFamily = SD1) -> UNet2DConditionModel:
        """With fresh weights; a class embedding of ``family`` is of vectors as wide as the context."""
        layout = UNetLayout(
            self.widths,
            self.attends,
            self.layers,
            self.context_dim,
            linear=family.generation == 2 or self.told_size,
            in_channels=family.beside.channels(self.channels) if family.beside else self.channels,
            out_channels=self.channels * (1 + family.learned_variance),
            class_dim=self.context_dim if family.class_embedding else 0,
            depths=self.depths,
            vector_dim=VECTOR if self.told_size else 0,
        )
        heads = Heads(width=self.head_width) if self.head_width else Heads(number=self.heads)
        return small_unet(layout, seed, replace(family, heads=heads))


@dataclass(frozen=True)
class DiffusionOptions:
    """What every recipe of a diffusion method chooses.

    Attributes:
        base: a Stable Diffusion folder as diffusers saves it, or sizes of a small UNet with fresh weights.
        backbone: a weight file of another method of the same base, whose UNet the denoising one begins as; ours.
        begin: weight files of this method that training begins from, each over those before: of an earlier run or
            stage, of a motion module.
        schedule: noise while training.
        sampling: noise while sampling, where the published code takes another; None is the same.
        noise_offset: strength of the noise's own mean (0 leaves it out).
        min_snr: γ of min-SNR weighting; 0 leaves it out.
        background: weight of the error where the target shows nobody; ours, below 1 where backgrounds cannot be known.
        correspondence: weight of what teaches attention on the source to look at the same place of the body (see
            :mod:`..correspondence`); ours, and needs DensePose of the data. 0 leaves it out.
        steps, guidance: of DDIM.
        checkpointing: whether activations are computed twice instead of kept.
    """

    base: Path | SmallUNet = field(default_factory=SmallUNet)
    backbone: Path | None = None
    begin: tuple[Path, ...] = ()
    schedule: Schedule = field(default_factory=Schedule)
    sampling: Schedule | None = None
    noise_offset: float = 0.0
    min_snr: float = 0.0
    background: float = 1.0
    correspondence: float = 0.0
    steps: int = 35
    guidance: float = 3.5
    checkpointing: bool = False


class Diffusion(Method, Sampler):
    """A denoising UNet, and how it is trained and sampled.

    Args:
        family: of the UNet, whose heads are the options' where its base is small.
    """

    def __init__(self, options: DiffusionOptions, seed: int, family: UNetFamily = SD1) -> None:
        super().__init__()
        self.options = options
        self.denoising = build_unet(options.base, seed, family)
        self.heads = heads_of(self.denoising)
        if options.checkpointing:
            self.denoising.enable_gradient_checkpointing(checkpointed)
        self.noise = options.schedule.scheduler()
        self._steer: Steer | None = None

    def begin(self) -> None:
        if self.options.backbone:
            take_backbone(self.options.backbone, self.denoising)
        begin_from(self.options.begin, self.weights()[0])

    @property
    def context_dim(self) -> int:
        """Width of the cross-attention context."""
        return self.denoising.config.cross_attention_dim

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = {"target_latent": tensor(field_of(record, "latent"), torch.float32)}
        if self.options.background != 1 or self.options.correspondence:
            read["target_parsing"] = tensor(field_of(record, "parsing"), torch.uint8)
        if self.options.correspondence:
            read["target_iuv"] = tensor(field_of(record, "iuv"), torch.uint8)
        return read

    def noisy(self, clean: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Latents with noise, what the network should say of them, and their timesteps ``[B]``."""
        noise = draws.normal(*clean.shape[1:])
        if self.options.noise_offset:
            noise = offset_noise(noise, draws.normal(clean.shape[1]), self.options.noise_offset)
        timesteps = draws.integers(self.noise.config.num_train_timesteps)
        return *noised(self.noise, clean, noise, timesteps), timesteps

    def row_weights(self, timesteps: Tensor) -> Tensor | float:
        """Of the rows' errors, ``[B]``."""
        return min_snr_weights(self.noise, timesteps, self.options.min_snr) if self.options.min_snr else 1.0

    def place_weights(self, batch: Batch, grid: tuple[int, int]) -> Tensor | None:
        """Of the errors at a latent's places, ``[B, 1, h, w]``; None where all count alike."""
        return None if self.options.background == 1 else self.person_weights(batch["target_parsing"], grid)

    def person_weights(self, parsing: Tensor, grid: tuple[int, int]) -> Tensor:
        """1 where pictures ``[B, H, W]`` show somebody, and the background's weight elsewhere: ``[B, 1, h, w]``."""
        share = soft_grid(parsing > 0, grid)
        return torch.lerp(torch.full_like(share, self.options.background), torch.ones_like(share), share)

    def losses(self, batch: Batch, prediction: Tensor, truth: Tensor, weights: Tensor | float) -> dict[str, Tensor]:
        """The terms of the loss; ``weights`` of the rows, ``[B]``."""
        place = self.place_weights(batch, tuple(prediction.shape[-2:]))
        return {"diffusion": (weights * squared_error(prediction, truth, place)).mean()}

    def told(
        self,
        latents: Tensor,
        timesteps: Tensor,
        beside: Tensor | None,
        context: Tensor,
        vector: Tensor | None = None,
        pose: Tensor | None = None,
    ) -> Tensor:
        """The network's prediction ``[B, C, h, w]``.

        Args:
            beside: what is concatenated with the latents, ``[B, …, h, w]``; None is nothing.
            context: ``[B, tokens, D]``.
            vector: of the class embedding, ``[B, D]``.
            pose: features that are added after the first convolution.
        """
        features = contextlib.nullcontext() if pose is None else added(self.denoising.conv_in, pose)
        given = latents if beside is None else torch.cat([latents, beside], 1)
        with features:
            return self.denoising(given, timesteps, encoder_hidden_states=context, class_labels=vector).sample

    def ddim(self, noise: Tensor, predict: Predict, steps: int | None = None) -> Tensor:
        """Latents from noise; ``steps`` None takes the recipe's."""
        scheduler = (self.options.sampling or self.options.schedule).scheduler()
        scheduler.set_timesteps(steps or self.options.steps)
        latents = noise
        for timestep in scheduler.timesteps:
            rows = timestep.expand(len(noise)).to(noise.device)
            latents = scheduler.step(predict(latents, rows), timestep, latents).prev_sample
        return latents

    def guided_ddim(
        self, noise: Tensor, told: Predict, null: Predict, steps: int | None = None, guidance: float | None = None
    ) -> Tensor:
        """Latents from noise under classifier-free guidance.

        Args:
            told, null: the network under its condition, and under the null condition.
            steps, guidance: None takes the recipe's.
        """
        scale = self.options.guidance if guidance is None else guidance

        def predict(latents: Tensor, timesteps: Tensor) -> Tensor:
            conditional = told(latents, timesteps)
            made = conditional if scale == 1 else guided(null(latents, timesteps), conditional, scale)
            return made if self._steer is None else self._steer(latents, timesteps, conditional, made, scale)

        return self.ddim(noise, predict, steps)

    @contextlib.contextmanager
    def steered(self, steer: Steer) -> Iterator[None]:
        """Within the block, predictions of :meth:`guided_ddim` are what ``steer`` makes of them."""
        self._steer = steer
        try:
            yield
        finally:
            self._steer = None

    def shown(self, batch: Batch) -> list[Tensor]:
        """Latents of a sample grid's first columns."""
        return [batch["target_latent"]]

    def show(self, batch: Batch, draws: Draws, autoencoder: Autoencoder | None) -> list[Tensor]:
        if autoencoder is None:
            raise TrainingError(
                "Sample grids need a decoder: give the recipe data.autoencoder, or set grid_every to 0."
            )
        made = self.sample(batch, draws.normal(*self.noise_shape(batch)))
        return [autoencoder.decode(latent) for latent in (*self.shown(batch), made)]


def build_unet(base: Path | Base, seed: int, family: UNetFamily = SD1) -> UNet2DConditionModel:
    """A small UNet with fresh weights, or a trained one."""
    return told_its_size(widened(trained_unet(base), family)) if isinstance(base, Path) else base.build(seed, family)


@contextlib.contextmanager
def added(layer: nn.Module, features: Tensor) -> Iterator[None]:
    """Within the block, a layer's result has ``features`` added to it."""
    handle = layer.register_forward_hook(lambda module, given, result: result + features)
    try:
        yield
    finally:
        handle.remove()
