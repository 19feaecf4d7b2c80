"""What PCDMs' example graphs are made of: a photo with its pose, the second stage, the third.

Wires are pairs of a node and an output's name; ``nets`` has those of everything that is loaded.
"""

from .graph_drawing import Drawn, Graph, from_hub

INPAINTING, REFINING, SIMPLIFIED = "pcdms_inpainting.safetensors", "pcdms_refining.safetensors", "pcdms.safetensors"
VAE = "vae-ft-mse-840000-ema-pruned.safetensors"
SIDE, STEPS, GUIDANCE, RESCALE = 512, 20, 2.0, 2.0

Wire = tuple[Drawn, str]


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


def person(graph: Graph, title: str, photo: str, side: int = SIDE) -> dict[str, Wire]:
    """A photo, its keypoints, and their picture as PCDMs draws it."""
    loaded = graph.add(1, "LoadImage", title, image=photo)
    pose = graph.add(2, "MannequinDetectPose", f"{title}: pose", image=loaded["IMAGE"])
    skeleton = graph.add(
        3,
        "MannequinDrawPose",
        f"{title}: skeleton",
        pose=pose["POSE_KEYPOINT"],
        width=side,
        height=side,
        style="PCDMs",
    )
    return {"photo": loaded["IMAGE"], "pose": pose["POSE_KEYPOINT"], "skeleton": skeleton["IMAGE"]}


def inpainted(
    graph: Graph,
    nets: dict[str, Wire],
    source: dict[str, Wire],
    target: dict[str, Wire],
    embedding: Wire | None = None,
    side: int = SIDE,
    steps: int = STEPS,
) -> Wire:
    """The second stage's picture; ``embedding`` is the prior's, which the simplified checkpoint does without."""
    joint = graph.add(
        4,
        "MannequinPCDMsJoint",
        image=source["photo"],
        source_pose=source["skeleton"],
        target_pose=target["skeleton"],
        width=side,
        height=side,
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
    picture = _sampled(graph, 6, nets["inpainting"], given, nets["vae"], steps)
    return graph.add(7, "MannequinPCDMsTarget", joint=picture)["IMAGE"]


def refined(
    graph: Graph, nets: dict[str, Wire], coarse: Wire, source: Wire, side: int = SIDE, steps: int = STEPS
) -> Wire:
    """The third stage's picture of any coarse one, with guidance rescaled as published."""
    given = graph.add(
        8,
        "MannequinPCDMsRefining",
        pcdms=nets["refining_parts"],
        dino=nets["dino"],
        vae=nets["vae"],
        image=coarse,
        source=source,
        width=side,
        height=side,
    )
    rescaled = graph.add(8, "MannequinGuidanceRescale", model=nets["refining"], guidance_rescale=RESCALE)
    return _sampled(graph, 9, rescaled["MODEL"], given, nets["vae"], steps)


def _sampled(graph: Graph, column: int, model: Wire, given: Drawn, vae: Wire, steps: int) -> Wire:
    """By the pair of sampler and scheduler that is nearest to the published one."""
    latents = graph.add(
        column,
        "KSampler",
        model=model,
        positive=given["positive"],
        negative=given["negative"],
        latent_image=given["latent"],
        seed=0,
        steps=steps,
        cfg=GUIDANCE,
        sampler_name="uni_pc_bh2",
        scheduler="normal",
        denoise=1.0,
    )
    return graph.add(column, "VAEDecode", samples=latents["LATENT"], vae=vae)["IMAGE"]
