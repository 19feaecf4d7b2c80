"""TruePose's example graph on the pack's own weights, and what graphs of TruePose are made of."""

from .draw_demo import DEMO_GUIDANCE, DEMO_SIZE, DEMO_STEPS, fitted_photo
from .draw_pcdms import Wire, saved
from .draw_sampling import DDIM, sampled
from .graph_drawing import Drawn, Graph


def photos(
    graph: Graph, source: str, pose: str, width: int, height: int, parts: str = "body"
) -> tuple[Drawn, Drawn, Drawn]:
    """Source, its parsing, and the target's pose: what every TruePose graph begins with."""
    _, fitted = fitted_photo(graph, "Source", source, width, height)
    target = graph.add(0, "LoadImage", "Target pose", image=pose)
    pose = graph.add(1, "MannequinDetectPose", image=target["IMAGE"], parts=parts)
    parsing = graph.add(2, "MannequinParsePerson", image=fitted["IMAGE"])
    return fitted, pose, parsing


def demo_model(graph: Graph) -> dict[str, tuple]:
    """The pack's own weights: what they give, by the name of the wire."""
    model = graph.add(1, "MannequinLoadTruePoseModel", weights="demo_truepose.safetensors")
    vae = graph.add(1, "VAELoader", vae_name="demo_vae.safetensors")
    vision = graph.add(1, "MannequinLoadSmallCLIPVision", weights="demo_clip_vision.safetensors")
    return {
        "MODEL": model["MODEL"],
        "source": model["source"],
        "TRUEPOSE": model["truepose"],
        "VAE": vae["VAE"],
        "CLIP_VISION": vision["CLIP_VISION"],
    }


def truepose(info: dict) -> Graph:
    """Figure 3 of the paper, with a model that needs no download."""
    graph = Graph(info)
    graph.note(
        0,
        "**TruePose** (Figure 3 of the paper). SourceNet reads the source once; HPFA and CAA let TargetNet look at "
        "it; the pose encoder places the body.\n\nThe model here is the pack's **demo**: small, 96×128 pixels, trained "
        "on synthetic people like these. For photos, put Load Checkpoint (SD1.5), Load CLIP Vision (ViT-L/14) and Load "
        "TruePose in place of its three loaders, and raise the sizes.",
    )
    fitted, pose, parsing = photos(graph, "mannequin_demo_source.png", "mannequin_demo_pose.png", **DEMO_SIZE)
    parts = demo_model(graph)
    keypoints = pose["POSE_KEYPOINT"]
    skeleton = graph.add(2, "MannequinDrawPose", pose=keypoints, parts="body", **DEMO_SIZE)
    graph.add(3, "MannequinPreviewParsing", image=fitted["IMAGE"], parsing=parsing["PARSING"])
    posed = posed_model(graph, parts, skeleton)
    looking = worn(graph, posed["MODEL"], parts, fitted, parsing, keypoints)
    picture = decoded(graph, looking, parts, DEMO_STEPS, **DEMO_SIZE)
    saved(graph, picture, "mannequin/truepose", 7)
    graph.add(7, "PreviewImage", "Target pose", images=skeleton["IMAGE"])
    return graph


def posed_model(graph: Graph, parts: dict[str, Wire], skeleton: Drawn) -> Drawn:
    """TargetNet that is shown a pose."""
    return graph.add(
        4, "MannequinApplyPoseEncoder", model=parts["MODEL"], truepose=parts["TRUEPOSE"], pose=skeleton["IMAGE"]
    )


def worn(
    graph: Graph,
    model: Wire,
    parts: dict[str, Wire],
    photo: Drawn,
    parsing: Drawn,
    keypoints: Wire,
    whose: str = "",
    **scope,
) -> Wire:
    """A MODEL that looks at a photo by HPFA and CAA.

    Args:
        keypoints: of the target, of whom what is seen of the photo's person is chosen.
        whose: a person's name, in titles, where there are several.
        scope: inputs of both apply nodes.
    """
    title = (lambda what: f"{what}, {whose}") if whose else (lambda what: None)
    latent = graph.add(2, "VAEEncode", pixels=photo["IMAGE"], vae=parts["VAE"])
    mask = graph.add(3, "MannequinSelectParsing", parsing=parsing["PARSING"], pose=keypoints)
    regions = graph.add(
        3,
        "MannequinEncodeRegions",
        clip_vision=parts["CLIP_VISION"],
        image=photo["IMAGE"],
        parsing=parsing["PARSING"],
    )
    source = graph.add(3, "MannequinSourceNet", title("SourceNet"), model=parts["source"], latent=latent["LATENT"])
    fused = graph.add(
        4,
        "MannequinApplyHPFA",
        title("HPFA"),
        model=model,
        source=source["SOURCE_NET"],
        parsing_mask=mask["MASK"],
        truepose=parts["TRUEPOSE"],
        **scope,
    )
    aligned = graph.add(
        5,
        "MannequinApplyCAA",
        title("CAA"),
        model=fused["MODEL"],
        source=source["SOURCE_NET"],
        regions=regions["REGION_EMBEDDINGS"],
        truepose=parts["TRUEPOSE"],
        **scope,
    )
    return aligned["MODEL"]


def decoded(
    graph: Graph, model: Wire, parts: dict[str, Wire], steps: int, width: int, height: int, frames: int = 1
) -> Wire:
    """The picture that a MODEL makes of noise; frames are of the same noise."""
    given = graph.add(5, "MannequinConditioning", model=parts["MODEL"])
    noise = graph.add(5, "EmptyLatentImage", width=width, height=height, batch_size=frames)
    if frames > 1:
        noise = graph.add(5, "LatentBatchSeedBehavior", samples=noise["LATENT"], seed_behavior="fixed")
    given = {"positive": given["positive"], "negative": given["negative"], "latent": noise["LATENT"]}
    latents = sampled(graph, 6, model, given, steps, DDIM, DEMO_GUIDANCE)
    return graph.add(6, "VAEDecode", samples=latents, vae=parts["VAE"])["IMAGE"]
