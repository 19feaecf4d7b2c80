"""MCLD: ReferenceNet on the texture map, MFCA on photo, texture map and face, a pose guider on DensePose.

Loss: v-prediction at zero terminal SNR, min-SNR weighted, plus the same error inside the face (section 3.3).
Ablations of its Table 3 are options: see :class:`MCLDOptions`.
"""

import functools
from dataclasses import dataclass
from dataclasses import field as option
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from model_patches.attention.token_masks import soft_grid
from model_patches.conditions import MFCACondition, ReferenceCondition
from model_patches.networks.mcld import MCLD as Modules
from model_patches.networks.mcld import MCLDShape
from model_patches.networks.resampler import ResamplerShape
from model_patches.weight_kinds.mcld import FACE_HEADS_KEY, FACE_MODEL_KEY, mcld_metadata
from preprocessors.densepose import GROUPS
from preprocessors.labels import LIP_20
from preprocessors.texture_lookup import look_up
from preprocessors.texture_map import surface_of_texture

from ..correspondence import Correspondence, Surface
from ..data.records import Record
from ..diffusers_binding import Memories, project, remember, transformer_blocks
from ..draws import Draws
from ..objectives import Schedule, dropped, masked_squared_error
from ..preprocessing.clip import load_clip_vision
from .base import Batch, field, tensor
from .diffusion import DiffusionOptions
from .dual_unet import DualUNet

#: Every so many texels tell what a token of the map shows.
TEXEL_STEP = 4


@dataclass(frozen=True)
class MCLDOptions(DiffusionOptions):
    """Attributes:
    image, texture, face: which of the three conditions there are (Table 3).
    aggregation: MFCA's selection by the UNet's part, or every token everywhere (``"concatenation"``: B1–B3).
    clip_dim: width of the CLIP embedding; the UNet's context has to be as wide.
    face_model: whose face embeddings these are: insightface's, which may only be used in research, or CLIP's of the
        parsing's face.
    face_projector: sizes of the resampler, its face embedding's first.
    pose_widths: of the pose guider's levels.
    lookup: whether the map's latents, looked up at the target's places, are added beside the pose; ours, not the
        paper's (see :mod:`preprocessors.texture_lookup`).
    face_scale: λ_F of Eq. 3.
    face_loss: weight of the error inside the face.
    clip_jitter: noise on the image token, in its own standard deviations.
    drop: share of what trains the null condition.
    null_condition: what it is. ``"published"`` drops the photo's token of whole batches, as the published code trains;
        ``"sampled"`` drops everything of single rows, as it samples.
    clip_vision: folder of the image encoder, whose embedding of zero pixels takes the token's place for
        ``"published"``; None takes zeros.
    """

    schedule: Schedule = option(default_factory=lambda: Schedule("scaled_linear", "v_prediction", True, "trailing"))
    sampling: Schedule | None = option(default_factory=lambda: Schedule("linear", "v_prediction", True, "trailing"))
    noise_offset: float = 0.05
    min_snr: float = 5.0
    steps: int = 20
    image: bool = True
    texture: bool = True
    face: bool = True
    aggregation: Literal["mfca", "concatenation"] = "mfca"
    face_model: Literal["antelopev2", "CLIP"] = "antelopev2"
    face_projector: ResamplerShape = ResamplerShape(512, 1280, 1280, 20, 4, 16, 5120, 768)
    pose_widths: tuple[int, ...] = (16, 32, 96, 256)
    lookup: bool = False
    face_scale: float = 0.5
    face_loss: float = 1.0
    clip_jitter: float = 0.05
    drop: float = 0.1
    null_condition: Literal["published", "sampled"] = "published"
    clip_vision: Path | None = None

    def __post_init__(self) -> None:
        if self.lookup and not self.texture:
            raise ValueError("A texture map is looked up at the target's places: lookup needs texture.")


class MCLD(DualUNet):
    """The texture map through ReferenceNet, three focal conditions through MFCA."""

    name = "mcld"
    Options = MCLDOptions

    def __init__(self, options: MCLDOptions, seed: int) -> None:
        super().__init__(options, seed)
        self.freeze_unread(queries=False)
        first = self.denoising.config.block_out_channels[0]
        shape = MCLDShape(
            self.widths if self._focal_face else {},
            self.context_dim,
            options.face_projector,
            options.pose_widths,
            first,
            self.denoising.config.in_channels if options.lookup else 0,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.modules_ = Modules(shape)
            self.modules_.face_projector.random_queries()
        for site, block in transformer_blocks(self.denoising).items():
            if self._focal_face:
                self.modules_.mfca[site.key].to_k.load_state_dict(block.attn2.to_k.state_dict())
                self.modules_.mfca[site.key].to_v.load_state_dict(block.attn2.to_v.state_dict())
        self.modules_.pose_guider.zero_output()
        if options.lookup:
            nn.init.zeros_(self.modules_.texture_lookup.weight)
            nn.init.zeros_(self.modules_.texture_lookup.bias)

    @property
    def _focal_face(self) -> bool:
        return self.options.face and self.options.aggregation == "mfca"

    @property
    def modules_between(self) -> nn.Module:
        return self.modules_

    def read_source(self, record: Record) -> dict[str, Tensor]:
        read = {
            "clip": tensor(field(record, "clip"), torch.float32),
            "texture_clip": tensor(field(record, "texture_clip"), torch.float32),
        }
        if self.options.texture:
            read["texture_latent"] = tensor(field(record, "texture_latent"), torch.float32)
            if self.options.correspondence:
                seen = field(record, "texture")[::TEXEL_STEP, ::TEXEL_STEP].any(-1, keepdims=True)
                read["source_iuv"] = torch.where(tensor(seen), surface_of_texture()[::TEXEL_STEP, ::TEXEL_STEP], 0)
        else:
            read["source_latent"] = tensor(field(record, "latent"), torch.float32)
            if self.options.correspondence:
                read["source_iuv"] = tensor(field(record, "iuv"), torch.uint8)
        return read | {"face": self._face(record)}

    def _face(self, record: Record) -> Tensor:
        if self.options.face_model == "CLIP":
            return tensor(field(record, "regions")[LIP_20.index("Face")], torch.float32)
        # Where no face is seen the projector is given zeros, as published.
        face = record.fields.get("face")
        return torch.zeros(self.options.face_projector.input_dim) if face is None else tensor(face, torch.float32)

    def read_target(self, record: Record) -> dict[str, Tensor]:
        return super().read_target(record) | {"target_iuv": tensor(field(record, "iuv"), torch.uint8)}

    def encode_pose(self, batch: Batch) -> Tensor:
        iuv = batch["target_iuv"]
        # The published weights read V, U, I.
        features = self.modules_.pose_guider(iuv.flip(-1).movedim(-1, 1).float() / 255)
        if self.options.lookup:
            seen = look_up(batch["texture_latent"], iuv, tuple(features.shape[-2:]))
            features = features + self.modules_.texture_lookup(seen)
        return features

    def reads(self, batch: Batch) -> Tensor:
        return batch["texture_latent" if self.options.texture else "source_latent"]

    def remember(self, batch: Batch, draws: Draws | None) -> Memories:
        image, texture = batch["clip"][:, None], batch["texture_clip"][:, None]
        if draws is not None:
            # One for every source, not one for each of its targets.
            noise = draws.normal(image.shape[-1])[:: len(batch["target_latent"]) // len(image), None]
            image = image + self.options.clip_jitter * image.std(-1, keepdim=True) * noise
            if self.options.null_condition == "published" and draws.shared_uniform() < self.options.drop:
                image = self._null_token.to(image).expand_as(image)
        features = [(ReferenceCondition(), self.sites)]
        memories = remember(self.reference, self.denoising, features, self.reads(batch), image)
        focal = self._mfca(image, texture, self.modules_.face_projector(batch["face"][:, None]))
        return [*memories, project(self.denoising, focal, self.sites, image)]

    @functools.cached_property
    def _null_token(self) -> Tensor:
        if self.options.clip_vision is None:
            return torch.zeros(self.context_dim)
        return load_clip_vision(self.options.clip_vision).blank()

    def _mfca(self, image: Tensor, texture: Tensor, face: Tensor) -> MFCACondition:
        options = self.options
        shown = (options.image, image), (options.texture, texture), (options.face, face)
        if options.aggregation == "concatenation":
            # The same tokens for every part of the UNet, with the photo's keys and values.
            together = torch.cat([tokens for there, tokens in shown if there], 1)
            return MFCACondition(together, together, face, self.modules_, 1.0, 0.0)
        face_scale = options.face_scale * options.face
        selected = (tokens if there else None for there, tokens in shown[:2])
        return MFCACondition(*selected, face, self.modules_, 1.0, face_scale)

    def correspondence(self, batch: Batch) -> Correspondence:
        return Correspondence(Surface(batch["target_iuv"]), Surface(batch["source_iuv"]))

    def kept(self, rows: int, draws: Draws) -> Tensor | None:
        return ~dropped(draws.uniform(), self.options.drop) if self.options.null_condition == "sampled" else None

    def losses(self, batch: Batch, prediction: Tensor, truth: Tensor, weights: Tensor | float) -> dict[str, Tensor]:
        part = batch["target_iuv"][..., 0]
        face = torch.isin(part, torch.tensor(GROUPS["head"], device=part.device, dtype=part.dtype))
        mask = soft_grid(face, tuple(prediction.shape[-2:]))[:, 0]
        error = (weights * masked_squared_error(prediction, truth, mask)).mean()
        return super().losses(batch, prediction, truth, weights) | {"face": self.options.face_loss * error}

    def weights(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        tensors, header = super().weights()
        face = {FACE_HEADS_KEY: str(self.options.face_projector.heads), FACE_MODEL_KEY: self.options.face_model}
        return tensors, header | mcld_metadata() | face
