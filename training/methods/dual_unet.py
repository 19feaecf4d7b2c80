"""What TruePose and MCLD share: two UNets of one shape, a diffusion loss, DDIM with classifier-free guidance."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from model_patches.attention.token_masks import soft_grid
from model_patches.sites import Site
from model_patches.source import width_of
from model_patches.unet_family import SD1, Heads
from model_patches.unet_layout import HEAD, UNetLayout
from model_patches.weight_kinds.kind import DENOISING, REFERENCE

from ..autoencoders import Autoencoder
from ..correspondence import Correspondence, Looking
from ..data.records import Record
from ..diffusers_binding import Memories, conditioned, transformer_blocks
from ..draws import Draws
from ..errors import TrainingError
from ..objectives import Schedule, guided, min_snr_weights, noised, offset_noise, squared_error
from ..unets import heads_of, small_unet, trained_unet
from .base import Batch, Method, Sampler, tensor
from .base import field as field_of


@dataclass(frozen=True)
class SmallUNet:
    """A UNet of Stable Diffusion 1.x's architecture at other sizes; see :class:`UNetLayout`.

    Attributes:
        channels: of the latents.
        heads: of every level.
    """

    widths: tuple[int, ...] = (64, 64, 64, 64)
    attends: tuple[bool, ...] = (True, True, True, False)
    layers: int = 1
    context_dim: int = 64
    channels: int = 4
    heads: int = 8

    def build(self, seed: int) -> UNet2DConditionModel:
        """With fresh weights."""
        layout = UNetLayout(
            self.widths,
            self.attends,
            self.layers,
            self.context_dim,
            linear=False,
            in_channels=self.channels,
            out_channels=self.channels,
        )
        return small_unet(layout, seed, replace(SD1, heads=Heads(number=self.heads)))


@dataclass(frozen=True)
class DiffusionOptions:
    """What every recipe of a dual UNet chooses.

    Attributes:
        base: a Stable Diffusion folder as diffusers saves it, or sizes of a small UNet with fresh weights.
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
    schedule: Schedule = field(default_factory=Schedule)
    sampling: Schedule | None = None
    noise_offset: float = 0.0
    min_snr: float = 0.0
    background: float = 1.0
    correspondence: float = 0.0
    steps: int = 35
    guidance: float = 3.5
    checkpointing: bool = False


class DualUNet(Method, Sampler):
    """A denoising UNet that is told about the source by a second one."""

    def __init__(self, options: DiffusionOptions, seed: int) -> None:
        super().__init__()
        self.options = options
        base = options.base
        build = (lambda: base.build(seed)) if isinstance(base, SmallUNet) else lambda: trained_unet(base)
        #: Both begin with the same weights.
        self.denoising, self.reference = build(), build()
        self.heads = heads_of(self.denoising)
        if options.checkpointing:
            self.denoising.enable_gradient_checkpointing()
        self.noise = options.schedule.scheduler()

    def freeze_unread(self, queries: bool) -> None:
        """What of ReferenceNet is never looked at gets no gradient, and is told so: everything behind its last site.

        Args:
            queries: whether the last site's own queries and keys are read, not only its input.
        """
        last = list(transformer_blocks(self.reference).values())[-1]
        unread = [last.attn1.to_out, last.attn2, last.norm2, last.norm3, last.ff]
        unread += [self.reference.conv_norm_out, self.reference.conv_out]
        passed = False
        for block in self.reference.up_blocks:
            for number, resnet in enumerate(block.resnets):
                if passed:
                    unread.append(resnet)
                attentions = getattr(block, "attentions", None)
                if attentions is not None and last in attentions[number].transformer_blocks:
                    unread.append(attentions[number].proj_out)
                    passed = True
            if passed and block.upsamplers is not None:
                unread.append(block.upsamplers)
        for module in [*unread, *([] if queries else [last.attn1])]:
            module.requires_grad_(False)

    @property
    def sites(self) -> list[Site]:
        """Every attention site of the denoising UNet."""
        return list(transformer_blocks(self.denoising))

    @property
    def widths(self) -> dict[Site, int]:
        """Feature width of every site."""
        return {site: width_of(block) for site, block in transformer_blocks(self.denoising).items()}

    @property
    def context_dim(self) -> int:
        """Width of the cross-attention context."""
        return self.denoising.config.cross_attention_dim

    @property
    @abstractmethod
    def modules_between(self) -> nn.Module:
        """What the method adds to the two UNets; its parameter names are the file's."""

    @abstractmethod
    def encode_pose(self, batch: Batch) -> Tensor:
        """Features that are added after the denoising UNet's ``conv_in``, ``[B, C, h, w]``."""

    @abstractmethod
    def reads(self, batch: Batch) -> Tensor:
        """The latent that ReferenceNet reads, ``[B, 4, h, w]``."""

    @abstractmethod
    def remember(self, batch: Batch, draws: Draws | None) -> Memories:
        """What the source leaves at every site, with gradients; ``draws`` is None while sampling."""

    @abstractmethod
    def correspondence(self, batch: Batch) -> Correspondence:
        """Of the batch's targets and what ReferenceNet reads."""

    @abstractmethod
    def kept(self, rows: int, draws: Draws) -> Tensor | None:
        """Which rows train with their condition, boolean ``[B]``; None is all of them."""

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = {"target_latent": tensor(field_of(record, "latent"), torch.float32)}
        if self.options.background != 1 or self.options.correspondence:
            read["target_parsing"] = tensor(field_of(record, "parsing"), torch.uint8)
        if self.options.correspondence:
            read["target_iuv"] = tensor(field_of(record, "iuv"), torch.uint8)
        return read

    def denoise(self, noisy: Tensor, timesteps: Tensor, pose: Tensor) -> Tensor:
        """The network's prediction; the context is zero tokens, which every condition is added to."""
        context = noisy.new_zeros(len(noisy), 1, self.context_dim)
        with added(self.denoising.conv_in, pose):
            return self.denoising(noisy, timesteps, encoder_hidden_states=context).sample

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        clean = batch["target_latent"]
        noise = draws.normal(*clean.shape[1:])
        if self.options.noise_offset:
            noise = offset_noise(noise, draws.normal(clean.shape[1]), self.options.noise_offset)
        timesteps = draws.integers(self.noise.config.num_train_timesteps)
        noisy, truth = noised(self.noise, clean, noise, timesteps)
        keep = self.kept(len(clean), draws)
        look = self.looking(batch) if self.options.correspondence else None
        with conditioned(self.denoising, self.remember(batch, draws), keep, watch=look):
            prediction = self.denoise(noisy, timesteps, self.encode_pose(batch))
        weights = min_snr_weights(self.noise, timesteps, self.options.min_snr) if self.options.min_snr else 1.0
        terms = self.losses(batch, prediction, truth, weights)
        if look is not None:
            terms["correspondence"] = self.options.correspondence * look.error()
        return terms

    def looking(self, batch: Batch) -> Looking:
        """What sees where the batch's targets look."""
        latents = batch["target_latent"], self.reads(batch)
        return Looking(self.correspondence(batch), *(tuple(latent.shape[-2:]) for latent in latents))

    def losses(self, batch: Batch, prediction: Tensor, truth: Tensor, weights: Tensor | float) -> dict[str, Tensor]:
        """The terms of the loss; ``weights`` of the rows, ``[B]``."""
        place = None
        if self.options.background != 1:
            person = soft_grid(batch["target_parsing"] > 0, tuple(prediction.shape[-2:]))
            place = torch.lerp(torch.full_like(person, self.options.background), torch.ones_like(person), person)
        return {"diffusion": (weights * squared_error(prediction, truth, place)).mean()}

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        scheduler = (self.options.sampling or self.options.schedule).scheduler()
        scheduler.set_timesteps(steps or self.options.steps)
        guidance = self.options.guidance if guidance is None else guidance
        pose = self.encode_pose(batch)
        latents = noise
        memories = self.remember(batch, None)
        for timestep in scheduler.timesteps:
            rows = timestep.expand(len(noise)).to(noise.device)
            with conditioned(self.denoising, memories):
                prediction = self.denoise(latents, rows, pose)
            if guidance != 1:
                # The null condition is the network without its patches.
                prediction = guided(self.denoise(latents, rows, pose), prediction, guidance)
            latents = scheduler.step(prediction, timestep, latents).prev_sample
        return latents

    def show(self, batch: Batch, draws: Draws, autoencoder: Autoencoder | None) -> list[Tensor]:
        if autoencoder is None:
            raise TrainingError(
                "Sample grids need a decoder: give the recipe data.autoencoder, or set grid_every to 0."
            )
        made = self.sample(batch, draws.normal(*batch["target_latent"].shape[1:]))
        return [autoencoder.decode(latent) for latent in (self.reads(batch), batch["target_latent"], made)]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        return {
            **{DENOISING + key: tensor for key, tensor in self.denoising.state_dict().items()},
            **{REFERENCE + key: t for key, t in self.reference.state_dict().items() if key not in HEAD},
            **self.modules_between.state_dict(),
        }, self.heads.metadata()

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of :meth:`weights`."""
        parts: dict[str, dict[str, Tensor]] = {DENOISING: {}, REFERENCE: {}, "": {}}
        for key, value in tensors.items():
            prefix = next(prefix for prefix in parts if key.startswith(prefix))
            parts[prefix][key.removeprefix(prefix)] = value
        self.denoising.load_state_dict(parts[DENOISING])
        # The file has no head for ReferenceNet, whose own nobody reads.
        self.reference.load_state_dict(parts[REFERENCE] | {key: self.reference.state_dict()[key] for key in HEAD})
        self.modules_between.load_state_dict(parts[""])


@contextmanager
def added(layer: nn.Module, features: Tensor) -> Iterator[None]:
    """Within the block, a layer's result has ``features`` added to it."""
    handle = layer.register_forward_hook(lambda module, given, result: result + features)
    try:
        yield
    finally:
        handle.remove()
