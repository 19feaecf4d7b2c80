"""Every node of the pack, gathered for the host."""

from pathlib import Path

import folder_paths
from comfy_api.latest import ComfyExtension, io

from .conditioning import MannequinConditioning
from .guidance import MannequinRegionBlendGuider
from .inputs import WEIGHTS_FOLDER
from .loaders import MannequinLoadTruePose
from .parsing import (
    MannequinEncodeRegions,
    MannequinParsePerson,
    MannequinParsingMask,
    MannequinPreviewParsing,
    MannequinSelectParsing,
)
from .pose import MannequinDetectPose, MannequinDrawPose
from .reference import MannequinApplyReference
from .source import MannequinSourceNet
from .truepose import MannequinApplyCAA, MannequinApplyHPFA, MannequinApplyPoseEncoder
from .untrained import MannequinUntrainedModel

NODES: list[type[io.ComfyNode]] = [
    MannequinLoadTruePose,
    MannequinUntrainedModel,
    MannequinDetectPose,
    MannequinDrawPose,
    MannequinParsePerson,
    MannequinPreviewParsing,
    MannequinParsingMask,
    MannequinSelectParsing,
    MannequinEncodeRegions,
    MannequinSourceNet,
    MannequinApplyHPFA,
    MannequinApplyCAA,
    MannequinApplyPoseEncoder,
    MannequinApplyReference,
    MannequinConditioning,
    MannequinRegionBlendGuider,
]


class MannequinExtension(ComfyExtension):
    """What the host asks for when it loads the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> MannequinExtension:
    """The host's way in."""
    register_weights_folder()
    return MannequinExtension()


def register_weights_folder() -> None:
    """``models/mannequin``, beside whatever extra_model_paths.yaml names for it."""
    default = str(Path(folder_paths.models_dir) / WEIGHTS_FOLDER)
    paths, _ = folder_paths.folder_names_and_paths.get(WEIGHTS_FOLDER, ([], set()))
    folder_paths.folder_names_and_paths[WEIGHTS_FOLDER] = ([*paths, default], {".safetensors"})
