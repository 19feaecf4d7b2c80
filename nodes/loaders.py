"""Nodes that bring weights into a graph."""

import comfy.utils
import folder_paths
from comfy_api.latest import io
from safetensors import SafetensorError

from ..model_patches import comfy_binding
from ..model_patches.checkpoints import build_truepose
from ..model_patches.errors import PatchError
from .errors import names_itself
from .inputs import WEIGHTS_FOLDER
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
                    options=folder_paths.get_filename_list(WEIGHTS_FOLDER),
                    tooltip="A TruePose weight file in models/mannequin, recognised by its keys.",
                )
            ],
            outputs=[TruePoseWeights.Output("truepose", tooltip="TruePose's trained modules.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        path = folder_paths.get_full_path(WEIGHTS_FOLDER, weights)
        if path is None:
            present = ", ".join(folder_paths.get_filename_list(WEIGHTS_FOLDER)) or "nothing"
            raise PatchError(
                f"There is no '{weights}' in models/mannequin, which holds {present}. Put the file there (or name its "
                "folder in extra_model_paths.yaml under 'mannequin') and refresh the page."
            )
        try:
            state, metadata = comfy.utils.load_torch_file(path, safe_load=True, return_metadata=True)
        except (SafetensorError, ValueError, OSError) as error:
            raise PatchError(
                f"'{weights}' cannot be read as safetensors ({str(error).splitlines()[0]}). It is truncated or another "
                "kind of file: download it again and compare its size."
            ) from error
        network = build_truepose(state, weights, metadata, comfy_binding.host_operations())
        return io.NodeOutput(comfy_binding.host_patcher(network))
