"""RePoseSD (RePoseDM, section 4.4): its weights, and words and drawn poses together as CONDITIONING."""

from functools import partial

from comfy_api.latest import io

from ..model_patches.comfy_evaluation import NULL
from ..model_patches.comfy_inputs import INPUTS, Inputs
from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_weights import load_weights
from ..model_patches.weight_kinds.reposesd import REPOSESD, TRAINED
from .checks import as_pose_picture, check_conditioning, check_latent_sides, check_skeleton
from .encoding import empty_latent, encoded
from .errors import name_of, names_itself
from .host_features import search_aliases
from .model_files import any_name, files_of_kind, read_weights


class MannequinLoadRePoseSD(io.ComfyNode):
    """One UNet; text encoder and autoencoder are its base's."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadRePoseSD",
            display_name="Load RePoseSD",
            category="Mannequin/Load",
            **search_aliases("text to image", "several people"),
            description=(
                "Loads a trained RePoseSD from a safetensors file in models/mannequin: Stable Diffusion's UNet, which "
                f"is given everybody's drawn poses. Such files are written by {TRAINED}. CLIP and VAE are those of the "
                "checkpoint it was trained from."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(REPOSESD),
                    tooltip="A trained RePoseSD in models/mannequin, recognised by what is in the file.",
                )
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The UNet that is sampled.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, REPOSESD), weights))

    validate_inputs = any_name


class MannequinRePoseSDConditioning(io.ComfyNode):
    """Section 4.4."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinRePoseSDConditioning",
            display_name="RePoseSD Conditioning",
            category="Mannequin/Condition",
            description=(
                "Gives RePoseSD the drawn poses beside words (RePoseDM, section 4.4): the positive sees the poses' "
                "latent, the negative none, as both were dropped together in training (Eq. 16)."
            ),
            inputs=[
                io.Conditioning.Input(
                    "positive", tooltip="The words, by the text encoder of the checkpoint that RePoseSD began from."
                ),
                io.Conditioning.Input("negative", tooltip="What is not wanted; an empty text is the null condition."),
                io.Vae.Input("vae", tooltip="The autoencoder of that checkpoint."),
                io.Image.Input(
                    "pose",
                    tooltip="Everybody's poses in one picture, from Draw Pose; its size is the result's. A batch makes "
                    "a batch.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The words, and the poses."),
                io.Conditioning.Output(display_name="negative", tooltip="The unwanted words, without poses."),
                io.Latent.Output(
                    display_name="latent", tooltip="An empty latent of the right size and number, for the sampler."
                ),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, positive, negative, vae, pose) -> io.NodeOutput:
        check_conditioning(positive, "positive")
        check_conditioning(negative, "negative")
        drawn = as_pose_picture(pose, "The pose").movedim(1, -1).clamp(0, 1).cpu()
        check_latent_sides(drawn, "The pose", "Draw Pose")
        check_skeleton(drawn, "the pose")
        latent = encoded(vae, drawn)
        inputs = Inputs(latent, node=name_of(cls))
        told, null = {INPUTS: inputs}, {INPUTS: inputs.as_null(blank=True), NULL: True}
        return io.NodeOutput(
            [[tokens, entries | told] for tokens, entries in positive],
            [[tokens, entries | null] for tokens, entries in negative],
            empty_latent(latent, len(drawn)),
        )
