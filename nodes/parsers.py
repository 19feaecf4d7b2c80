"""Parsings from elsewhere: networks of the user's, and pictures that other programs wrote."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import comfy.model_management
import folder_paths
from comfy_api.latest import io
from torch import Tensor

from ..model_patches.comfy_networks import host_patcher
from ..preprocessors import schp, segformer
from ..preprocessors.label_pictures import from_image
from ..preprocessors.label_sets import LABEL_SETS
from ..preprocessors.parsers import Parser
from .errors import names_itself
from .model_files import any_name, fitting, remembered, tensor_names, weight_file, weight_files
from .types import ParserNetwork, Parsing

#: How folders of models that other packs use are written before their files' names.
SHARED = "models/"
#: Where other packs keep SegFormers and SCHP, in the host's models folder.
SHARED_PLACES = (f"*segformer*/{segformer.WEIGHTS}", "*human*pars*/parsing_*.onnx")

_is_schp = remembered(schp.is_schp)


@dataclass(frozen=True, eq=False)
class HostedParser:
    """A parsing network that the host loads, offloads and frees."""

    patcher: Any

    def labels(self, picture: Tensor) -> Tensor:
        """As :class:`Parser` has it."""
        comfy.model_management.load_models_gpu([self.patcher])
        return self.patcher.model.labels(picture, self.patcher.load_device)


class MannequinLoadParser(io.ComfyNode):
    """Reads a parsing network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadParser",
            display_name="Load Parser",
            category="Mannequin/Load",
            description=(
                "Loads a human parsing network from models/mannequin: SegFormer as a folder (config.json and "
                "model.safetensors), such as segformer_b2_clothes, or SCHP as an .onnx file."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=[*_segformers(), *fitting(weight_files(".onnx"), _fits), *_shared_files(whole=True)],
                    tooltip="A SegFormer's folder or an SCHP file in models/mannequin, or where other packs keep them.",
                ),
                io.Combo.Input(
                    "label_set",
                    options=["auto", *LABEL_SETS],
                    tooltip="What its classes are. Auto reads their names, or counts them where there are none.",
                ),
            ],
            outputs=[ParserNetwork.Output("parser", display_name="PARSER", tooltip="The network, for Parse Person.")],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str, label_set: str) -> io.NodeOutput:
        ending = Path(weights).suffix
        found = _shared_files().get(weights) or weight_file(weights, ending)
        return io.NodeOutput(_load(found, label_set))

    validate_inputs = any_name


class MannequinImportParsing(io.ComfyNode):
    """A parsing made elsewhere."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinImportParsing",
            display_name="Import Parsing",
            category="Mannequin/Person",
            description=(
                "Reads a picture of labels that another program wrote: the classes' numbers as grey, or SCHP's "
                "colours. It must be the PNG file itself: not JPEG, and not resized but to the nearest pixel."
            ),
            inputs=[
                io.Image.Input("image", tooltip="The picture of labels."),
                io.Combo.Input("label_set", options=list(LABEL_SETS), tooltip="Whose classes the picture shows."),
            ],
            outputs=[
                Parsing.Output("parsing", display_name="PARSING", tooltip="A label for every pixel (LIP's twenty).")
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, image, label_set) -> io.NodeOutput:
        return io.NodeOutput(from_image(image, label_set))


def _load(found: Path, label_set: str) -> Parser:
    if found.suffix == ".onnx":
        return schp.load(found, label_set)
    return HostedParser(host_patcher(segformer.load(found.parent, label_set)))


def _segformers() -> list[str]:
    """Names of the complete weight files in models/mannequin that have a SegFormer's config.json beside them."""
    names = [name for name in weight_files(".safetensors") if Path(name).name == segformer.WEIGHTS]
    return fitting(names, _fits)


def _is_parser(file: Path) -> bool:
    return file.suffix == ".onnx" or segformer.is_segformer(file.parent)


def _fits(file: Path) -> bool:
    """Whether a file is a whole parsing network, by what can be seen without loading it."""
    if file.suffix == ".onnx":
        return bool(_is_schp(file))
    return segformer.CLASSES_KEY in (tensor_names(file) or ()) and segformer.is_segformer(file.parent)


def _shared_files(whole: bool = False) -> dict[str, Path]:
    """What other packs keep elsewhere in the host's models folder; only complete files where asked for."""
    folder = Path(folder_paths.models_dir)
    files = (file for place in SHARED_PLACES for file in sorted(folder.glob(place)))
    usable = (file for file in files if (_fits(file) if whole else _is_parser(file)))
    return {SHARED + file.relative_to(folder).as_posix(): file for file in usable}
