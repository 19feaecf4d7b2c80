"""Draws the example graphs: ``python -m devtools.draw_workflows`` writes ``workflows/*.json`` from what stands here.

``workflows/api/*.json`` are the same as a server queues them, for programs.
"""

import json

from .client import Client
from .draw_demo import DEMO_SIZE, DEMO_STEPS, blended, fitted_photo, tops_mask
from .draw_imagpose import imagpose, imagpose_many_sources
from .draw_mcld import garment_swap, identity_swap, mcld, vision_loader
from .draw_mcld_demo import mcld_demo
from .draw_pcdms import checkpoint_loader, pcdms, pcdms_refine, pcdms_simplified
from .draw_pcdms_demo import pcdms_demo
from .draw_people import many_poses, pose_sequence, two_people
from .draw_preprocess import preprocess
from .draw_reposedm import repose_text_to_image, reposedm, reposedm_garment
from .draw_truepose import demo_model, photos, truepose
from .graph_drawing import Graph, from_hub
from .graph_format import ui_to_api
from .host import ROOT
from .say import say
from .server import Server

WORKFLOWS = ROOT / "workflows"
API = WORKFLOWS / "api"


def training_free(info: dict) -> Graph:
    """HPFA and CAA on an ordinary SD1.5 checkpoint, the pose by ControlNet, words by CLIP, a LoRA if there is one."""
    control_file = "control_v11p_sd15_openpose_fp16.safetensors"
    graph = Graph(info)
    graph.note(
        0,
        "**TruePose without training**: HPFA and CAA on any SD1.5 (or SDXL) checkpoint. The checkpoint is its own "
        "SourceNet; a ControlNet gives the pose, text the rest. A LoRA goes behind Load Checkpoint, before everything "
        "else.\n\nLook at *strength* and *start_percent* of Apply HPFA first: later and weaker keeps the pose, earlier "
        "and stronger keeps the clothes.",
    )
    fitted, pose, parsing = photos(graph, "mannequin_source.png", "mannequin_pose.png", 352, 704)
    checkpoint = checkpoint_loader(graph, 1)
    vision = vision_loader(graph, 1)
    control = graph.add(
        1,
        "ControlNetLoader",
        control_net_name=control_file,
        models=from_hub("comfyanonymous/ControlNet-v1-1_fp16_safetensors", control_file, "controlnet"),
    )
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], width=352, height=704)
    latent = graph.add(2, "VAEEncode", pixels=fitted["IMAGE"], vae=checkpoint["VAE"])
    words = "photo of a woman in a coat walking in a street, full body"
    positive = graph.add(2, "CLIPTextEncode", "Prompt", clip=checkpoint["CLIP"], text=words)
    negative = graph.add(2, "CLIPTextEncode", "Negative prompt", clip=checkpoint["CLIP"], text="blurry, deformed")
    mask = graph.add(3, "MannequinSelectParsing", parsing=parsing["PARSING"], pose=pose["POSE_KEYPOINT"])
    regions = graph.add(
        3,
        "MannequinEncodeRegions",
        clip_vision=vision["CLIP_VISION"],
        image=fitted["IMAGE"],
        parsing=parsing["PARSING"],
    )
    source = graph.add(
        3,
        "MannequinSourceNet",
        model=checkpoint["MODEL"],
        latent=latent["LATENT"],
        conditioning=positive["CONDITIONING"],
    )
    posed = graph.add(
        3,
        "ControlNetApplyAdvanced",
        positive=positive["CONDITIONING"],
        negative=negative["CONDITIONING"],
        control_net=control["CONTROL_NET"],
        image=skeleton["IMAGE"],
        strength=1.0,
    )
    fused = graph.add(
        4,
        "MannequinApplyHPFA",
        model=checkpoint["MODEL"],
        source=source["SOURCE_NET"],
        parsing_mask=mask["MASK"],
        fusion="residual",
        sites="mid, up",
        strength=0.5,
        start_percent=0.1,
    )
    aligned = graph.add(
        5,
        "MannequinApplyCAA",
        model=fused["MODEL"],
        source=source["SOURCE_NET"],
        regions=regions["REGION_EMBEDDINGS"],
        strength=0.3,
    )
    noise = graph.add(5, "EmptyLatentImage", width=352, height=704, batch_size=1)
    sampled = graph.add(
        6,
        "KSampler",
        model=aligned["MODEL"],
        positive=posed["positive"],
        negative=posed["negative"],
        latent_image=noise["LATENT"],
        seed=0,
        steps=30,
        cfg=6.0,
        sampler_name="dpmpp_2m",
        scheduler="karras",
        denoise=1.0,
    )
    picture = graph.add(6, "VAEDecode", samples=sampled["LATENT"], vae=checkpoint["VAE"])
    graph.add(7, "SaveImage", "Result", images=picture["IMAGE"], filename_prefix="mannequin/training_free")
    return graph


def style_transfer(info: dict) -> Graph:
    """Two sources in one picture: the first inside the mask, the second outside (TruePose 5.4)."""
    graph = Graph(info)
    graph.note(
        0,
        "**Style transfer** (TruePose 5.4): inside the mask the picture follows the source, outside it the reference, "
        "both in the reference's pose. Any method can patch either branch.\n\nThe model here is the pack's **demo**: "
        "small, 96×128 pixels, trained on synthetic people like these.",
    )
    size = DEMO_SIZE
    _, source = fitted_photo(graph, "Source", "mannequin_demo_source.png", **size)
    loaded, reference = fitted_photo(graph, "Reference", "mannequin_demo_reference.png", **size)
    parts = demo_model(graph)
    pose = graph.add(1, "MannequinDetectPose", "The reference's pose", image=loaded["IMAGE"])
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], parts="body", **size)
    posed = graph.add(
        3,
        "MannequinApplyPoseEncoder",
        "Both in the reference's pose",
        model=parts["MODEL"],
        truepose=parts["TRUEPOSE"],
        pose=skeleton["IMAGE"],
    )
    looks, parsings = [], []
    for picture, name in ((source, "source"), (reference, "reference")):
        latent = graph.add(2, "VAEEncode", pixels=picture["IMAGE"], vae=parts["VAE"])
        parsing = graph.add(2, "MannequinParsePerson", f"Parse the {name}", image=picture["IMAGE"])
        mask = graph.add(3, "MannequinSelectParsing", parsing=parsing["PARSING"], pose=pose["POSE_KEYPOINT"])
        net = graph.add(3, "MannequinSourceNet", f"SourceNet, {name}", model=parts["source"], latent=latent["LATENT"])
        look = graph.add(
            4,
            "MannequinApplyHPFA",
            f"Look of the {name}",
            model=posed["MODEL"],
            source=net["SOURCE_NET"],
            parsing_mask=mask["MASK"],
            truepose=parts["TRUEPOSE"],
        )
        looks.append(look)
        parsings.append(parsing)
    empty = graph.add(4, "MannequinConditioning", model=parts["MODEL"])
    latent = graph.add(5, "EmptyLatentImage", batch_size=1, **size)
    branches = {"model": looks[0]["MODEL"], "reference_model": looks[1]["MODEL"]}
    for side in ("positive", "negative"):
        branches |= {side: empty[side], f"reference_{side}": empty[side]}
    sampled = blended(graph, 5, branches, tops_mask(graph, parsings[1]), latent["LATENT"], DEMO_STEPS)
    picture = graph.add(6, "VAEDecode", samples=sampled, vae=parts["VAE"])
    graph.add(7, "SaveImage", "Result", images=picture["IMAGE"], filename_prefix="mannequin/style_transfer")
    return graph


GRAPHS = {
    "preprocess": preprocess,
    "truepose": truepose,
    "truepose_training_free": training_free,
    "many_poses": many_poses,
    "pose_sequence": pose_sequence,
    "two_people": two_people,
    "style_transfer": style_transfer,
    "mcld_demo": mcld_demo,
    "mcld": mcld,
    "mcld_garment_swap": garment_swap,
    "mcld_identity_swap": identity_swap,
    "pcdms": pcdms,
    "pcdms_demo": pcdms_demo,
    "pcdms_simplified": pcdms_simplified,
    "pcdms_refine": pcdms_refine,
    "imagpose": imagpose,
    "imagpose_many_sources": imagpose_many_sources,
    "reposedm": reposedm,
    "reposedm_garment": reposedm_garment,
    "repose_text_to_image": repose_text_to_image,
}


def main() -> None:
    with Server() as server:
        info = Client(server.url).object_info()
    for name, draw in GRAPHS.items():
        graph = draw(info).json()
        for path, form in ((WORKFLOWS / f"{name}.json", graph), (API / f"{name}.json", ui_to_api(graph, info))):
            path.write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")
            say(f"{path}")


if __name__ == "__main__":
    main()
