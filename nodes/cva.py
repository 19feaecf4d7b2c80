"""Cross-view attention on a MODEL, and its modules alone."""

from comfy_api.latest import io

from ..model_patches.attention.cva import AFTER_ATTENTION, AFTER_LAYERS, Tiles
from ..model_patches.comfy_cva import apply_cva
from ..model_patches.comfy_weights import load_weights
from ..model_patches.weight_kinds.imagpose import CONVERTED, CVA_MODULES
from .errors import name_of, names_itself
from .host_features import advanced, search_aliases
from .inputs import scope_inputs, scope_of, sites_input
from .model_files import any_name, files_of_kind, read_weights
from .types import IMAGPoseWeights

#: Canvases of a joint picture, rows by columns; IMAGPose was trained on the first.
CANVASES: dict[str, Tiles] = {"2×2": (2, 2), "1×2": (1, 2), "2×1": (2, 1), "2×3": (2, 3), "3×3": (3, 3)}
#: What the views are.
BATCH = "images of the batch"
VIEWS: dict[str, Tiles | None] = {f"{name} tiles": tiles for name, tiles in CANVASES.items()} | {BATCH: None}


class MannequinLoadCVA(io.ComfyNode):
    """Modules without a UNet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadCVA",
            display_name="Load CVA",
            category="Mannequin/Load",
            description=(
                "Loads modules of cross-view attention without a UNet from a safetensors file in models/mannequin: a "
                "motion module in AnimateDiff's form, as IMAGPose's training begins from, made ready with "
                f"{CONVERTED}. Load IMAGPose gives a whole model's modules."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(CVA_MODULES),
                    tooltip="Modules of cross-view attention in models/mannequin, recognised by what is in the file.",
                )
            ],
            outputs=[IMAGPoseWeights.Output(display_name="imagpose", tooltip="The modules, for Apply CVA.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        state, metadata = read_weights(weights)
        return io.NodeOutput(*load_weights(CVA_MODULES, state, weights, metadata))

    validate_inputs = any_name


class MannequinApplyCVA(io.ComfyNode):
    """Section 3.4."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinApplyCVA",
            display_name="Apply CVA",
            category="Mannequin/Patch",
            **search_aliases("imagpose", "cross-view", "multi-view", "consistency"),
            description=(
                "Cross-view attention (IMAGPose, section 3.4): between the UNet's layers, every place of a view looks "
                "at the same place of the other views, for the condition and for guidance's null condition alike. "
                "Views are the tiles of a joint picture, or the images of the batch."
            ),
            inputs=[
                io.Model.Input("model", tooltip="IMAGPose's model, or another of Stable Diffusion as wide."),
                IMAGPoseWeights.Input("imagpose", tooltip="From Load IMAGPose, or Load CVA."),
                advanced(
                    io.Combo.Input(
                        "placement",
                        options=[AFTER_LAYERS, AFTER_ATTENTION],
                        tooltip=(
                            "After each layer: 21 places in SD1.5, as the published weights were trained. After "
                            "cross-attention: 16 places, as the paper says."
                        ),
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "views",
                        options=list(VIEWS),
                        tooltip=(
                            "What looks at each other: tiles of one joint picture (rows × columns; 2×2 is what "
                            "IMAGPose was trained on), or the images of the batch."
                        ),
                    )
                ),
                sites_input(),
                *scope_inputs(),
            ],
            outputs=[io.Model.Output(display_name="MODEL", tooltip="The model, whose views know each other.")],
        )

    @classmethod
    @names_itself
    def execute(
        cls,
        model,
        imagpose,
        placement,
        views,
        sites,
        strength,
        start_percent,
        end_percent,
        region=None,
    ) -> io.NodeOutput:
        scope = scope_of(strength, start_percent, end_percent, region)
        return io.NodeOutput(apply_cva(model, imagpose, placement, sites, VIEWS[views], scope, name_of(cls)))
