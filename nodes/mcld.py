"""MCLD: its weights, its tokens, multi-focal conditions aggregation, and the pose guider."""

from dataclasses import dataclass
from functools import partial

import comfy.model_management
import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_apply import apply_condition
from ..model_patches.comfy_evaluation import NULL
from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_pose import apply_pose
from ..model_patches.comfy_weights import load_weights
from ..model_patches.conditions import MFCACondition
from ..model_patches.errors import PatchError
from ..model_patches.networks.mcld import MCLD
from ..model_patches.weight_kinds.mcld import CONVERTED, MCLD_MODEL
from ..preprocessors.face_embedding import REGION_MODEL
from ..preprocessors.images import check_image
from ..preprocessors.texture_lookup import look_up
from .checks import as_pose_picture, check_numbers, check_rows, latent_samples
from .embeddings import clip_embedding
from .errors import name_of, names_itself
from .host_features import search_aliases
from .inputs import scope_inputs, scope_of, sites_input
from .model_files import any_name, files_of_kind, read_weights
from .types import FaceEmbedding, FocalTokens, MCLDWeights


@dataclass(frozen=True, eq=False)
class Tokens:
    """MCLD's focal embeddings (section 3.2): I_emb and A_emb ``[B, 1, D]``, F_emb ``[B, 16, D]``; B is one number."""

    image: Tensor
    texture: Tensor
    face: Tensor


class MannequinLoadMCLD(io.ComfyNode):
    """One file, three networks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadMCLD",
            display_name="Load MCLD",
            category="Mannequin/Load",
            **search_aliases("pose transfer", "texture map"),
            description=(
                "Loads MCLD from a safetensors file in models/mannequin: its UNet, ready to sample (v-prediction, zero "
                "terminal SNR), ReferenceNet, and what lies between. Make the file from the published weights with "
                f"{CONVERTED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(MCLD_MODEL),
                    tooltip="An MCLD weight file in models/mannequin, recognised by its keys.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled."),
                io.Model.Output(display_name="reference", tooltip="ReferenceNet, for SourceNet."),
                MCLDWeights.Output(display_name="mcld", tooltip="MFCA, face projector and pose guider."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, MCLD_MODEL), weights))

    validate_inputs = any_name


class MannequinMCLDConditioning(io.ComfyNode):
    """Photo, texture map and face as tokens."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinMCLDConditioning",
            display_name="MCLD Conditioning",
            category="Mannequin/Condition",
            description=(
                "The three focal conditions of MCLD (section 3.2) as tokens: the photo and its texture map through "
                "CLIP, the face through the face projector; and empty conditioning for the sampler."
            ),
            inputs=[
                MCLDWeights.Input("mcld", tooltip="From Load MCLD."),
                io.ClipVision.Input("clip_vision", tooltip="CLIP ViT-L/14, as in sd-image-variations."),
                io.Image.Input("image", tooltip="The source photo, squashed to 512×512 (Fit Image)."),
                io.Image.Input("texture", tooltip="Its texture map."),
                FaceEmbedding.Input(
                    "face", optional=True, tooltip="From Embed Face. Not connected: what MCLD does without a face."
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The condition; patches carry its content."),
                io.Conditioning.Output(display_name="negative", tooltip="The null condition: zero tokens."),
                FocalTokens.Output(display_name="tokens", tooltip="For Apply MFCA."),
                io.Conditioning.Output(
                    display_name="source_token", tooltip="The photo's token, for the conditioning of SourceNet."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, mcld, clip_vision, image, texture, face=None) -> io.NodeOutput:
        # MCLD squashes whole pictures.
        pictures = (check_image(picture) for picture in (image, texture))
        photo, dressed = (clip_embedding(clip_vision, picture)[:, None].cpu() for picture in pictures)
        faces = _face_tokens(mcld, face)
        rows = check_rows(
            {"image": len(photo), "texture": len(dressed), "face": len(faces)},
            "Each is one for all, or as many as the others; Embed Face makes one of several with 'average'.",
        )
        tokens = Tokens(*(given.expand(rows, -1, -1) for given in (photo, dressed, faces)))
        positive, negative = ([[torch.zeros(1, 1, photo.shape[-1]), mark]] for mark in ({}, {NULL: True}))
        return io.NodeOutput(positive, negative, tokens, [[photo, {}]])


def _face_tokens(mcld, face) -> Tensor:
    """F_emb of the un-normalised embedding; of zeros where there is no face, as published."""
    projector = mcld.model.face_projector
    if projector is None:
        raise PatchError("The MCLD weights have no face projector. Convert the whole published folder again.")
    expected, trained_on = mcld.model.shape.resampler.input_dim, mcld.model.face_model
    vectors = torch.zeros(1, expected) if face is None else face.raw
    if vectors.shape[-1] != expected:
        raise PatchError(
            f"The face embedding is {vectors.shape[-1]} wide, and these weights take {expected}: {_where(trained_on)}."
        )
    if face is not None and face.model != trained_on:
        raise PatchError(
            f"The face embedding is of '{face.model}', and these MCLD weights were trained on {trained_on}'s: "
            f"{_where(trained_on)}."
        )
    check_numbers(vectors, "The face embedding")
    comfy.model_management.load_models_gpu([mcld])
    return projector(vectors[:, None].to(mcld.load_device)).float().cpu()


def _where(face_model: str) -> str:
    if face_model == REGION_MODEL:
        return "connect Face of Regions"
    return f"choose {face_model} in Load Face Analysis, and connect Embed Face"


class MannequinApplyMFCA(io.ComfyNode):
    """Eq. 3 and 4."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyMFCA",
            display_name="Apply MFCA",
            category="Mannequin/Patch",
            **search_aliases("mcld", "pose transfer", "ip-adapter"),
            description=(
                "Multi-focal conditions aggregation (MCLD, Eq. 3 and 4): cross-attention to the photo in the UNet's "
                "encoder, to the texture map in its decoder, to both in the middle, and to the face everywhere."
            ),
            inputs=[
                io.Model.Input("model", tooltip="MCLD's model, or another of Stable Diffusion 1.x."),
                MCLDWeights.Input("mcld", tooltip="From Load MCLD: the face's keys and values were trained."),
                FocalTokens.Input("tokens", tooltip="From MCLD Conditioning."),
                io.Float.Input(
                    "lambda_s",
                    default=1.0,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="λ_s of Eq. 3: how much photo and texture map count (paper: 1). 0 leaves them out.",
                ),
                io.Float.Input(
                    "lambda_face",
                    default=0.5,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="λ of the face in Eq. 3 (paper: 0.5). 0 leaves it out.",
                ),
                sites_input(),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, knowing photo, texture and face.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        mcld,
        tokens,
        lambda_s,
        lambda_face,
        sites,
        strength,
        start_percent,
        end_percent,
        region=None,
    ) -> io.NodeOutput:
        weights: MCLD = mcld.model
        if lambda_face and not weights.mfca:
            raise PatchError(
                "These weights have no trained face projections (to_k_ip, to_v_ip). Choose the whole MCLD file in Load "
                "MCLD, or set lambda_face to 0."
            )
        condition = MFCACondition(tokens.image, tokens.texture, tokens.face, weights, lambda_s, lambda_face)
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_condition(model, condition, None, sites, scope, mcld, name_of(cls)))


class MannequinApplyPoseGuider(io.ComfyNode):
    """DensePose, added after the first convolution."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyPoseGuider",
            display_name="Apply Pose Guider",
            category="Mannequin/Patch",
            **search_aliases("mcld", "pose condition", "animate anyone", "controlnet"),
            description=(
                "Adds MCLD's trained pose features after the UNet's first convolution, for the condition and for "
                "classifier-free guidance's null condition alike."
            ),
            inputs=[
                io.Model.Input("model", tooltip="The model to patch."),
                MCLDWeights.Input("mcld", tooltip="From Load MCLD."),
                io.Image.Input("pose", tooltip="The target's DensePose to Image, in the convention VUI."),
                *scope_inputs(),
                io.Latent.Input(
                    "texture",
                    optional=True,
                    tooltip="The texture map through VAE Encode, for weights that look it up at the target's places.",
                ),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, knowing the pose.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls, model, mcld, pose, strength, start_percent, end_percent, region=None, texture=None
    ) -> io.NodeOutput:
        picture = as_pose_picture(pose, "The pose image")
        scope = scope_of(strength, start_percent, end_percent, region)
        looked_up = _looked_up(model, mcld, picture, texture)
        return io.NodeOutput(apply_pose(model, mcld, picture, scope, name_of(cls), looked_up))


def _looked_up(model, mcld, picture: Tensor, texture) -> Tensor | None:
    """The texture map's latents where the target's DensePose, ``[B, 3, H, W]`` in VUI, shows them."""
    channels = mcld.model.shape.lookup_channels
    if not channels and texture is None:
        return None
    if not channels:
        raise PatchError(
            "These MCLD weights do not look the texture map up at the target's places: leave 'texture' unconnected, or "
            "load weights that were trained with options.lookup."
        )
    if texture is None:
        raise PatchError(
            "These MCLD weights look the texture map up at the target's places: connect the texture map, through VAE "
            "Encode, to 'texture'."
        )
    samples = latent_samples(texture, "The texture map's latent")
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise PatchError(
            f"The texture map's latent is {list(samples.shape)}, and these MCLD weights take {channels} channels: "
            "encode it with the VAE that belongs to them."
        )
    check_rows({"texture": len(samples), "pose": len(picture)}, "One texture map serves all poses.")
    iuv = (picture.flip(1).movedim(1, -1) * 255).round().to(torch.uint8)
    grid = tuple(max(1, side // 8) for side in iuv.shape[1:3])
    latent = model.model.process_latent_in(samples.float())
    return look_up(latent, iuv.expand(max(len(iuv), len(latent)), -1, -1, -1), grid)
