"""Every node of the pack, gathered for the host."""

from comfy_api.latest import ComfyExtension, io

from .conditioning import MannequinConditioning
from .densepose import (
    MannequinDensePoseImage,
    MannequinDensePoseMask,
    MannequinDetectDensePose,
    MannequinImportDensePose,
    MannequinLoadDensePose,
)
from .free import MannequinFreePreprocessors
from .guidance import MannequinRegionBlendGuider
from .loaders import MannequinLoadTruePose
from .model_files import register_weights_folder
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
from .texture import MannequinSwapTexture, MannequinTextureMap, MannequinTextureMask
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
    MannequinLoadDensePose,
    MannequinDetectDensePose,
    MannequinImportDensePose,
    MannequinDensePoseImage,
    MannequinDensePoseMask,
    MannequinTextureMap,
    MannequinSwapTexture,
    MannequinTextureMask,
    MannequinFreePreprocessors,
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
