"""A model that needs no download: Stable Diffusion's architecture, small, with seeded weights."""

from comfy_api.latest import io

from ..model_patches.comfy_small_sd import SmallSD, build_clip_vision, build_model, build_truepose, build_vae
from .types import TruePoseWeights

LAYOUTS = {"SD1.5": False, "SDXL": True}


class MannequinUntrainedModel(io.ComfyNode):
    """Builds the parts a graph needs, without knowledge in them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinUntrainedModel",
            display_name="Untrained Small Model",
            category="Mannequin/Load",
            description=(
                "Builds a small model with random weights, to try a graph on a machine without a checkpoint. It makes "
                "noise, not people: for pictures put Load Checkpoint, Load CLIP Vision and Load TruePose in its place."
            ),
            inputs=[
                io.Combo.Input("layout", options=list(LAYOUTS), tooltip="Which UNet layout it is a small copy of."),
                io.Int.Input(
                    "width",
                    default=64,
                    min=32,
                    max=320,
                    step=32,
                    tooltip="Channels of the first level; Stable Diffusion has 320.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**32 - 1,
                    control_after_generate=False,
                    tooltip="Seed of the weights. The same seed gives the same model on every machine.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The UNet, predicting noise (ε)."),
                io.Vae.Output(display_name="VAE", tooltip="An autoencoder of Stable Diffusion's architecture."),
                io.ClipVision.Output(display_name="CLIP_VISION", tooltip="An image encoder of CLIP's architecture."),
                TruePoseWeights.Output(display_name="TRUEPOSE", tooltip="TruePose's modules, for this UNet."),
            ],
            is_experimental=True,
        )

    @classmethod
    def execute(cls, layout: str, width: int, seed: int) -> io.NodeOutput:
        sizes = SmallSD(width=width, xl=LAYOUTS[layout])
        model = build_model(sizes, seed)
        return io.NodeOutput(
            model,
            build_vae(seed + 1),
            build_clip_vision(seed + 2, sizes.context_dim),
            build_truepose(model, sizes.context_dim, seed + 3),
        )
