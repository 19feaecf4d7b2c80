"""PCDMs' conditions as CONDITIONING: everything a stage is given beside noise."""

from typing import Any

import comfy.model_management
import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_evaluation import NULL
from ..model_patches.comfy_inputs import INPUTS, Inputs
from ..model_patches.errors import PatchError
from ..model_patches.networks.pcdms import PCDMs
from ..preprocessors.images import check_image, squashed
from .checks import as_mask, as_pose_picture, check_rows
from .embeddings import as_embedding
from .encoding import dino_tokens, empty_latent, encoded, visible
from .errors import name_of, names_itself
from .host_features import advanced
from .inputs import pose_strength_input
from .pcdms import side_inputs
from .types import PCDMsWeights

#: Whose DINOv2 it is, and which of them the published weights were trained with.
ENCODER = ("PCDMs", "giant, 1536 wide")
#: What the null condition's tokens are.
NULL_TOKENS = (AS_TRAINED := "as trained", "zeros")
#: Outputs of both nodes.
OUTPUTS = [
    io.Conditioning.Output(display_name="positive", tooltip="The condition."),
    io.Conditioning.Output(display_name="negative", tooltip="This stage's own null condition."),
    io.Latent.Output(display_name="latent", tooltip="An empty latent of the right size and number, for the sampler."),
]


class MannequinPCDMsConditioning(io.ComfyNode):
    """The second stage's conditions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPCDMsConditioning",
            display_name="PCDMs Conditioning",
            category="Mannequin/Condition",
            description=(
                "Conditions of PCDMs' inpainting model (section 3.3): the joint picture and its mask beside the noise, "
                "the source's DINOv2 tokens and the target's embedding as context, the embedding once more with the "
                "timestep, and the poses after the first convolution; and the null condition of Eq. 6."
            ),
            inputs=[
                PCDMsWeights.Input("pcdms", tooltip="From Load PCDMs Inpainting."),
                io.ClipVision.Input("dino", tooltip="DINOv2, from Load DINOv2: giant for the published weights."),
                io.Vae.Input("vae", tooltip="Stable Diffusion's autoencoder."),
                io.Image.Input("joint", tooltip="From PCDMs Joint Picture."),
                io.Mask.Input("mask", tooltip="From PCDMs Joint Picture: white is generated."),
                io.Image.Input("joint_pose", tooltip="From PCDMs Joint Picture."),
                io.ClipVisionOutput.Input(
                    "embedding",
                    optional=True,
                    tooltip="The target's global embedding, from PCDMs Prior. The simplified checkpoint takes none.",
                ),
                pose_strength_input(),
                advanced(
                    io.Combo.Input(
                        "null_tokens",
                        options=list(NULL_TOKENS),
                        optional=True,
                        tooltip=(
                            "Tokens of the null condition. As trained: zeros, or the projection of zeros for the "
                            "simplified checkpoint. Zeros: for weights of the second stage that were trained without "
                            "prior."
                        ),
                    )
                ),
            ],
            outputs=OUTPUTS,
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        pcdms,
        dino,
        vae,
        joint,
        mask,
        joint_pose,
        embedding=None,
        pose_strength: float = 1.0,
        null_tokens: str = AS_TRAINED,
    ) -> io.NodeOutput:
        network: PCDMs = pcdms.model
        if network.pose_encoder is None:
            raise PatchError(
                "These weights are of the refining stage, which has no pose encoder. Connect Load PCDMs Inpainting, or "
                "take PCDMs Refining Conditioning."
            )
        picture, poses, masks = (
            check_image(joint),
            as_pose_picture(joint_pose, "The joint pose"),
            as_mask(mask, "The mask"),
        )
        _check_joint(picture, poses, masks)
        vector = _embedding(network, embedding)
        rows = check_rows(
            {"joint": len(picture), "mask": len(masks), "joint_pose": len(poses)}
            | ({} if vector is None else {"embedding": len(vector)}),
            "Each is one for all, or as many as the others.",
        )
        latent = encoded(vae, picture)
        tokens = dino_tokens(dino, picture[:, :, : picture.shape[2] // 2], network.shape.dino_dim, *ENCODER)
        comfy.model_management.load_models_gpu([pcdms])
        tokens = tokens.to(pcdms.load_device)
        context = network.context(tokens, None if vector is None else vector.to(tokens))
        inputs = Inputs(
            latent,
            visible(masks, latent),
            vector,
            network.pose_features(poses.to(tokens)).float().cpu() * pose_strength if pose_strength else None,
            node=name_of(cls),
        )
        null = network.null_context(context) if null_tokens == AS_TRAINED else torch.zeros_like(context[:1])
        return io.NodeOutput(
            [[context.float().cpu(), {INPUTS: inputs}]],
            [[null.float().cpu(), {INPUTS: inputs.as_null(), NULL: True}]],
            empty_latent(latent, rows),
        )


class MannequinPCDMsRefining(io.ComfyNode):
    """The third stage's conditions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinPCDMsRefining",
            display_name="PCDMs Refining Conditioning",
            category="Mannequin/Condition",
            description=(
                "Conditions of PCDMs' refining model (section 3.4): the coarse picture beside the noise, the source's "
                "DINOv2 tokens as context; and the null condition of Eq. 8. The coarse picture may be any method's, or "
                "an edited photo."
            ),
            inputs=[
                PCDMsWeights.Input("pcdms", tooltip="From Load PCDMs Refining."),
                io.ClipVision.Input("dino", tooltip="DINOv2, from Load DINOv2: giant for the published weights."),
                io.Vae.Input("vae", tooltip="Stable Diffusion's autoencoder."),
                io.Image.Input("image", tooltip="The coarse picture: of PCDMs, of another method, or an edited photo."),
                io.Image.Input("source", tooltip="The source photo, whose textures come back."),
                *side_inputs("the picture"),
            ],
            outputs=OUTPUTS,
        )

    @classmethod
    @names_itself
    def execute(cls, pcdms, dino, vae, image, source, width: int, height: int) -> io.NodeOutput:
        network: PCDMs = pcdms.model
        if network.pose_encoder is not None:
            raise PatchError(
                "These weights are of the inpainting stage. Connect Load PCDMs Refining, or take PCDMs Conditioning."
            )
        coarse, photo = (squashed(check_image(picture), width, height) for picture in (image, source))
        rows = check_rows({"image": len(coarse), "source": len(photo)}, "The source is one, or one for each image.")
        latent, tokens = encoded(vae, coarse), dino_tokens(dino, photo, network.shape.dino_dim, *ENCODER)
        comfy.model_management.load_models_gpu([pcdms])
        context = network.context(tokens.to(pcdms.load_device))
        inputs = Inputs(latent, node=name_of(cls))
        null = network.null_context(context).float().cpu()
        return io.NodeOutput(
            [[context.float().cpu(), {INPUTS: inputs}]],
            [[null, {INPUTS: inputs.as_null(blank=True), NULL: True}]],
            empty_latent(latent, rows),
        )


def _check_joint(picture: Tensor, poses: Tensor, masks: Tensor) -> None:
    height, width = picture.shape[1:3]
    for given, what in ((poses, "joint pose"), (masks, "mask")):
        if tuple(given.shape[-2:]) != (height, width):
            raise PatchError(
                f"The {what} is {given.shape[-1]}×{given.shape[-2]} and the joint picture {width}×{height}. Connect "
                "all three outputs of one PCDMs Joint Picture."
            )
    if width % 16 or height % 8:
        raise PatchError(
            f"The joint picture is {width}×{height}; two halves with sides that are multiples of 8 are needed. Make it "
            "with PCDMs Joint Picture."
        )


def _embedding(network: PCDMs, embedding: Any) -> Tensor | None:
    """The target's global embedding ``[B, class_dim]``; None for weights that take none."""
    if embedding is None and network.class_dim:
        raise PatchError(
            "No embedding is connected, and these weights were trained with the target's. Connect PCDMs Prior, or "
            "choose the simplified checkpoint in Load PCDMs Inpainting."
        )
    if embedding is None:
        return None
    if not network.class_dim:
        raise PatchError("The simplified checkpoint takes no embedding. Disconnect it, or choose the second stage.")
    mend = "Connect PCDMs Prior, with the CLIP these weights were trained with (ViT-H/14 for the published ones)."
    return as_embedding(embedding, network.class_dim, "target", mend).cpu()
