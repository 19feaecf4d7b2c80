"""IMAGPose's example graphs: one source in three poses at once, many sources in one; and what they are made of.

Wires are pairs of a node and an output's name; ``nets`` has those of everything that is loaded.
"""

from .draw_pcdms import SIZE, Person, Wire, encoders, person, sampled, saved
from .graph_drawing import Graph

WEIGHTS, DINO = "imagpose.safetensors", "dinov2_base.safetensors"
#: Column of the last node.
RESULT = 8
SAMPLER = ("ddim", "simple")
NOTE = (
    "The weights are made once from what the published training writes (*Load IMAGPose*, help); none have been "
    "published so far. Also needed: `sd-vae-ft-mse`, and DINOv2 base for *Load DINOv2*. 20 steps, CFG 2."
)


def imagpose(info: dict) -> Graph:
    """Fig. 3a of the paper: one source, three target poses."""
    graph = Graph(info)
    graph.note(
        0,
        "**IMAGPose**, several poses at once (Figure 3a of the paper): the source and three target poses are the tiles "
        "of one joint picture, whose views look at each other through cross-view attention. Disconnect two of the "
        f"target poses for one pose (T1); *Joint Views* says what it does in *summary*.\n\n{NOTE}",
    )
    nets = encoders(graph, DINO, "facebook/dinov2-base") | loader(graph)
    source = person(graph, "Source", "mannequin_source.png", style="IMAGPose")
    targets = [
        person(graph, f"Target pose {number}", photo, style="IMAGPose")
        for number, photo in enumerate(("mannequin_pose.png", "mannequin_portrait.jpg", "mannequin_source.png"), 1)
    ]
    saved(graph, generated(graph, nets, [source], targets), "mannequin/imagpose", RESULT)
    return graph


def imagpose_many_sources(info: dict) -> Graph:
    """Fig. 3b of the paper: three sources, one target pose."""
    graph = Graph(info)
    graph.note(
        0,
        "**IMAGPose**, many sources (T3, Figure 3b of the paper): three photos of one person in one outfit, and the "
        "pose in which they are to be seen. Put your own photos into *Source 1* to *Source 3*; with two, disconnect "
        f"the third.\n\n{NOTE} *IMAGPose Conditioning* takes its tokens from the first source, as published, or from "
        "*all*.",
    )
    nets = encoders(graph, DINO, "facebook/dinov2-base") | loader(graph)
    sources = [person(graph, f"Source {number}", "mannequin_source.png", style="IMAGPose") for number in range(1, 4)]
    target = person(graph, "Target pose", "mannequin_pose.png", style="IMAGPose")
    saved(graph, generated(graph, nets, sources, [target]), "mannequin/imagpose_many_sources", RESULT)
    return graph


def loader(graph: Graph, weights: str = WEIGHTS) -> dict[str, Wire]:
    """The UNet with its views' attention, and what stands beside it."""
    node = graph.add(0, "MannequinLoadIMAGPose", weights=weights)
    applied = graph.add(4, "MannequinApplyCVA", model=node["MODEL"], imagpose=node["imagpose"])
    return {"model": applied["MODEL"], "imagpose": node["imagpose"]}


def generated(
    graph: Graph,
    nets: dict[str, Wire],
    sources: list[Person],
    targets: list[Person],
    size: tuple[int, int] = SIZE,
    **sampling,
) -> Wire:
    """A picture of every target pose; ``sampling`` as :func:`.draw_pcdms.sampled` has it."""
    sockets: dict[str, Wire] = {}
    for number, shown in enumerate(sources, 1):
        sockets |= {_numbered("image", number): shown["photo"], _numbered("source_pose", number): shown["skeleton"]}
    sockets |= {_numbered("target_pose", number): shown["skeleton"] for number, shown in enumerate(targets, 1)}
    views = graph.add(4, "MannequinJointViews", width=size[0], height=size[1], **sockets)
    graph.add(5, "PreviewImage", "Joint picture", images=views["joint"])
    given = graph.add(
        5,
        "MannequinIMAGPoseConditioning",
        imagpose=nets["imagpose"],
        dino=nets["dino"],
        vae=nets["vae"],
        views=views["views"],
    )
    latents = sampled(graph, 6, nets["model"], given, sampler=SAMPLER, **sampling)
    picture = graph.add(7, "VAEDecode", samples=latents, vae=nets["vae"])
    return graph.add(7, "MannequinSplitViews", joint=picture["IMAGE"], views=views["views"])["IMAGE"]


def _numbered(socket: str, number: int) -> str:
    return socket if number == 1 else f"{socket}_{number}"
