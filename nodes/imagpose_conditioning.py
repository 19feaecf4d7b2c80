"""IMAGPose's conditions as CONDITIONING: everything its UNet is given beside noise."""

import comfy.model_management
import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_evaluation import NULL
from ..model_patches.comfy_inputs import INPUTS, Inputs
from ..model_patches.comfy_latents import latents_of
from ..model_patches.errors import PatchError
from ..model_patches.networks.imagpose import IMAGPose
from ..preprocessors.images import squashed
from .encoding import dino_tokens, empty_latent, encoded, visible
from .errors import name_of, names_itself
from .imagpose import Views
from .inputs import pose_strength_input
from .progress import per_picture
from .types import IMAGPoseWeights, JointViews

#: Whose DINOv2 it is, and which of them the published code was trained with.
ENCODER = ("IMAGPose", "base, 768 wide")
#: Sources whose tokens are the context.
SOURCES = (FIRST := "first", "all")


class MannequinIMAGPoseConditioning(io.ComfyNode):
    """Sections 3.2 and 3.3."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinIMAGPoseConditioning",
            display_name="IMAGPose Conditioning",
            category="Mannequin/Condition",
            description=(
                "Conditions of IMAGPose: the source's DINOv2 tokens and the tokens of its latent as context (FLC, Eq. "
                "3), the joint picture and its flag beside the noise (ILC), the poses after the first convolution; and "
                "the null condition of Eq. 5, whose tokens are zero."
            ),
            inputs=[
                IMAGPoseWeights.Input("imagpose", tooltip="From Load IMAGPose."),
                io.ClipVision.Input("dino", tooltip="DINOv2, from Load DINOv2: base for the published code's weights."),
                io.Vae.Input("vae", tooltip="Stable Diffusion's autoencoder."),
                JointViews.Input("views", tooltip="From Joint Views."),
                io.Combo.Input(
                    "sources",
                    options=list(SOURCES),
                    optional=True,
                    tooltip="Whose tokens are the context: the first source's, as published, or every source's.",
                ),
                pose_strength_input(),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The condition."),
                io.Conditioning.Output(display_name="negative", tooltip="IMAGPose's own null condition."),
                io.Latent.Output(display_name="latent", tooltip="An empty latent of the joint picture's size."),
            ],
        )

    @classmethod
    @names_itself
    def execute(
        cls, imagpose, dino, vae, views: Views, sources: str = FIRST, pose_strength: float = 1.0
    ) -> io.NodeOutput:
        network: IMAGPose = imagpose.model
        if network.flc is None or network.pose_guider is None:
            raise PatchError(
                "These weights are modules of cross-view attention alone. Connect Load IMAGPose in place of Load CVA."
            )
        latent = encoded(vae, views.picture)
        photos = views.sources[:1] if sources == FIRST else views.sources
        step, seen = per_picture(len(photos)), []
        for photo in photos:
            seen.append(_seen(network, dino, vae, photo, views.layout.size))
            step()
        comfy.model_management.load_models_gpu([imagpose])
        device = imagpose.load_device
        context = torch.cat([network.flc(*(part.to(device) for part in parts)) for parts in seen], 1)
        poses = network.pose_guider(views.poses.movedim(-1, 1).to(context)).float().cpu()
        inputs = Inputs(
            latent,
            visible(views.mask, latent),
            features=poses * pose_strength if pose_strength else None,
            node=name_of(cls),
        )
        context = context.float().cpu()
        return io.NodeOutput(
            [[context, {INPUTS: inputs}]],
            [[torch.zeros_like(context), {INPUTS: inputs.as_null(), NULL: True}]],
            empty_latent(latent, 1),
        )


def _seen(network: IMAGPose, dino, vae, photo: Tensor, joint_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """What FLC is given of a source: its latent at the joint picture's size, in the UNet's scale; DINOv2's tokens."""
    latent = encoded(vae, squashed(photo, *joint_size, "lanczos"))
    scaled = latents_of(network.flc.shape.latent_channels).process_in(latent)
    return scaled, dino_tokens(dino, photo, network.flc.token_width, *ENCODER)
