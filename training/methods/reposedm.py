"""RePoseDM: a UNet that is given the pose's latent, recurrent pose alignment, gradient guidance (section 3).

The source's latent is warped into the pose, and its features are the context; the latent of the drawn pose stands
beside the noise. Both are dropped together (section 3.4). Ablations of its Table 2 are options: see
:class:`RePoseDMOptions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from model_patches.networks.map_former import GLOBAL, AlignmentShape, are_regions
from model_patches.networks.reposedm import Aligned, RePoseDMShape
from model_patches.networks.reposedm import RePoseDM as Modules
from model_patches.sites import Site
from model_patches.weight_kinds.reposedm import FAMILY, reposedm_metadata

from ..correspondence import Correspondence, Looking, Surface, grid_of
from ..data.records import Record
from ..diffusers_binding import watched
from ..draws import Draws
from ..flow_supervision import flow_error, wanted_flow
from ..learned_variance import variational_bound
from ..objectives import Schedule, dropped
from .base import Batch, field, of_targets, tensor
from .field_taught import FieldOptions, FieldTaught
from .one_unet import take_tensors, tensors_of


@dataclass(frozen=True)
class RePoseDMOptions(FieldOptions):
    """Where the paper is silent, values are of PIDM, which it builds on, or of the alignment's nearest relative.

    Attributes:
        align: whether the source is aligned with the pose; False is a plain encoder of it (B1, with ``field`` 0; B2 is
            ``field`` 0 alone).
        features, hidden, radius, regions: see :class:`AlignmentShape`.
        octaves: of positions beside the tokens; ours, as cross-attention does not know where a token lies.
        learned_variance: whether the UNet learns the noise's variance beside (Eq. 4), for samplers of others.
        flow: weight of what teaches the alignment its flow (see :mod:`..flow_supervision`); ours, and needs DensePose
            of the data. 0 leaves it out.
    """

    schedule: Schedule = Schedule("linear")
    steps: int = 50
    guidance: float = 2.0
    align: bool = True
    features: int = AlignmentShape.width
    hidden: int = AlignmentShape.hidden
    radius: int = AlignmentShape.radius
    regions: tuple[int, ...] = AlignmentShape.regions
    octaves: int = 0
    learned_variance: bool = False
    flow: float = 0.0

    def __post_init__(self) -> None:
        schedule = self.schedule
        if schedule.betas != "linear" or (schedule.prediction == "v_prediction") != schedule.zero_snr:
            raise ValueError(
                "RePoseDM's nodes sample under a linear schedule, of ε, or of v with zero_snr: choose one of the two."
            )
        super().__post_init__()
        if self.learned_variance and schedule.prediction != "epsilon":
            raise ValueError("A variance is learned beside ε alone: set learned_variance to false.")
        if not are_regions(self.regions):
            raise ValueError(f"Regions are odd numbers, or {GLOBAL} for the whole map, and not {list(self.regions)}.")
        if self.flow and not self.align:
            raise ValueError("Without an alignment there is no flow to teach: set flow to 0.")


class RePoseDM(FieldTaught):
    """The source's features come warped into the pose."""

    name = "reposedm"
    Options = RePoseDMOptions

    def __init__(self, options: RePoseDMOptions, seed: int) -> None:
        super().__init__(options, seed, replace(FAMILY, learned_variance=options.learned_variance))
        channels = self.denoising.config.in_channels // 2
        alignment = AlignmentShape(channels, options.features, options.hidden, options.radius, options.regions)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.modules_ = Modules(RePoseDMShape(self.context_dim, alignment, options.align, options.octaves))
        if options.align:
            # A flow begins as none: what is far from its place tells nothing of where to go.
            torch.nn.init.zeros_(self.modules_.alignment.aggregator2.weight)
            torch.nn.init.zeros_(self.modules_.alignment.aggregator2.bias)

    @property
    def modules_between(self) -> torch.nn.Module:
        """What is trained beside the UNet."""
        return self.modules_

    @property
    def _by_surface(self) -> bool:
        """Whether DensePose teaches anything."""
        return bool(self.options.correspondence or self.options.flow)

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = {"source_latent": tensor(field(record, "latent"), torch.float32)}
        if self._by_surface:
            read["source_parsing"] = tensor(field(record, "parsing"), torch.uint8)
            read["source_iuv"] = tensor(field(record, "iuv"), torch.uint8)
        return read

    def read_target(self, record: Record) -> dict[str, Tensor]:
        read = super().read_target(record)
        if self._by_surface:
            read["target_parsing"] = tensor(field(record, "parsing"), torch.uint8)
            read["target_iuv"] = tensor(field(record, "iuv"), torch.uint8)
        return read

    def aligned(self, batch: Batch) -> Aligned:
        """The sources, for every target."""
        pose = batch["pose_latent"]
        return self.modules_(of_targets(batch["source_latent"], len(pose)), pose)

    def told(self, latents: Tensor, timesteps: Tensor, beside: Tensor, context: Tensor) -> Tensor:
        """The network's prediction ``[B, C, h, w]``.

        Args:
            beside: the pose's latents ``[B, C, h, w]``.
            context: ``[B, tokens, D]``.
        """
        return self.told_with_variance(latents, timesteps, beside, context)[0]

    def told_with_variance(
        self, latents: Tensor, timesteps: Tensor, beside: Tensor, context: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """The same, and what the network says of the variance, if it learns one."""
        result = super().told(latents, timesteps, beside, context)
        return result.chunk(2, 1) if self.options.learned_variance else (result, None)

    def forward(self, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        noisy, truth, timesteps = self.noisy(batch["target_latent"], draws)
        drop = dropped(draws.uniform(), self.options.drop)
        aligned = self.aligned(batch)
        pose = torch.where(drop[:, None, None, None], 0.0, batch["pose_latent"])
        context = torch.where(drop[:, None, None], 0.0, aligned.tokens)
        (prediction, variance), terms = self._predicted(batch, noisy, timesteps, pose, context)
        if variance is not None:
            clean = batch["target_latent"]
            terms["variance"] = variational_bound(self.noise, timesteps, clean, noisy, prediction, variance).mean()
        if self.options.flow:
            terms["flow"] = self.options.flow * self._flow_error(batch, aligned)
        if self.options.field and draws.shared_uniform() < self.options.field_share:
            prediction = self.guided_by_field(batch, prediction, truth, timesteps, ~drop)
        return self.losses(batch, prediction, truth, self.row_weights(timesteps)) | terms

    def _predicted(
        self, batch: Batch, noisy: Tensor, timesteps: Tensor, pose: Tensor, context: Tensor
    ) -> tuple[tuple[Tensor, Tensor | None], dict[str, Tensor]]:
        """As :meth:`told_with_variance`, and the error of where the network looked meanwhile, if that is taught."""
        if not self.options.correspondence:
            return self.told_with_variance(noisy, timesteps, pose, context), {}
        latent = tuple(noisy.shape[-2:])
        looking = Looking(self.shown_to_attention(batch), latent, latent)
        tokens = tuple(-(-side // 2) for side in latent)

        def see(site: Site, attention: Tensor) -> None:
            looking.see(attention, grid_of(attention.shape[1], latent), tokens)

        with watched(self.denoising, attn2=see):
            told = self.told_with_variance(noisy, timesteps, pose, context)
        return told, {"correspondence": self.options.correspondence * looking.error()}

    def shown_to_attention(self, batch: Batch) -> Correspondence:
        """Of the targets and what the tokens show: an aligned source shows what the target does where it does."""
        target, source = self._surfaces(batch)
        return Correspondence(target, target if self.options.align else source)

    def _surfaces(self, batch: Batch) -> tuple[Surface, Surface]:
        """The targets' and the sources'."""
        return tuple(Surface(batch[f"{side}_iuv"], batch[f"{side}_parsing"]) for side in ("target", "source"))

    def _flow_error(self, batch: Batch, aligned: Aligned) -> Tensor:
        size = tuple(batch["target_latent"].shape[-2:])
        alike = Correspondence(*self._surfaces(batch)).surface(size, size)
        return flow_error([step.flow for step in aligned.steps], *wanted_flow(alike, size))

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, guidance: float | None = None) -> Tensor:
        context = self.aligned(batch).tokens
        return self.posed_ddim(batch, context, torch.zeros_like(context), noise, steps, guidance)

    def shown(self, batch: Batch) -> list[Tensor]:
        """The sources, as the alignment warps them, and the targets."""
        source = of_targets(batch["source_latent"], len(batch["target_latent"]))
        return [source, *(step.warped for step in self.aligned(batch).steps[-1:]), *super().shown(batch)]

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        regions = self.options.regions if self.options.align else ()
        header = reposedm_metadata(regions, self.options.schedule.prediction, self.options.learned_variance)
        return tensors_of(self.denoising, self.modules_), header | self.heads.metadata(FAMILY)

    def load_weights(self, tensors: Mapping[str, Tensor]) -> None:
        take_tensors(tensors, self.denoising, self.modules_)
