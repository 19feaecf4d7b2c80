"""MCLD's example graph on the pack's own weights, which needs no download."""

from .draw_mcld import pictured
from .graph_drawing import Graph

#: What the demo weights were trained at: pictures, and the texture map that ReferenceNet reads.
WIDTH, HEIGHT, TEXTURE = 96, 128, 128
#: Few steps: so small a network, trained for an hour, knows what is likely and not yet how to make details of it.
STEPS, GUIDANCE = 2, 1.5


def mcld_demo(info: dict) -> Graph:
    """Figure 2 of the paper, small."""
    graph = Graph(info)
    graph.note(
        0,
        "**MCLD, small** (Figure 2 of the paper): the pack's **demo** weights, 96×128 pixels, trained on synthetic "
        "people like these. They know poses and the colours of clothes; in more than a few steps they make up details. "
        "DensePose is that of a mannequin in the photo's pose, so that any photo will do, and CLIP's view of the face "
        "stands where MCLD has insightface's. For real pictures take the graph *mcld*.",
    )
    nets = {
        "mcld": graph.add(0, "MannequinLoadMCLD", weights="demo_mcld.safetensors"),
        "vae": graph.add(0, "VAELoader", vae_name="demo_vae.safetensors"),
        "vision": graph.add(0, "MannequinLoadSmallCLIPVision", weights="demo_clip_vision.safetensors"),
    }
    photo = graph.add(1, "LoadImage", "Source", image="mannequin_demo_source.png")
    fitted = graph.add(
        2,
        "ImageScale",
        "Source, at the model's size",
        image=photo["IMAGE"],
        upscale_method="lanczos",
        width=WIDTH,
        height=HEIGHT,
        crop="center",
    )
    target = graph.add(1, "LoadImage", "Target pose", image="mannequin_demo_pose.png")
    surfaces = {}
    for title, name, shown in (("Source", "source", photo), ("Target pose", "pose", target)):
        seen = graph.add(2, "MannequinDetectPose", f"{title}: pose", image=shown["IMAGE"])
        surfaces[name] = graph.add(
            2,
            "MannequinPoseMannequin",
            f"{title}: DensePose of a mannequin",
            pose=seen["POSE_KEYPOINT"],
            width=WIDTH,
            height=HEIGHT,
        )
    pose = graph.add(3, "MannequinDensePoseImage", densepose=surfaces["pose"]["DENSEPOSE"], convention="VUI")
    texture = graph.add(3, "MannequinTextureMap", image=fitted["IMAGE"], densepose=surfaces["source"]["DENSEPOSE"])
    small = graph.add(
        4,
        "MannequinFitImage",
        "Texture, at the model's size",
        image=texture["texture"],
        size="width × height",
        width=TEXTURE,
        height=TEXTURE,
        mode="squash",
    )
    parsing = graph.add(3, "MannequinParsePerson", image=fitted["IMAGE"])
    regions = graph.add(
        4,
        "MannequinEncodeRegions",
        clip_vision=nets["vision"]["CLIP_VISION"],
        image=fitted["IMAGE"],
        parsing=parsing["PARSING"],
    )
    face = graph.add(4, "MannequinFaceOfRegions", regions=regions["REGION_EMBEDDINGS"])
    picture = pictured(
        graph,
        nets,
        fitted["IMAGE"],
        (small["IMAGE"], texture["texture"]),
        face["face_embedding"],
        pose["IMAGE"],
        WIDTH,
        HEIGHT,
        STEPS,
        GUIDANCE,
    )
    graph.add(9, "SaveImage", "Result", images=picture["IMAGE"], filename_prefix="mannequin/mcld_demo")
    graph.add(9, "PreviewImage", "Texture map", images=texture["texture"])
    return graph
