"""Types on the wires: the host's where it has one, ours where it has none."""

from comfy_api.latest import io

PoseKeypoint = io.Custom("POSE_KEYPOINT")
Parsing = io.Custom("PARSING")
SourceNetwork = io.Custom("SOURCE_NET")
TruePoseWeights = io.Custom("TRUEPOSE")
RegionEmbeddings = io.Custom("REGION_EMBEDDINGS")
