"""Weight files in the host's model folders."""

import struct
from pathlib import Path

import comfy.utils
import folder_paths
from safetensors import SafetensorError
from torch import Tensor

from ..model_patches.errors import PatchError
from ..preprocessors.errors import reason

#: ``models/mannequin``, and whatever extra_model_paths.yaml names for it.
WEIGHTS_FOLDER = "mannequin"
#: Weights that come with the pack; the autoencoder is for the host's own Load VAE.
DEMO = Path(__file__).resolve().parent.parent / "weights"
ENDINGS = {".safetensors", ".onnx", ".torchscript"}
#: What a reader raises over a file that is no safetensors: the library's, or the host's own under dynamic VRAM.
UNREADABLE = (SafetensorError, AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError, struct.error)


def register_weights_folder() -> None:
    """``models/mannequin``, beside whatever extra_model_paths.yaml names for it; and the pack's own demo weights."""
    default = str(Path(folder_paths.models_dir) / WEIGHTS_FOLDER)
    paths, _ = folder_paths.folder_names_and_paths.get(WEIGHTS_FOLDER, ([], set()))
    folder_paths.folder_names_and_paths[WEIGHTS_FOLDER] = ([*paths, default, str(DEMO / "models")], ENDINGS)
    folder_paths.add_model_folder_path("vae", str(DEMO / "vae"))


def weight_files(ending: str) -> list[str]:
    """Names, relative to the weights folder, of the files in it that end so."""
    return [name for name in folder_paths.get_filename_list(WEIGHTS_FOLDER) if name.endswith(ending)]


def weight_file(name: str, ending: str) -> Path:
    """Where a file of that name lies.

    Raises:
        PatchError: there is none; says what there is, and where to put it.
    """
    path = folder_paths.get_full_path(WEIGHTS_FOLDER, name)
    if path is None:
        present = ", ".join(weight_files(ending)) or "nothing of the kind"
        raise PatchError(
            f"There is no '{name}' in models/mannequin, which holds {present}. Put the file there (or name its folder "
            "in extra_model_paths.yaml under 'mannequin') and refresh the page."
        )
    return Path(path)


def read_weights(name: str) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """The tensors of a safetensors file in the weights folder, and its header.

    Raises:
        PatchError: there is no such file, or it cannot be read.
    """
    path = weight_file(name, ".safetensors")
    try:
        return comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    except UNREADABLE as error:
        raise PatchError(
            f"'{name}' cannot be read as safetensors ({reason(error)}). It is truncated or another kind "
            "of file: download it again and compare its size."
        ) from error
