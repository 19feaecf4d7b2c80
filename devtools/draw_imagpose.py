"""IMAGPose's example graphs: one source in three poses at once, many sources in one; and what they are made of.

Wires are pairs of a node and an output's name; ``nets`` has those of everything that is loaded.
"""

from .draw_pcdms import Person, Wire, saved
from .draw_pcdms_demo import SAMPLING, SIZE, demo_networks, demo_person, demo_target
from .draw_sampling import DDIM, sampled
from .graph_drawing import Graph

#: The pack's own weights; its UNet has three levels, and its tiles are multiples of 32.
DEMO, DEMO_MULTIPLE = "demo_imagpose.safetensors", 32
#: Column of the last node.
RESULT = 8
STYLE = "IMAGPose"
NOTE = (
    "The model here is the pack's **demo**: small, 96×128 pixels a tile, trained on synthetic people like these; its "
    "image encoder is random and frozen. For photos take weights of your own (none have been published so far; *Load "
    "IMAGPose*, help), `sd-vae-ft-mse` and DINOv2 base in its three loaders, 512×512 in *Joint Views* and in every "
    "*Draw Pose*, *tile_multiple* 64, 20 steps, CFG 2."
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
    nets = demo_networks(graph) | loader(graph, DEMO)
    targets = [
        demo_target(graph, f"Target pose {number}", name, STYLE)
        for number, name in enumerate(("pose", "source_3", "reference"), 1)
    ]
    made = _generated(graph, nets, [demo_person(graph, "Source", "source", STYLE)], targets)
    saved(graph, made, "mannequin/imagpose", RESULT)
    return graph


def imagpose_many_sources(info: dict) -> Graph:
    """Fig. 3b of the paper: three sources, one target pose."""
    graph = Graph(info)
    graph.note(
        0,
        "**IMAGPose**, many sources (T3, Figure 3b of the paper): three photos of one person in one outfit, and the "
        "pose in which they are to be seen. Put your own photos into *Source 1* to *Source 3*; with two, disconnect "
        "the third. *IMAGPose Conditioning* takes its tokens from the first source, as published, or from *all*."
        f"\n\n{NOTE}",
    )
    nets = demo_networks(graph) | loader(graph, DEMO)
    sources = [
        demo_person(graph, f"Source {number}", name, STYLE)
        for number, name in enumerate(("source", "source_2", "source_3"), 1)
    ]
    made = _generated(graph, nets, sources, [demo_target(graph, "Target pose", "pose", STYLE)])
    saved(graph, made, "mannequin/imagpose_many_sources", RESULT)
    return graph


def _generated(graph: Graph, nets: dict[str, Wire], sources: list[Person], targets: list[Person]) -> Wire:
    return generated(graph, nets, sources, targets, SIZE, DEMO_MULTIPLE, **SAMPLING)


def loader(graph: Graph, weights: str) -> dict[str, Wire]:
    """The UNet with its views' attention, and what stands beside it."""
    node = graph.add(0, "MannequinLoadIMAGPose", weights=weights)
    applied = graph.add(4, "MannequinApplyCVA", model=node["MODEL"], imagpose=node["imagpose"])
    return {"model": applied["MODEL"], "imagpose": node["imagpose"]}


def generated(
    graph: Graph,
    nets: dict[str, Wire],
    sources: list[Person],
    targets: list[Person],
    size: tuple[int, int],
    multiple: int,
    steps: int = 20,
    sampler: tuple[str, str] = DDIM,
    guidance: float = 2.0,
) -> Wire:
    """A picture of every target pose, sampled as published; ``multiple`` of a tile's sides."""
    sockets: dict[str, Wire] = {}
    for number, shown in enumerate(sources, 1):
        sockets |= {_numbered("image", number): shown["photo"], _numbered("source_pose", number): shown["skeleton"]}
    sockets |= {_numbered("target_pose", number): shown["skeleton"] for number, shown in enumerate(targets, 1)}
    views = graph.add(4, "MannequinJointViews", width=size[0], height=size[1], tile_multiple=multiple, **sockets)
    graph.add(5, "PreviewImage", "Joint picture", images=views["joint"])
    given = graph.add(
        5,
        "MannequinIMAGPoseConditioning",
        imagpose=nets["imagpose"],
        dino=nets["dino"],
        vae=nets["vae"],
        views=views["views"],
    )
    latents = sampled(graph, 6, nets["model"], given, steps, sampler, guidance)
    picture = graph.add(7, "VAEDecode", samples=latents, vae=nets["vae"])
    return graph.add(7, "MannequinSplitViews", joint=picture["IMAGE"], views=views["views"])["IMAGE"]


def _numbered(socket: str, number: int) -> str:
    return socket if number == 1 else f"{socket}_{number}"
