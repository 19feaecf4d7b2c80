"""DensePose: from a photo to surface coordinates, and to and from pictures of them."""

from pathlib import Path

import comfy.model_management
import folder_paths
from comfy_api.latest import io

from ..model_patches.comfy_networks import host_patcher
from ..preprocessors.densepose import GROUPS, from_image, part_numbers
from ..preprocessors.densepose_net import RESOLUTION, detect_densepose, is_torchscript, load
from .errors import names_itself
from .host_features import advanced, search_aliases
from .inputs import no_person_input
from .model_files import any_name, fitting, remembered, weight_file, weight_files
from .progress import per_picture
from .types import DensePose, DensePoseNetwork

ENDING = ".torchscript"
#: How another pack's folder of downloads is written before its files' names.
SHARED = "comfyui_controlnet_aux: "

_is_torchscript = remembered(is_torchscript)


class MannequinLoadDensePose(io.ComfyNode):
    """Reads the DensePose network."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinLoadDensePose",
            display_name="Load DensePose",
            category="Mannequin/Load",
            description=(
                "Loads DensePose R-CNN from a TorchScript file: one in models/mannequin, or the one that "
                "comfyui_controlnet_aux has already downloaded."
            ),
            inputs=[
                io.Combo.Input(
                    "weights",
                    options=[*fitting(weight_files(ENDING), _is_torchscript), *_shared_files(whole=True)],
                    tooltip="densepose_r50_fpn_dl.torchscript, or densepose_r101_fpn_dl.torchscript, which MCLD used.",
                )
            ],
            outputs=[
                DensePoseNetwork.Output(
                    "densepose_net", display_name="DENSEPOSE_NET", tooltip="The network, for Detect DensePose."
                )
            ],
        )

    @classmethod
    @names_itself
    def execute(cls, weights: str) -> io.NodeOutput:
        found = _shared_files().get(weights) or weight_file(weights, ENDING)
        return io.NodeOutput(host_patcher(load(found)))

    validate_inputs = any_name


def _shared_files(whole: bool = False) -> dict[str, Path]:
    """What comfyui_controlnet_aux downloaded, wherever its packs' folder is; only complete files where asked for."""
    packs = (Path(folder) for folder in folder_paths.get_folder_paths("custom_nodes"))
    files = (file for folder in packs for file in folder.glob(f"*controlnet_aux*/ckpts/**/*densepose*{ENDING}"))
    return {SHARED + file.name: file for file in sorted(files) if not whole or _is_torchscript(file)}


class MannequinDetectDensePose(io.ComfyNode):
    """Surface coordinates of the people in a photo."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDetectDensePose",
            display_name="Detect DensePose",
            category="Mannequin/Person",
            **search_aliases("iuv", "uv map"),
            description=(
                "Part index, U and V of every pixel of a person (DensePose), not only the parts' colours: for MCLD's "
                "pose image and texture map."
            ),
            inputs=[
                DensePoseNetwork.Input("densepose_net", tooltip="From Load DensePose."),
                io.Image.Input("image", tooltip="Photos."),
                no_person_input(),
                io.Combo.Input(
                    "on_several",
                    options=["most certain", "largest", "most central", "all", "error"],
                    tooltip="Several people found: who counts. MCLD takes the most certain.",
                ),
                advanced(
                    io.Int.Input(
                        "resolution",
                        default=RESOLUTION,
                        min=64,
                        max=2048,
                        step=32,
                        tooltip="Short side of the picture the network sees, in pixels; 800 is what it was tested at.",
                    )
                ),
            ],
            outputs=[DensePose.Output("densepose", display_name="DENSEPOSE", tooltip="I, U and V of every pixel.")],
        )

    @classmethod
    @names_itself
    def execute(cls, densepose_net, image, on_no_person, on_several, resolution) -> io.NodeOutput:
        comfy.model_management.load_models_gpu([densepose_net])
        network, device = densepose_net.model, densepose_net.load_device
        step = per_picture(len(image))
        return io.NodeOutput(detect_densepose(image, network, on_no_person, on_several, resolution, device, step))


class MannequinImportDensePose(io.ComfyNode):
    """An IUV picture made elsewhere."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinImportDensePose",
            display_name="Import DensePose",
            category="Mannequin/Person",
            **search_aliases("iuv", "uv map"),
            description=(
                "Reads a DensePose picture (IUV) that another program wrote, in the usual order of its channels or in "
                "MCLD's. It must be the PNG file itself: not resized, not JPEG, not coloured for display."
            ),
            inputs=[
                io.Image.Input("image", tooltip="The IUV picture."),
                io.Combo.Input(
                    "order",
                    options=["auto", "IUV", "VUI"],
                    tooltip="What red, green and blue hold. Auto takes the order in which the part indices fit.",
                ),
            ],
            outputs=[DensePose.Output("densepose", display_name="DENSEPOSE", tooltip="I, U and V of every pixel.")],
        )

    @classmethod
    @names_itself
    def execute(cls, image, order) -> io.NodeOutput:
        return io.NodeOutput(from_image(image, order))


class MannequinDensePoseImage(io.ComfyNode):
    """Surface coordinates as a picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDensePoseImage",
            display_name="DensePose to Image",
            category="Mannequin/Person",
            description=(
                "DensePose as a picture, in the convention its reader wants: MCLD's pose guider, other programs, or a "
                "DensePose ControlNet."
            ),
            inputs=[
                DensePose.Input("densepose", tooltip="From Detect DensePose or Import DensePose."),
                io.Combo.Input(
                    "convention",
                    options=["VUI", "IUV", "parts"],
                    tooltip="VUI: MCLD's pose image. IUV: the usual file. parts: a colour a part, for ControlNets.",
                ),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The picture. Save it as PNG; JPEG destroys it.")],
        )

    @classmethod
    @names_itself
    def execute(cls, densepose, convention) -> io.NodeOutput:
        return io.NodeOutput(densepose.image(convention))


class MannequinDensePoseMask(io.ComfyNode):
    """Body parts as a mask."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MannequinDensePoseMask",
            display_name="DensePose to Mask",
            category="Mannequin/Person",
            description="A mask of body parts. Grow, shrink and feather it with ComfyUI's own mask nodes.",
            inputs=[
                DensePose.Input("densepose", tooltip="From Detect DensePose or Import DensePose."),
                parts_input(),
            ],
            outputs=[io.Mask.Output(display_name="MASK", tooltip="White where any of the parts is.")],
        )

    @classmethod
    @names_itself
    def execute(cls, densepose, parts) -> io.NodeOutput:
        return io.NodeOutput(densepose.mask(part_numbers(parts)).float())


def parts_input() -> io.String.Input:
    """Which body parts a node works on."""
    return io.String.Input(
        "parts",
        default="head",
        tooltip=f"Body parts, with commas between them: {', '.join(GROUPS)}; or DensePose's numbers, 1 to 24.",
    )
