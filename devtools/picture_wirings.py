"""Small graphs that the front end shows, of nodes whose weights nobody may bundle and of those that give no picture."""

from .draw_mcld import DENSEPOSE
from .draw_pcdms import CHECKPOINT
from .graph_drawing import Graph


def densepose(graph: Graph) -> None:
    network = graph.add(0, "MannequinLoadDensePose", weights=DENSEPOSE)
    found = graph.add(1, "MannequinDetectDensePose", densepose_net=network["DENSEPOSE_NET"])
    graph.add(2, "MannequinDensePoseImage", densepose=found["DENSEPOSE"])


def face_embedding(graph: Graph) -> None:
    network = graph.add(0, "MannequinLoadFaceAnalysis")
    vector = graph.add(1, "MannequinEmbedFace", face_net=network["FACE_NET"])
    graph.add(2, "MannequinSaveFaceEmbedding", face_embedding=vector["FACE_EMBEDDING"])


def saved_face(graph: Graph) -> None:
    face = graph.add(0, "MannequinLoadFaceEmbedding", face="portrait.safetensors")
    graph.add(1, "MannequinMCLDConditioning", face=face["FACE_EMBEDDING"])


def face_of_regions(graph: Graph) -> None:
    regions = graph.add(0, "MannequinEncodeRegions")
    face = graph.add(1, "MannequinFaceOfRegions", regions=regions["REGION_EMBEDDINGS"])
    graph.add(2, "MannequinMCLDConditioning", face=face["face_embedding"])


def parser(graph: Graph) -> None:
    network = graph.add(0, "MannequinLoadParser", weights="schp_lip.onnx")
    graph.add(1, "MannequinParsePerson", parser=network["PARSER"])


def save_pose(graph: Graph) -> None:
    pose = graph.add(0, "MannequinDetectPose")
    graph.add(1, "MannequinSavePose", pose=pose["POSE_KEYPOINT"])


def free(graph: Graph) -> None:
    pose = graph.add(0, "MannequinDetectPose")
    freed = graph.add(1, "MannequinFreePreprocessors", anything=pose["POSE_KEYPOINT"])
    graph.add(2, "MannequinDrawPose", pose=freed["anything"])


def trained_parts(graph: Graph) -> None:
    checkpoint = graph.add(0, "CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    parts = graph.add(0, "MannequinLoadTruePose", weights="truepose.safetensors")
    graph.add(1, "MannequinApplyPoseEncoder", model=checkpoint["MODEL"], truepose=parts["TRUEPOSE"])


def untrained(graph: Graph) -> None:
    made = graph.add(0, "MannequinUntrainedModel")
    graph.add(1, "MannequinApplyPoseEncoder", model=made["MODEL"], truepose=made["TRUEPOSE"])
    graph.add(1, "VAEDecode", vae=made["VAE"])


def cross_view(graph: Graph) -> None:
    checkpoint = graph.add(0, "CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    modules = graph.add(0, "MannequinLoadCVA", weights="motion_module.safetensors")
    graph.add(
        1,
        "MannequinApplyCVA",
        model=checkpoint["MODEL"],
        imagpose=modules["imagpose"],
        views="images of the batch",
    )


def reposesd(graph: Graph) -> None:
    model = graph.add(0, "MannequinLoadRePoseSD", weights="reposesd.safetensors")
    given = graph.add(0, "MannequinRePoseSDConditioning")
    graph.add(
        1,
        "KSampler",
        model=model["MODEL"],
        positive=given["positive"],
        negative=given["negative"],
        latent_image=given["latent"],
        steps=50,
        cfg=7.5,
        sampler_name="ddim",
    )


WIRINGS = {
    "densepose": densepose,
    "face_embedding": face_embedding,
    "saved_face": saved_face,
    "face_of_regions": face_of_regions,
    "parser": parser,
    "save_pose": save_pose,
    "free": free,
    "trained_parts": trained_parts,
    "untrained": untrained,
    "cross_view": cross_view,
    "reposesd": reposesd,
}
