"""Every condition of one photo, side by side."""

from .draw_mcld import densepose_loader
from .graph_drawing import Drawn, Graph

WIDTH, HEIGHT = 352, 704
WITH_PARTS = "body, feet, hands"


def preprocess(info: dict) -> Graph:
    """One photo on the left, what every preprocessor makes of it in rows to the right."""
    graph = Graph(info)
    graph.note(
        0,
        "**Conditions of a photo.** The upper rows need nothing but the pack. DensePose and what follows from it need "
        "a TorchScript file, the face's vector insightface and its pack `antelopev2`: until they are there ComfyUI "
        "says so and runs the rest.",
    )
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_source.png")
    other = graph.add(0, "LoadImage", "Another pose", image="mannequin_pose.png")
    fitted = graph.add(
        1,
        "MannequinFitImage",
        "At a method's size",
        image=photo["IMAGE"],
        size="width × height",
        width=WIDTH,
        height=HEIGHT,
    )
    image = fitted["IMAGE"]
    keypoints(graph, image, other["IMAGE"])
    parsing(graph, image)
    face(graph, image)
    surface(graph, image)
    return graph


def show(graph: Graph, column: int, title: str, picture: tuple[Drawn, str]) -> None:
    graph.add(column, "PreviewImage", title, images=picture)


def keypoints(graph: Graph, image: tuple[Drawn, str], other: tuple[Drawn, str]) -> None:
    size = {"width": WIDTH, "height": HEIGHT}
    own = graph.add(2, "MannequinDetectPose", image=image, parts=WITH_PARTS)
    drawn = graph.add(3, "MannequinDrawPose", pose=own["POSE_KEYPOINT"], parts="body, feet, hands, face", **size)
    show(graph, 4, "Keypoints", drawn["IMAGE"])
    target = graph.add(2, "MannequinDetectPose", "The other pose", image=other, parts=WITH_PARTS)
    moved = graph.add(
        3,
        "MannequinRetargetPose",
        pose=target["POSE_KEYPOINT"],
        source_pose=own["POSE_KEYPOINT"],
        limb_lengths="source",
    )
    redrawn = graph.add(4, "MannequinDrawPose", "On this body", pose=moved["POSE_KEYPOINT"], **size)
    show(graph, 5, "The other pose on this body", redrawn["IMAGE"])


def parsing(graph: Graph, image: tuple[Drawn, str]) -> None:
    labels = graph.add(2, "MannequinParsePerson", image=image)
    graph.add(3, "MannequinPreviewParsing", image=image, parsing=labels["PARSING"])
    mask = graph.add(3, "MannequinParsingMask", parsing=labels["PARSING"], labels="Upper-clothes, Pants")
    grown = graph.add(4, "GrowMask", mask=mask["MASK"], expand=4, tapered_corners=True)
    white = graph.add(4, "MaskToImage", mask=grown["MASK"])
    show(graph, 5, "Clothes, grown by 4 pixels", white["IMAGE"])


def face(graph: Graph, image: tuple[Drawn, str]) -> None:
    crop = graph.add(2, "MannequinCropFace", image=image)
    show(graph, 3, "Face, upright", crop["crop"])
    network = graph.add(2, "MannequinLoadFaceAnalysis")
    vector = graph.add(3, "MannequinEmbedFace", face_net=network["FACE_NET"], image=image, on_no_face="skip")
    graph.add(4, "MannequinSaveFaceEmbedding", face_embedding=vector["FACE_EMBEDDING"])


def surface(graph: Graph, image: tuple[Drawn, str]) -> None:
    network = densepose_loader(graph, 1)
    found = graph.add(2, "MannequinDetectDensePose", densepose_net=network["DENSEPOSE_NET"], image=image)
    for title, convention in (("DensePose, part colours", "parts"), ("DensePose, V U I", "VUI")):
        picture = graph.add(3, "MannequinDensePoseImage", densepose=found["DENSEPOSE"], convention=convention)
        show(graph, 4, title, picture["IMAGE"])
    head = graph.add(3, "MannequinDensePoseMask", densepose=found["DENSEPOSE"], parts="head")
    white = graph.add(4, "MaskToImage", mask=head["MASK"])
    show(graph, 5, "Head", white["IMAGE"])
    texture = graph.add(3, "MannequinTextureMap", image=image, densepose=found["DENSEPOSE"])
    show(graph, 4, "Texture map", texture["texture"])
