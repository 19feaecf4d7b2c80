"""Every node of the pack, gathered for the host."""

from comfy_api.latest import ComfyExtension, io

from .attention_preview import MannequinPreviewAttention
from .body import MannequinPoseMannequin
from .conditioning import MannequinConditioning
from .crop import MannequinFitImage, MannequinPasteBack
from .cva import MannequinApplyCVA, MannequinLoadCVA
from .densepose import (
    MannequinDensePoseImage,
    MannequinDensePoseMask,
    MannequinDetectDensePose,
    MannequinImportDensePose,
    MannequinLoadDensePose,
)
from .dino import MannequinLoadDINOv2
from .face import MannequinCropFace, MannequinEmbedFace, MannequinFaceOfRegions, MannequinLoadFaceAnalysis
from .face_embedding import MannequinLoadFaceEmbedding, MannequinSaveFaceEmbedding
from .fit_body import MannequinFitBody
from .free import MannequinFreePreprocessors
from .guidance import MannequinRegionBlendGuider
from .imagpose import MannequinJointViews, MannequinLoadIMAGPose, MannequinSplitViews
from .imagpose_conditioning import MannequinIMAGPoseConditioning
from .loaders import MannequinLoadSmallCLIPVision, MannequinLoadTruePose, MannequinLoadTruePoseModel
from .mcld import (
    MannequinApplyMFCA,
    MannequinApplyPoseGuider,
    MannequinLoadMCLD,
    MannequinMCLDConditioning,
)
from .model_files import register_weights_folder
from .parsers import MannequinImportParsing, MannequinLoadParser
from .parsing import (
    MannequinEncodeRegions,
    MannequinKeepLabels,
    MannequinParsePerson,
    MannequinParsingMask,
    MannequinPreviewParsing,
    MannequinSelectParsing,
)
from .pcdms import (
    MannequinLoadPCDMsInpainting,
    MannequinLoadPCDMsRefining,
    MannequinPCDMsJoint,
    MannequinPCDMsTarget,
)
from .pcdms_conditioning import MannequinPCDMsConditioning, MannequinPCDMsRefining
from .pcdms_prior import MannequinLoadPCDMsPrior, MannequinPCDMsPrior
from .pose import MannequinChoosePerson, MannequinDetectPose, MannequinDrawPose, MannequinRetargetPose
from .pose_estimator import MannequinEstimatePose, MannequinLoadPoseEstimator
from .pose_field import MannequinPoseInteractionField, MannequinPoseInteractionFieldGuider
from .pose_field_preview import MannequinPreviewPoseField
from .pose_files import MannequinLoadPose, MannequinSavePose
from .pose_library import MannequinPoseLibrary
from .reference import MannequinApplyReference
from .regions_preview import MannequinPreviewRegions
from .reposedm import MannequinLoadRePoseDM, MannequinRePoseDMConditioning
from .reposesd import MannequinLoadRePoseSD, MannequinRePoseSDConditioning
from .sampling import MannequinDDIMSampler, MannequinGuidanceRescale, MannequinPublishedSampler
from .source import MannequinSourceNet
from .texture import MannequinSwapTexture, MannequinTextureMap, MannequinTextureMask
from .truepose import MannequinApplyCAA, MannequinApplyHPFA, MannequinApplyPoseEncoder
from .untrained import MannequinUntrainedModel

NODES: list[type[io.ComfyNode]] = [
    MannequinLoadTruePose,
    MannequinLoadTruePoseModel,
    MannequinLoadSmallCLIPVision,
    MannequinUntrainedModel,
    MannequinFitImage,
    MannequinPasteBack,
    MannequinDetectPose,
    MannequinLoadPoseEstimator,
    MannequinEstimatePose,
    MannequinChoosePerson,
    MannequinRetargetPose,
    MannequinDrawPose,
    MannequinSavePose,
    MannequinLoadPose,
    MannequinPoseMannequin,
    MannequinFitBody,
    MannequinPoseLibrary,
    MannequinLoadParser,
    MannequinParsePerson,
    MannequinImportParsing,
    MannequinPreviewParsing,
    MannequinParsingMask,
    MannequinKeepLabels,
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
    MannequinCropFace,
    MannequinLoadFaceAnalysis,
    MannequinEmbedFace,
    MannequinFaceOfRegions,
    MannequinSaveFaceEmbedding,
    MannequinLoadFaceEmbedding,
    MannequinFreePreprocessors,
    MannequinSourceNet,
    MannequinApplyHPFA,
    MannequinApplyCAA,
    MannequinApplyPoseEncoder,
    MannequinApplyReference,
    MannequinLoadMCLD,
    MannequinMCLDConditioning,
    MannequinApplyMFCA,
    MannequinApplyPoseGuider,
    MannequinLoadDINOv2,
    MannequinLoadPCDMsPrior,
    MannequinPCDMsPrior,
    MannequinLoadPCDMsInpainting,
    MannequinLoadPCDMsRefining,
    MannequinPCDMsJoint,
    MannequinPCDMsConditioning,
    MannequinPCDMsTarget,
    MannequinPCDMsRefining,
    MannequinLoadIMAGPose,
    MannequinLoadCVA,
    MannequinJointViews,
    MannequinIMAGPoseConditioning,
    MannequinApplyCVA,
    MannequinSplitViews,
    MannequinLoadRePoseDM,
    MannequinRePoseDMConditioning,
    MannequinLoadRePoseSD,
    MannequinRePoseSDConditioning,
    MannequinDDIMSampler,
    MannequinPublishedSampler,
    MannequinGuidanceRescale,
    MannequinConditioning,
    MannequinRegionBlendGuider,
    MannequinPoseInteractionField,
    MannequinPoseInteractionFieldGuider,
    MannequinPreviewPoseField,
    MannequinPreviewAttention,
    MannequinPreviewRegions,
]


class MannequinExtension(ComfyExtension):
    """What the host asks for when it loads the pack."""

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES


async def comfy_entrypoint() -> MannequinExtension:
    """The host's way in."""
    register_weights_folder()
    return MannequinExtension()
