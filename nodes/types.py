"""Types on the wires: the host's where it has one, ours where it has none."""

from comfy_api.latest import io

PoseKeypoint = io.Custom("POSE_KEYPOINT")
Parsing = io.Custom("PARSING")
DensePose = io.Custom("DENSEPOSE")
FaceEmbedding = io.Custom("FACE_EMBEDDING")
Placement = io.Custom("PLACEMENT")
ParserNetwork = io.Custom("PARSER")
DensePoseNetwork = io.Custom("DENSEPOSE_NET")
PoseEstimator = io.Custom("POSE_ESTIMATOR")
FaceNetwork = io.Custom("FACE_NET")
SourceNetwork = io.Custom("SOURCE_NET")
TruePoseWeights = io.Custom("TRUEPOSE")
MCLDWeights = io.Custom("MCLD")
PCDMsWeights = io.Custom("PCDMS")
JointViews = io.Custom("JOINT_VIEWS")
Tiles = io.Custom("JOINT_TILES")
IMAGPoseWeights = io.Custom("IMAGPOSE")
RePoseDMWeights = io.Custom("REPOSEDM")
PCDMsPrior = io.Custom("PCDMS_PRIOR")
FocalTokens = io.Custom("FOCAL_TOKENS")
RegionEmbeddings = io.Custom("REGION_EMBEDDINGS")
