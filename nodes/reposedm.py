"""RePoseDM: its weights, and the source aligned with the target's pose as CONDITIONING."""

from functools import partial

import comfy.model_management
import torch
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_evaluation import NULL
from ..model_patches.comfy_inputs import INPUTS, Inputs
from ..model_patches.comfy_latents import latents_of
from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.errors import PatchError
from ..model_patches.networks.map_former import Step, upscaled, warp
from ..model_patches.networks.reposedm import RePoseDM
from ..model_patches.weight_kinds.reposedm import REPOSEDM, TRAINED
from ..preprocessors.images import check_image, squashed
from .checks import ASPECT_TOLERANCE, as_pose_picture, check_latent_sides, check_rows, check_skeleton
from .encoding import empty_latent, encoded
from .errors import name_of, names_itself
from .host_features import search_aliases
from .model_files import any_name, files_of_kind, read_weights
from .types import RePoseDMWeights


class MannequinLoadRePoseDM(io.ComfyNode):
    """One file, two networks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadRePoseDM",
            display_name="Load RePoseDM",
            category="Mannequin/Load",
            **search_aliases("pose transfer"),
            description=(
                "Loads a trained RePoseDM from a safetensors file in models/mannequin: its UNet, ready to sample, and "
                f"the recurrent pose alignment. Such files are written by {TRAINED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(REPOSEDM),
                    tooltip="A trained RePoseDM in models/mannequin, recognised by what is in the file.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled."),
                RePoseDMWeights.Output(
                    display_name="alignment", tooltip="The recurrent pose alignment, for the conditioning."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, REPOSEDM), weights))

    validate_inputs = any_name


class MannequinRePoseDMConditioning(io.ComfyNode):
    """Sections 3.1 and 3.2."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinRePoseDMConditioning",
            display_name="RePoseDM Conditioning",
            category="Mannequin/Condition",
            description=(
                "Aligns the source photo with the target pose (RePoseDM, Eq. 5–9) and makes RePoseDM's conditions: the "
                "aligned features as context, the pose's latent beside the noise; and the null condition of Eq. 16, "
                "which sees neither. The warped source of every iteration can be looked at."
            ),
            inputs=[
                RePoseDMWeights.Input("alignment", tooltip="From Load RePoseDM."),
                io.Vae.Input("vae", tooltip="The autoencoder that the weights were trained with."),
                io.Image.Input(
                    "image", tooltip="The source photo, whose size is the result's; one, or one for each pose."
                ),
                io.Image.Input(
                    "pose", tooltip="The target pose, from Draw Pose, of the photo's aspect; a batch makes a batch."
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The condition."),
                io.Conditioning.Output(display_name="negative", tooltip="RePoseDM's own null condition."),
                io.Latent.Output(
                    display_name="latent", tooltip="An empty latent of the right size and number, for the sampler."
                ),
                io.Image.Output(
                    display_name="warped", tooltip="The photo as each iteration warps it, the last one last."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, alignment, vae, image, pose) -> io.NodeOutput:
        network: RePoseDM = alignment.model
        photo = check_image(image)
        drawn = _of_its_size(as_pose_picture(pose, "The pose").movedim(1, -1).clamp(0, 1).cpu(), photo)
        rows = check_rows({"image": len(photo), "pose": len(drawn)}, "The photo is one for all poses, or one for each.")
        beside = encoded(vae, drawn)
        scale = latents_of(network.shape.alignment.channels)
        comfy.model_management.load_models_gpu([alignment])
        source, target = (
            scale.process_in(latent).to(alignment.load_device).expand(rows, -1, -1, -1)
            for latent in (encoded(vae, photo), beside)
        )
        aligned = network(source, target)
        context, inputs = aligned.tokens.float().cpu(), Inputs(beside, node=name_of(cls))
        return io.NodeOutput(
            [[context, {INPUTS: inputs}]],
            [[torch.zeros_like(context), {INPUTS: inputs.as_null(blank=True), NULL: True}]],
            empty_latent(beside, rows),
            warped_pictures(photo.expand(rows, -1, -1, -1), aligned.steps),
        )


def _of_its_size(drawn: Tensor, photo: Tensor) -> Tensor:
    """The drawn poses ``[B, H, W, 3]`` at the photo's size."""
    height, width = photo.shape[1:3]
    check_latent_sides(photo, "The photo", "Fit Image")
    aspect = (drawn.shape[2] / drawn.shape[1]) / (width / height)
    if abs(aspect - 1) > ASPECT_TOLERANCE:
        raise PatchError(
            f"The pose is {drawn.shape[2]}×{drawn.shape[1]} and the photo {width}×{height}: it would be stretched. "
            "Give Draw Pose the photo's size, or fit the pose with Retarget Pose."
        )
    check_skeleton(drawn, "the pose")
    return squashed(drawn, width, height)


def warped_pictures(photo: Tensor, steps: list[Step]) -> Tensor:
    """Photos ``[B, H, W, 3]`` as every iteration warps them, each photo's after one another: ``[B · N, H, W, 3]``.

    The photos themselves where there is no alignment.
    """
    if not steps:
        return photo
    pictures, size = photo.movedim(-1, 1), tuple(photo.shape[1:3])
    warped = [warp(pictures, upscaled(step.flow.float().cpu(), size)) for step in steps]
    return torch.stack(warped, 1).flatten(0, 1).movedim(1, -1).clamp(0, 1)
