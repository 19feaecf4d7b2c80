"""What TruePose and MCLD share: a denoising UNet that is told about the source by a second one of its shape."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from model_patches.sites import Site
from model_patches.source import width_of
from model_patches.unet_layout import HEAD
from model_patches.weight_kinds.kind import DENOISING, REFERENCE

from ..correspondence import Correspondence, Looking
from ..diffusers_binding import Memories, conditioned, transformer_blocks
from ..draws import Draws
from .base import Batch
from .diffusion import Diffusion, DiffusionOptions, added, build_unet


class DualUNet(Diffusion):
    """A denoising UNet that is told about the source by a second one."""

    def __init__(self, options: DiffusionOptions, seed: int) -> None:
        super().__init__(options, seed)
        #: Begins with the same weights.
        self.reference = build_unet(options.base, seed)

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

    def denoise(self, noisy: Tensor, timesteps: Tensor, pose: Tensor) -> Tensor:
        """The network's prediction; the context is zero tokens, which every condition is added to."""
        context = noisy.new_zeros(len(noisy), 1, self.context_dim)
        with added(self.denoising.conv_in, pose):
            return self.denoising(noisy, timesteps, encoder_hidden_states=context).sample

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        clean = batch["target_latent"]
        noisy, truth, timesteps = self.noisy(clean, draws)
        keep = self.kept(len(clean), draws)
        look = self.looking(batch) if self.options.correspondence else None
        with conditioned(self.denoising, self.remember(batch, draws), keep, watch=look):
            prediction = self.denoise(noisy, timesteps, self.encode_pose(batch))
        terms = self.losses(batch, prediction, truth, self.row_weights(timesteps))
        if look is not None:
            terms["correspondence"] = self.options.correspondence * look.error()
        return terms

    def looking(self, batch: Batch) -> Looking:
        """What sees where the batch's targets look."""
        latents = batch["target_latent"], self.reads(batch)
        return Looking(self.correspondence(batch), *(tuple(latent.shape[-2:]) for latent in latents))

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        pose, memories = self.encode_pose(batch), self.remember(batch, None)

        def told(latents: Tensor, timesteps: Tensor) -> Tensor:
            with conditioned(self.denoising, memories):
                return self.denoise(latents, timesteps, pose)

        # The null condition is the network without its patches.
        return self.guided_ddim(noise, told, lambda x, timesteps: self.denoise(x, timesteps, pose), steps, guidance)

    def shown(self, batch: Batch) -> list[Tensor]:
        return [self.reads(batch), *super().shown(batch)]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        return {
            **{DENOISING + key: tensor for key, tensor in self.denoising.state_dict().items()},
            **{REFERENCE + key: t for key, t in self.reference.state_dict().items() if key not in HEAD},
            **self.modules_between.state_dict(),
        }, self.heads.metadata()

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        parts: dict[str, dict[str, Tensor]] = {DENOISING: {}, REFERENCE: {}, "": {}}
        for key, value in tensors.items():
            prefix = next(prefix for prefix in parts if key.startswith(prefix))
            parts[prefix][key.removeprefix(prefix)] = value
        self.denoising.load_state_dict(parts[DENOISING])
        # The file has no head for ReferenceNet, whose own nobody reads.
        self.reference.load_state_dict(parts[REFERENCE] | {key: self.reference.state_dict()[key] for key in HEAD})
        self.modules_between.load_state_dict(parts[""])
