"""Nodes that bring weights into a graph."""

from comfy_api.latest import io

from ..model_patches import comfy_binding
from ..model_patches.checkpoints import build_truepose
from .errors import names_itself
from .model_files import read_weights, weight_files
from .types import TruePoseWeights


class MannequinLoadTruePose(io.ComfyNode):
    """Reads the weights TruePose adds to Stable Diffusion."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadTruePose",
            display_name="Load TruePose",
            category="Mannequin/TruePose",
            description=(
                "Loads what TruePose adds to Stable Diffusion (HPFA, CAA and the pose encoder) from a safetensors file "
                "in models/mannequin. The two UNets come from the host's own loaders."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=weight_files(".safetensors"),
                    tooltip="A TruePose weight file in models/mannequin, recognised by its keys.",
                )
            ],
            outputs=[TruePoseWeights.Output("truepose", tooltip="TruePose's trained modules.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        state, metadata = read_weights(weights)
        network = build_truepose(state, weights, metadata, comfy_binding.host_operations())
        return io.NodeOutput(comfy_binding.host_patcher(network))
