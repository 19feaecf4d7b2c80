"""Nodes that bring weights into a graph."""

from functools import partial

from comfy_api.latest import io

from ..model_patches.comfy_networks import load_file
from ..model_patches.comfy_small_sd import load_clip_vision
from ..model_patches.comfy_weights import load_weights
from ..model_patches.weight_kinds.small_clip import SMALL_CLIP
from ..model_patches.weight_kinds.truepose import TRAINED, TRUEPOSE, TRUEPOSE_MODEL
from .errors import names_itself
from .host_features import search_aliases
from .model_files import any_name, files_of_kind, read_weights
from .types import TruePoseWeights


class MannequinLoadTruePose(io.ComfyNode):
    """Reads the weights TruePose adds to Stable Diffusion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadTruePose",
            display_name="Load TruePose",
            category="Mannequin/Load",
            **search_aliases("pose transfer"),
            description=(
                "Loads what TruePose adds to Stable Diffusion (HPFA, CAA and the pose encoder) from a safetensors file "
                "in models/mannequin. The two UNets come from the host's own loaders."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(TRUEPOSE),
                    tooltip="A TruePose weight file in models/mannequin, recognised by its keys.",
                )
            ],
            outputs=[
                TruePoseWeights.Output("truepose", display_name="TRUEPOSE", tooltip="TruePose's trained modules.")
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        state, metadata = read_weights(weights)
        return io.NodeOutput(*load_weights(TRUEPOSE, state, weights, metadata))

    validate_inputs = any_name


class MannequinLoadTruePoseModel(io.ComfyNode):
    """One file, three networks."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadTruePoseModel",
            display_name="Load TruePose Model",
            category="Mannequin/Load",
            **search_aliases("pose transfer"),
            description=(
                "Loads a trained TruePose from one safetensors file: TargetNet, ready to sample, SourceNet, and what "
                f"lies between. The pack's own demo weights are such a file; others are written by {TRAINED}."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(TRUEPOSE_MODEL),
                    tooltip="A trained TruePose in models/mannequin, or the pack's own.",
                )
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="TargetNet, the UNet that is sampled."),
                io.Model.Output(display_name="source", tooltip="SourceNet's UNet, for SourceNet."),
                TruePoseWeights.Output(display_name="truepose", tooltip="HPFA, CAA and the pose encoder."),
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        return io.NodeOutput(*load_file(read_weights, partial(load_weights, TRUEPOSE_MODEL), weights))

    validate_inputs = any_name


class MannequinLoadSmallCLIPVision(io.ComfyNode):
    """CLIP's architecture at sizes the host's own loader does not know."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadSmallCLIPVision",
            display_name="Load Small CLIP Vision",
            category="Mannequin/Load",
            description=(
                "Loads the image encoder of the demo weights. With weights for Stable Diffusion put Load CLIP Vision "
                "in its place."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=files_of_kind(SMALL_CLIP),
                    tooltip="An image encoder with its sizes in its header, such as demo_clip_vision.safetensors.",
                )
            ],
            outputs=[io.ClipVision.Output(display_name="CLIP_VISION", tooltip="For Encode Regions.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        state, metadata = read_weights(weights)
        return io.NodeOutput(load_clip_vision(state, weights, metadata))

    validate_inputs = any_name
