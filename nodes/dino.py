"""DINOv2 as PCDMs and IMAGPose use it."""

from pathlib import Path

import folder_paths
import torch
from comfy_api.latest import io

from ..model_patches.comfy_dino import load_dino
from ..model_patches.dino import BY_SCALE, BY_SIZE, is_dino
from ..model_patches.errors import PatchError
from .errors import names_itself
from .host_features import advanced
from .model_files import WEIGHTS_FOLDER, any_name, fitting, read_tensors, tensor_names, weight_files

FOLDER, ENDING = "clip_vision", ".safetensors"
#: In which numbers the encoder is kept.
PRECISIONS = {"the host's": None, "float32": torch.float32}


class MannequinLoadDINOv2(io.ComfyNode):
    """An image encoder that the host knows in other sizes and at another resolution."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadDINOv2",
            display_name="Load DINOv2",
            category="Mannequin/Load",
            description=(
                "Loads DINOv2 (small, base, large or giant) from models/clip_vision for pictures of 224 pixels under "
                "CLIP's statistics, as PCDMs and IMAGPose were trained; Load CLIP Vision has it for 518 pixels."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=_files(),
                    tooltip="A DINOv2 in models/clip_vision, recognised by its keys: giant for PCDMs.",
                ),
                advanced(
                    io.Combo.Input(
                        "positions",
                        options=[BY_SCALE, BY_SIZE],
                        optional=True,
                        tooltip=(
                            "How positions of 37×37 patches become 16×16: by a scale, as PCDMs and IMAGPose had it, or "
                            "by size, as newer versions of transformers do."
                        ),
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "precision",
                        options=list(PRECISIONS),
                        optional=True,
                        tooltip=(
                            "The host keeps image encoders in half precision, 1e-3 of the tokens away from float32."
                        ),
                    )
                ),
            ],
            outputs=[
                io.ClipVision.Output(
                    display_name="CLIP_VISION", tooltip="For PCDMs Conditioning, and for CLIP Vision Encode, crop none."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str, positions: str = BY_SCALE, precision: str = "the host's") -> io.NodeOutput:
        found = folder_paths.get_full_path(FOLDER, weights) or folder_paths.get_full_path(WEIGHTS_FOLDER, weights)
        if found is None or not weights.endswith(ENDING):
            raise PatchError(
                f"There is no safetensors file '{weights}' in models/clip_vision; of DINOv2 there is "
                f"{', '.join(_files()) or 'none'}. Put model.safetensors of facebook/dinov2-giant (or -base) there "
                "under a name of its own and refresh the page."
            )
        state, metadata = read_tensors(Path(found), weights)
        if not is_dino(state):
            raise PatchError(
                f"'{weights}' is no DINOv2. Choose model.safetensors of facebook/dinov2-giant (or -base); other image "
                "encoders are loaded with Load CLIP Vision."
            )
        return io.NodeOutput(load_dino(state, weights, metadata, positions, PRECISIONS[precision]))

    validate_inputs = any_name


def _files() -> list[str]:
    """Names of the files in models/clip_vision that are a DINOv2; behind them the pack's own."""
    names = [name for name in folder_paths.get_filename_list(FOLDER) if name.endswith(ENDING)]
    paths = {name: folder_paths.get_full_path(FOLDER, name) for name in names}
    found = [name for name, path in paths.items() if path and _is_dino(Path(path))]
    return list(dict.fromkeys([*found, *fitting(weight_files(ENDING), _is_dino)]))


def _is_dino(path: Path) -> bool:
    return is_dino(tensor_names(path) or ())
