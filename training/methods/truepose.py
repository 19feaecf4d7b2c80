"""TruePose: HPFA and CAA between two UNets, and a pose encoder (sections 4.1–4.4).

Loss of Eq. 10 with the joint dropout of both conditions; the pose is always kept. Ablations of its Table 2 are
options: see :class:`TruePoseOptions`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model_patches.attention.hpfa import Reweighting
from model_patches.conditions import CAACondition, HPFACondition, ReferenceCondition, SourceCondition
from model_patches.networks.truepose import TruePose as Modules
from model_patches.networks.truepose import TruePoseShape
from model_patches.weight_kinds.kind import DENOISING, REFERENCE
from model_patches.weight_kinds.truepose import truepose_metadata
from preprocessors.labels import LIP_20
from preprocessors.selection import implied_labels

from ..correspondence import Correspondence, Surface
from ..data.records import Record
from ..diffusers_binding import Memories, project, remember, transformer_blocks
from ..drawn_pose import drawn_pose
from ..draws import Draws
from ..objectives import dropped
from .base import Batch, field, frame_of, tensor
from .clip_fusion import CLIPFusionCondition, CLIPTruePose
from .diffusion import DiffusionOptions
from .dual_unet import DualUNet
from .prompt import PromptCondition

WITHOUT_SOURCE_NET = ("clip", "none")


@dataclass(frozen=True)
class TruePoseOptions(DiffusionOptions):
    """Attributes:
    fusion: how the target sees the source: HPFA, plain concatenation (Table 2: B2 without CAA, B4 with it), through
        CLIP and MLPs without SourceNet (B1; needs ``caa`` off, which reads SourceNet), or not at all (``"none"``, no
        baseline but what training-free use is measured on, see :mod:`.prompt`; without ``caa`` too).
    caa: whether there is CAA (without it: B3).
    clip_tokens: how many tokens a site's MLP makes for ``"clip"``.
    region_dim: width of the CLIP embeddings of regions and of the whole picture.
    drop: η, share of rows that train the null condition.
    delta, sigma, axis: of Eq. 6.
    count: K of CAA.
    correspondence_background: ours: what finding the background counts in ``correspondence``, beside finding the
        body; 0 teaches nothing about it.
    """

    fusion: Literal["hpfa", "reference", "clip", "none"] = "hpfa"
    caa: bool = True
    clip_tokens: int = 16
    region_dim: int = 768
    drop: float = 0.3
    delta: float = 0.6
    sigma: float = 0.3
    axis: Literal["key", "query"] = "key"
    count: int = 2
    correspondence_background: float = 0.0

    def __post_init__(self) -> None:
        if self.fusion in WITHOUT_SOURCE_NET and self.caa:
            raise ValueError(
                f"CAA asks SourceNet what was neglected, and fusion={self.fusion} has none: set caa to false."
            )


class TruePose(DualUNet):
    """SourceNet reads the source's latent; HPFA and CAA bring it to TargetNet."""

    name = "truepose"
    Options = TruePoseOptions

    def __init__(self, options: TruePoseOptions, seed: int) -> None:
        super().__init__(options, seed)
        if options.fusion in WITHOUT_SOURCE_NET:
            self.reference.requires_grad_(False)
        else:
            self.freeze_unread(queries=options.fusion == "hpfa")
        shape = TruePoseShape(
            self.widths if options.fusion == "hpfa" else {},
            self.widths if options.caa else {},
            self.context_dim if options.caa else 0,
            options.region_dim if options.caa else 0,
            self.denoising.config.block_out_channels[0],
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.modules_ = self._additions(shape)
        self._begin_from_the_unet()

    def _additions(self, shape: TruePoseShape) -> Modules:
        if self.options.fusion == "clip":
            return CLIPTruePose(shape, self.widths, self.options.region_dim, self.options.clip_tokens)
        return Modules(shape)

    def _begin_from_the_unet(self) -> None:
        """W^{K'_h}, W^{V'_h} and CAA's begin as the site's own projections; the pose begins at zero."""
        for site, block in transformer_blocks(self.denoising).items():
            for modules, attention in ((self.modules_.hpfa, block.attn1), (self.modules_.caa, block.attn2)):
                if site.key in modules:
                    modules[site.key].to_k.load_state_dict(attention.to_k.state_dict())
                    modules[site.key].to_v.load_state_dict(attention.to_v.state_dict())
        self.modules_.pose_encoder.zero_output()

    @property
    def modules_between(self) -> nn.Module:
        return self.modules_

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = {
            "source_latent": tensor(field(record, "latent"), torch.float32),
            "parsing": tensor(field(record, "parsing"), torch.uint8),
        }
        if self.options.correspondence:
            read["source_iuv"] = tensor(field(record, "iuv"), torch.uint8)
        if self.options.fusion == "clip":
            return read | {"clip": tensor(field(record, "clip"), torch.float32)}
        return read | ({"regions": tensor(field(record, "regions"), torch.float32)} if self.options.caa else {})

    def read_target(self, record: Record) -> dict[str, Tensor]:
        frame = frame_of(record)
        implied = torch.zeros(len(LIP_20), dtype=torch.bool)
        implied[[LIP_20.index(label) for label in implied_labels(frame.visible())]] = True
        read = super().read_target(record) | {"skeleton": tensor(drawn_pose(frame)), "implied": implied}
        if self.options.fusion == "none":
            read["prompt"] = tensor(field(record, "regions"), torch.float32)
        return read

    def encode_pose(self, batch: Batch) -> Tensor:
        return self.modules_.pose_encoder(batch["skeleton"].movedim(-1, 1).float() / 255)

    def reads(self, batch: Batch) -> Tensor:
        return batch["source_latent"]

    def remember(self, batch: Batch, draws: Draws | None) -> Memories:
        latent = self.reads(batch)
        if self.options.fusion == "clip":
            fused = CLIPFusionCondition(batch["clip"], self.modules_)
            return [project(self.denoising, fused, self.sites, latent)]
        if self.options.fusion == "none":
            return [project(self.denoising, PromptCondition(batch["prompt"]), self.sites, latent)]
        context = latent.new_zeros(len(latent), 1, self.context_dim)
        conditions = [(condition, self.sites) for condition in self._conditions(batch)]
        return remember(self.reference, self.denoising, conditions, latent, context)

    def selected(self, batch: Batch) -> Tensor:
        """M = ∪ {M_a | a ∈ 𝒜_τ}: the source's pixels of labels that the target's keypoints imply, boolean."""
        labels, implied = batch["parsing"], batch["implied"]
        shown = labels.repeat_interleave(len(implied) // len(labels), 0)
        return implied.gather(1, shown.flatten(1).long()).view(shown.shape)

    def _conditions(self, batch: Batch) -> list[SourceCondition]:
        options = self.options
        if options.fusion == "hpfa":
            reweighting = Reweighting(options.delta, options.sigma, options.axis)
            conditions: list[SourceCondition] = [HPFACondition(self.selected(batch), reweighting, self.modules_)]
        else:
            conditions = [ReferenceCondition()]
        if options.caa:
            conditions.append(CAACondition(batch["parsing"], batch["regions"], options.count, self.modules_))
        return conditions

    def correspondence(self, batch: Batch) -> Correspondence:
        return Correspondence(
            Surface(batch["target_iuv"], batch["target_parsing"]),
            Surface(batch["source_iuv"], batch["parsing"]),
            self.options.correspondence_background,
        )

    def kept(self, rows: int, draws: Draws) -> Tensor | None:
        return ~dropped(draws.uniform(), self.options.drop)

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        tensors, header = super().weights()
        if self.options.fusion == "none":
            # Without training, SourceNet is the model itself.
            own = {
                REFERENCE + key.removeprefix(DENOISING): t for key, t in tensors.items() if key.startswith(DENOISING)
            }
            tensors |= {key: own[key] for key in tensors if key.startswith(REFERENCE)}
        return tensors, header | truepose_metadata(self.options.schedule.prediction)
