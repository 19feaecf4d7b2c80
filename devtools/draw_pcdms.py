"""PCDMs' example graphs: three stages, the third alone, the simplified checkpoint; and what they are made of.

Wires are pairs of a node and an output's name; ``nets`` has those of everything that is loaded.
"""

from .draw_demo import Wire
from .draw_sampling import sampled
from .graph_drawing import Drawn, Graph, from_hub

PRIOR, INPAINTING, REFINING, SIMPLIFIED = (
    f"pcdms_{stage}.safetensors" for stage in ("prior", "inpainting", "refining", "simplified")
)
DINO, CLIP = "dinov2_giant.safetensors", "CLIP-ViT-H-14-laion2B-s32B-b79K.safetensors"
VAE = "vae-ft-mse-840000-ema-pruned.safetensors"
CHECKPOINT = "v1-5-pruned-emaonly-fp16.safetensors"
#: Width and height of a picture.
SIZE = (512, 512)
STEPS, GUIDANCE, RESCALE = 20, 2.0, 2.0
#: Sampler and scheduler of a KSampler that come nearest to the published UniPC.
NEAREST = ("uni_pc_bh2", "normal")
SAMPLING = {"steps": STEPS, "sampler": NEAREST, "guidance": GUIDANCE}
NOTE = (
    "The weights are made once from the published files (*Load PCDMs Inpainting*, help). Also needed: `sd-vae-ft-mse`, "
    "and DINOv2 giant for *Load DINOv2*."
)

#: A photo, its keypoints and their picture, by name.
Person = dict[str, Wire]


def pcdms(info: dict) -> Graph:
    """Figure 2 of the paper: prior, inpainting, refining."""
    graph = Graph(info)
    graph.note(
        0,
        "**PCDMs** (Figure 2 of the paper) in three stages: the prior says what the target looks like as a whole, "
        "inpainting paints it beside the source, refining brings the source's textures back. 20 steps, CFG 2.\n\n"
        f"{NOTE} The prior reads the photo through CLIP ViT-H/14.",
    )
    nets = encoders(graph) | inpainting_loader(graph) | refining_loader(graph)
    prior = graph.add(0, "MannequinLoadPCDMsPrior", weights=PRIOR)
    models = from_hub("laion/CLIP-ViT-H-14-laion2B-s32B-b79K", "model.safetensors", "clip_vision", CLIP)
    clip = graph.add(0, "CLIPVisionLoader", clip_name=CLIP, models=models)
    source, target = _people(graph)
    nets |= {"prior": prior["PCDMS_PRIOR"], "clip": clip["CLIP_VISION"]}
    saved(graph, three_stages(graph, nets, source, target), "mannequin/pcdms")
    return graph


def pcdms_simplified(info: dict) -> Graph:
    """One checkpoint, without prior and refining."""
    graph = Graph(info)
    graph.note(
        0,
        "**PCDMs, simplified**: one checkpoint that paints the target beside the source, without prior and refining. "
        f"DDIM, 50 steps, CFG 2.\n\n{NOTE}",
    )
    nets = encoders(graph) | inpainting_loader(graph, SIMPLIFIED)
    source, target = _people(graph)
    made = inpainted(graph, nets, source, target, steps=50, sampler=("ddim", "ddim_uniform"))
    saved(graph, made, "mannequin/pcdms_simplified")
    return graph


def pcdms_refine(info: dict) -> Graph:
    """Figure 9 of the paper: the third stage on another method's result."""
    graph = Graph(info)
    graph.note(
        0,
        "**Refining** (Figure 9 of the paper): PCDMs' third stage gives any picture of a person the textures of a "
        "photo of them. Put a result of MCLD, TruePose or an edited photo in *Coarse picture*.\n\n"
        f"{NOTE} *Guidance Rescale* 2 is as published; 0 is plain guidance.",
    )
    nets = encoders(graph) | refining_loader(graph)
    coarse = graph.add(1, "LoadImage", "Coarse picture", image="mannequin_pose.png")
    source = graph.add(1, "LoadImage", "Source", image="mannequin_source.png")
    saved(graph, refined(graph, nets, coarse["IMAGE"], source["IMAGE"]), "mannequin/pcdms_refine")
    return graph


def encoders(graph: Graph, weights: str = DINO, repository: str = "facebook/dinov2-giant") -> dict[str, Wire]:
    """Autoencoder and DINOv2."""
    models = from_hub(repository, "model.safetensors", "clip_vision", weights)
    dino = graph.add(0, "MannequinLoadDINOv2", weights=weights, models=models)
    return {"vae": vae_loader(graph), "dino": dino["CLIP_VISION"]}


def _people(graph: Graph) -> tuple[Person, Person]:
    return person(graph, "Source", "mannequin_source.png"), person(graph, "Target pose", "mannequin_pose.png")


def saved(graph: Graph, picture: Wire, prefix: str, column: int = 10) -> None:
    """The graph's last node."""
    graph.add(column, "SaveImage", "Result", images=picture, filename_prefix=prefix)


def checkpoint_loader(graph: Graph, column: int = 0) -> Drawn:
    """Stable Diffusion 1.5, where any checkpoint of its kind will do."""
    models = from_hub("Comfy-Org/stable-diffusion-v1-5-archive", CHECKPOINT, "checkpoints")
    return graph.add(column, "CheckpointLoaderSimple", ckpt_name=CHECKPOINT, models=models)


def vae_loader(graph: Graph, column: int = 0) -> Wire:
    """Stable Diffusion 2.1's autoencoder is 1.x's; this is the one that MCLD's graphs load, too."""
    models = from_hub("stabilityai/sd-vae-ft-mse-original", VAE, "vae")
    return graph.add(column, "VAELoader", vae_name=VAE, models=models)["VAE"]


def inpainting_loader(graph: Graph, weights: str = INPAINTING, column: int = 0) -> dict[str, Wire]:
    """The second stage's wires."""
    node = graph.add(column, "MannequinLoadPCDMsInpainting", weights=weights)
    return {"inpainting": node["MODEL"], "inpainting_parts": node["pcdms"]}


def refining_loader(graph: Graph, weights: str = REFINING, column: int = 0) -> dict[str, Wire]:
    """The third stage's wires."""
    node = graph.add(column, "MannequinLoadPCDMsRefining", weights=weights)
    return {"refining": node["MODEL"], "refining_parts": node["pcdms"]}


def person(graph: Graph, title: str, photo: str, **drawing) -> Person:
    """A photo, its keypoints, and their picture as :func:`posed` draws it."""
    loaded = graph.add(1, "LoadImage", title, image=photo)
    return {"photo": loaded["IMAGE"]} | posed(graph, title, loaded, **drawing)


def posed(
    graph: Graph,
    title: str,
    loaded: Drawn,
    size: tuple[int, int] = SIZE,
    style: str = "PCDMs",
    parts: str = "body, hands",
) -> Person:
    """Keypoints of a photo that is there, and their picture: published networks were shown hands, the demo not."""
    pose = graph.add(2, "MannequinDetectPose", f"{title}: pose", image=loaded["IMAGE"], parts=parts)
    skeleton = graph.add(
        3,
        "MannequinDrawPose",
        f"{title}: skeleton",
        pose=pose["POSE_KEYPOINT"],
        width=size[0],
        height=size[1],
        style=style,
    )
    return {"pose": pose["POSE_KEYPOINT"], "skeleton": skeleton["IMAGE"]}


def three_stages(
    graph: Graph,
    nets: dict[str, Wire],
    source: Person,
    target: Person,
    size: tuple[int, int] = SIZE,
    rescale: float = RESCALE,
    **sampling,
) -> Wire:
    """Prior, inpainting and refining; the second stage's picture is previewed. The rest as :func:`refined` has it."""
    seen = graph.add(2, "CLIPVisionEncode", clip_vision=nets["clip"], image=source["photo"], crop="none")
    predicted = graph.add(
        3,
        "MannequinPCDMsPrior",
        prior=nets["prior"],
        embedding=seen["CLIP_VISION_OUTPUT"],
        source_pose=source["pose"],
        target_pose=target["pose"],
    )
    coarse = inpainted(graph, nets, source, target, predicted["embedding"], size, **sampling)
    graph.add(8, "PreviewImage", "Second stage", images=coarse)
    return refined(graph, nets, coarse, source["photo"], size, rescale, **sampling)


def inpainted(
    graph: Graph,
    nets: dict[str, Wire],
    source: Person,
    target: Person,
    embedding: Wire | None = None,
    size: tuple[int, int] = SIZE,
    **sampling,
) -> Wire:
    """The second stage's picture.

    Args:
        embedding: the prior's, which the simplified checkpoint does without.
        sampling: as :func:`sampled` has it.
    """
    joint = graph.add(
        4,
        "MannequinPCDMsJoint",
        image=source["photo"],
        source_pose=source["skeleton"],
        target_pose=target["skeleton"],
        width=size[0],
        height=size[1],
    )
    given = graph.add(
        5,
        "MannequinPCDMsConditioning",
        pcdms=nets["inpainting_parts"],
        dino=nets["dino"],
        vae=nets["vae"],
        joint=joint["joint"],
        mask=joint["mask"],
        joint_pose=joint["joint_pose"],
        **({} if embedding is None else {"embedding": embedding}),
    )
    picture = _sampled(graph, 6, nets["inpainting"], given, nets["vae"], **sampling)
    return graph.add(7, "MannequinPCDMsTarget", joint=picture)["IMAGE"]


def refined(
    graph: Graph,
    nets: dict[str, Wire],
    coarse: Wire,
    source: Wire,
    size: tuple[int, int] = SIZE,
    rescale: float = RESCALE,
    **sampling,
) -> Wire:
    """The third stage's picture of any coarse one, with guidance rescaled as published; 0 is plain guidance."""
    given = graph.add(
        8,
        "MannequinPCDMsRefining",
        pcdms=nets["refining_parts"],
        dino=nets["dino"],
        vae=nets["vae"],
        image=coarse,
        source=source,
        width=size[0],
        height=size[1],
    )
    model = nets["refining"]
    if rescale:
        model = graph.add(8, "MannequinGuidanceRescale", model=model, guidance_rescale=rescale)["MODEL"]
    return _sampled(graph, 9, model, given, nets["vae"], **sampling)


def _sampled(graph: Graph, column: int, model: Wire, given: Drawn, vae: Wire, **sampling) -> Wire:
    latents = sampled(graph, column, model, given, **(SAMPLING | sampling))
    return graph.add(column, "VAEDecode", samples=latents, vae=vae)["IMAGE"]
