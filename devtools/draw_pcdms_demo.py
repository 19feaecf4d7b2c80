"""PCDMs' example graph on the pack's own weights, which needs no download."""

from .draw_demo import DEMO_GUIDANCE, DEMO_SIZE, fitted_photo
from .draw_pcdms import Person, Wire, inpainting_loader, person, posed, refining_loader, saved, three_stages
from .draw_sampling import DDIM
from .graph_drawing import Graph

SIZE = (DEMO_SIZE["width"], DEMO_SIZE["height"])
#: Few steps, as in MCLD's: in more it makes up details, in the background too.
SAMPLING = {"steps": 2, "sampler": DDIM, "guidance": DEMO_GUIDANCE}


def pcdms_demo(info: dict) -> Graph:
    """Figure 2 of the paper, small."""
    graph = Graph(info)
    graph.note(
        0,
        "**PCDMs, small** (Figure 2 of the paper): the prior says what the target looks like as a whole, inpainting "
        "paints it beside the source, refining brings the source's textures back. The weights are the pack's **demo**, "
        "96×128 pixels, trained on synthetic people like these; its image encoders are random and frozen. For photos "
        "take the graph *pcdms*.",
    )
    nets = demo_networks(graph)
    nets |= inpainting_loader(graph, "demo_pcdms_inpainting.safetensors")
    nets |= refining_loader(graph, "demo_pcdms_refining.safetensors")
    prior = graph.add(0, "MannequinLoadPCDMsPrior", weights="demo_pcdms_prior.safetensors")
    source, target = demo_person(graph, "Source", "source"), demo_target(graph, "Target pose", "pose")
    vision = graph.add(0, "MannequinLoadSmallCLIPVision", weights="demo_clip_vision.safetensors")
    nets |= {"prior": prior["PCDMS_PRIOR"], "clip": vision["CLIP_VISION"]}
    picture = three_stages(graph, nets, source, target, SIZE, rescale=0.0, **SAMPLING)
    saved(graph, picture, "mannequin/pcdms_demo")
    return graph


def demo_networks(graph: Graph) -> dict[str, Wire]:
    """The pack's autoencoder, and its image encoder in DINOv2's architecture."""
    dino = graph.add(0, "MannequinLoadDINOv2", weights="demo_dino.safetensors")
    vae = graph.add(0, "VAELoader", vae_name="demo_vae.safetensors")
    return {"vae": vae["VAE"], "dino": dino["CLIP_VISION"]}


def demo_person(graph: Graph, title: str, name: str, style: str = "PCDMs") -> Person:
    """As :func:`.draw_pcdms.person`, of one of the demo's photos; the networks see it at their own size."""
    loaded, fitted = fitted_photo(graph, title, photo(name), **DEMO_SIZE)
    return {"photo": fitted["IMAGE"]} | posed(graph, title, loaded, SIZE, style, "body")


def demo_target(graph: Graph, title: str, name: str, style: str = "PCDMs") -> Person:
    """Whose pose is taken, of the demo's photos."""
    return person(graph, title, photo(name), size=SIZE, style=style, parts="body")


def photo(name: str) -> str:
    """File name of one of the demo's photos."""
    return f"mannequin_demo_{name}.png"
