"""Weight files in the host's model folders."""

import functools
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import comfy.utils
import folder_paths
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from ..model_patches.errors import PatchError
from ..model_patches.weight_kinds import check, recognise
from ..model_patches.weight_kinds.header import METADATA, HeaderError, read_header
from ..model_patches.weight_kinds.kind import WeightKind
from ..preprocessors.errors import reason

Seen = TypeVar("Seen")

#: ``models/mannequin``, and whatever extra_model_paths.yaml names for it.
WEIGHTS_FOLDER = "mannequin"
#: Weights that come with the pack; the autoencoder is for the host's own Load VAE.
DEMO = Path(__file__).resolve().parent.parent / "weights"
ENDINGS = {".safetensors", ".onnx", ".torchscript"}
#: What a reader raises over a file that is no safetensors: the library's, or the host's own under dynamic VRAM.
UNREADABLE = (SafetensorError, AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError, struct.error)
#: Up to how many bytes a file is read whole. From a longer one tensors are read singly, as the host does it, and of
#: each safetensors (0.6 to 0.8) leaves 56 bytes behind: a prompt of another graph reads a thousand of them anew.
WHOLE = 64 * 2**20
#: Files about which is remembered what is in them.
REMEMBERED = 4096


def register_weights_folder() -> None:
    """``models/mannequin``, beside whatever extra_model_paths.yaml names for it; and the pack's own demo weights."""
    default = str(Path(folder_paths.models_dir) / WEIGHTS_FOLDER)
    paths, _ = folder_paths.folder_names_and_paths.get(WEIGHTS_FOLDER, ([], set()))
    folder_paths.folder_names_and_paths[WEIGHTS_FOLDER] = ([*paths, default, str(DEMO / "models")], ENDINGS)
    folder_paths.add_model_folder_path("vae", str(DEMO / "vae"))


def weight_files(ending: str) -> list[str]:
    """Names, relative to the weights folder, of the files in it that end so.

    The user's come before the pack's own: a new node begins with the first.
    """
    names = [name for name in folder_paths.get_filename_list(WEIGHTS_FOLDER) if name.endswith(ending)]
    return sorted(names, key=lambda name: (found := _found(name)) is not None and DEMO in found.parents)


def files_of_kind(kind: WeightKind) -> list[str]:
    """Names, as :func:`weight_files` has them, of the files that the kind's node can load."""
    return fitting(weight_files(".safetensors"), lambda path: _kind_of(path) is kind)


def fitting(names: list[str], fits: Callable[[Path], bool]) -> list[str]:
    """The names, of those given, of files in the weights folder in which something is seen."""
    return [name for name in names if (found := _found(name)) is not None and fits(found)]


def remembered(look: Callable[[Path], Seen]) -> Callable[[Path], Seen | None]:
    """Decorate what looks into a file: it looks again where the file has changed, and sees None in an unreadable one.

    The host makes its list of nodes at every reload of the page, and looks into every file then.
    """
    seen = functools.lru_cache(REMEMBERED)(lambda path, modified, size: look(path))

    @functools.wraps(look)
    def wrapper(path: Path) -> Seen | None:
        try:
            facts = path.stat()
            return seen(path, facts.st_mtime_ns, facts.st_size)
        except OSError:
            return None

    return wrapper


@remembered
def _kind_of(path: Path) -> WeightKind | None:
    """The kind of a file that its node can load, by its header; None for every other file."""
    try:
        header = read_header(path)
        kind = recognise(header.state, header.metadata)
        if kind is None or kind.foreign:
            return None
        check(kind, header.state, path.name, header.metadata)
    except (HeaderError, PatchError):
        return None
    return kind


@remembered
def tensor_names(path: Path) -> frozenset[str]:
    """Keys of a complete safetensors file; none of any other file."""
    try:
        return frozenset(read_header(path).state)
    except HeaderError:
        return frozenset()


@classmethod
def any_name(cls, weights) -> bool:
    """A loader's ``validate_inputs``: lets a file through that is not listed, for ``execute`` to say what is wrong.

    The host would answer a saved graph with "value not in list".
    """
    return True


def _found(name: str) -> Path | None:
    path = folder_paths.get_full_path(WEIGHTS_FOLDER, name)
    return None if path is None else Path(path)


def weight_file(name: str, ending: str) -> Path:
    """Where a file of that name lies.

    Raises:
        PatchError: there is none; says what there is, and where to put it.
    """
    path = _found(name)
    if path is None:
        present = ", ".join(weight_files(ending)) or "nothing of the kind"
        raise PatchError(
            f"There is no '{name}' in models/mannequin, which holds {present}. Put the file there (or name its folder "
            "in extra_model_paths.yaml under 'mannequin') and refresh the page."
        )
    return path


def read_weights(name: str) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """The tensors of a safetensors file in the weights folder, and its header.

    Raises:
        PatchError: there is no such file, or it cannot be read.
    """
    return read_tensors(weight_file(name, ".safetensors"), name)


def read_tensors(path: Path, name: str) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """The tensors of a safetensors file, and its header.

    Raises:
        PatchError: it cannot be read; ``name`` is what it is called there.
    """
    try:
        if path.stat().st_size <= WHOLE:
            return _read_whole(path)
        return comfy.utils.load_torch_file(str(path), safe_load=True, return_metadata=True)
    except UNREADABLE as error:
        raise PatchError(
            f"'{name}' cannot be read as safetensors ({reason(error)}). It is truncated or another kind "
            "of file: download it again and compare its size."
        ) from error


def _read_whole(path: Path) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return load(content), json.loads(content[8 : 8 + length]).get(METADATA)
