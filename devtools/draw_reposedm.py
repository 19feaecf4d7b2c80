"""RePoseDM's example graphs: its own model, small; and text to image, several people in the poses of a photo."""

from .draw_demo import DEMO_GUIDANCE, DEMO_SIZE, blended, fitted_photo, tops_mask
from .draw_pcdms import Wire, checkpoint_loader, saved
from .draw_sampling import DDIM, sampled
from .graph_drawing import Drawn, Graph

ESTIMATOR = "higherhrnet.safetensors"
#: The pack's own weights.
DEMO, DEMO_ESTIMATOR = "demo_reposedm.safetensors", "demo_estimator.safetensors"
#: Few, as in MCLD's: in more it makes up details.
DEMO_STEPS = 2
#: The photo's aspect, which the field asks of the picture, at Stable Diffusion 1.5's number of pixels.
WIDTH, HEIGHT = 624, 416


def reposedm(info: dict) -> Graph:
    """Figure 2 of the paper, with a model that needs no download."""
    graph = Graph(info)
    graph.note(
        0,
        "**RePoseDM** (Figure 2 of the paper). The source is aligned with the target's pose, iteration by iteration; "
        "the UNet sees what comes out, and the pose's latent. At every step the pose interaction field asks a pose "
        "estimator how far the picture is from the pose, and moves it towards it.\n\nThe model and the estimator here "
        "are the pack's **demo**: small, 96×128 pixels, trained on synthetic people like these. *scale* of Pose "
        "Interaction Field is how strongly it acts; 0 is RePoseDM without guidance.",
    )
    _, source = fitted_photo(graph, "Source", "mannequin_demo_source.png", **DEMO_SIZE)
    target = graph.add(0, "LoadImage", "Target pose", image="mannequin_demo_pose.png")
    nets = graph.add(1, "MannequinLoadRePoseDM", weights=DEMO)
    vae = graph.add(1, "VAELoader", vae_name="demo_vae.safetensors")
    estimator = graph.add(1, "MannequinLoadPoseEstimator", weights=DEMO_ESTIMATOR)
    pose = graph.add(1, "MannequinDetectPose", image=target["IMAGE"])
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], parts="body", **DEMO_SIZE)
    given = graph.add(
        3,
        "MannequinRePoseDMConditioning",
        alignment=nets["alignment"],
        vae=vae["VAE"],
        image=source["IMAGE"],
        pose=skeleton["IMAGE"],
    )
    guided = graph.add(
        3,
        "MannequinPoseInteractionField",
        model=nets["MODEL"],
        pose=pose["POSE_KEYPOINT"],
        estimator=estimator["POSE_ESTIMATOR"],
        decoder=vae["VAE"],
        rule="relative",
    )
    latents = sampled(graph, 4, guided["MODEL"], given, DEMO_STEPS, DDIM, DEMO_GUIDANCE)
    picture = graph.add(4, "VAEDecode", samples=latents, vae=vae["VAE"])["IMAGE"]
    graph.add(4, "PreviewImage", "The source, warped", images=given["warped"])
    field = _field(graph, picture, pose, estimator)
    graph.add(5, "PreviewImage", "Target pose", images=skeleton["IMAGE"])
    graph.add(6, "PreviewImage", "Where it is off the pose", images=field["field"])
    saved(graph, picture, "mannequin/reposedm", 6)
    return graph


def reposedm_garment(info: dict) -> Graph:
    """Figure 4 of the paper: somebody in a part of somebody else's clothes."""
    graph = Graph(info)
    graph.note(
        0,
        "**Garment control** (Figure 4 of the paper): inside the mask the picture follows the source, outside it the "
        "reference, both in the reference's pose; at every step the two predictions are put together. The mask is the "
        "reference's top; *labels* of Parsing Mask chooses another part.\n\nThe model here is the pack's **demo**: "
        "small, 96×128 pixels, trained on synthetic people like these.",
    )
    _, source = fitted_photo(graph, "Source", "mannequin_demo_source.png", **DEMO_SIZE)
    loaded, reference = fitted_photo(graph, "Reference", "mannequin_demo_reference.png", **DEMO_SIZE)
    nets = graph.add(1, "MannequinLoadRePoseDM", weights=DEMO)
    vae = graph.add(1, "VAELoader", vae_name="demo_vae.safetensors")
    pose = graph.add(1, "MannequinDetectPose", "The reference's pose", image=loaded["IMAGE"])
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], parts="body", **DEMO_SIZE)
    given = {
        name: graph.add(
            3,
            "MannequinRePoseDMConditioning",
            f"RePoseDM Conditioning, {name}",
            alignment=nets["alignment"],
            vae=vae["VAE"],
            image=photo["IMAGE"],
            pose=skeleton["IMAGE"],
        )
        for name, photo in (("source", source), ("reference", reference))
    }
    branches = {"model": nets["MODEL"], "reference_model": nets["MODEL"]}
    for side in ("positive", "negative"):
        branches |= {side: given["source"][side], f"reference_{side}": given["reference"][side]}
    parsing = graph.add(2, "MannequinParsePerson", "Parse the reference", image=reference["IMAGE"])
    mask = tops_mask(graph, parsing)
    latents = blended(graph, 4, branches, mask, given["source"]["latent"], DEMO_STEPS)
    picture = graph.add(5, "VAEDecode", samples=latents, vae=vae["VAE"])["IMAGE"]
    saved(graph, picture, "mannequin/reposedm_garment", 6)
    return graph


def repose_text_to_image(info: dict) -> Graph:
    """RePoseSD (4.4): the field alone holds the poses, there is no ControlNet."""
    graph = Graph(info)
    graph.note(
        0,
        "**RePoseSD** (RePoseDM 4.4): text to image, with everybody's pose from a photo. No network was trained for "
        "it: at every step the pose interaction field asks a pose estimator how far the picture is from the poses, and "
        "moves it towards them. Any checkpoint, any sampler; ControlNet and LoRA work beside it.\n\nThe estimator's "
        "file is made once from published weights of HigherHRNet (*Load Pose Estimator*, help). *scale* is the "
        "strength: raise it until people stand as they should, lower it where the picture breaks. A tiny VAE (TAESD) "
        "at *decoder* makes steps much faster.",
    )
    photo = graph.add(0, "LoadImage", "Poses from", image="mannequin_group.jpg")
    estimator = graph.add(0, "MannequinLoadPoseEstimator", weights=ESTIMATOR)
    checkpoint = checkpoint_loader(graph)
    pose = graph.add(1, "MannequinDetectPose", "Everybody's pose", image=photo["IMAGE"], on_several="all")
    words = "group photo of friends in colorful raincoats in front of a lighthouse"
    positive = graph.add(1, "CLIPTextEncode", "Prompt", clip=checkpoint["CLIP"], text=words)
    negative = graph.add(1, "CLIPTextEncode", "Negative prompt", clip=checkpoint["CLIP"], text="blurry, deformed")
    empty = graph.add(1, "EmptyLatentImage", width=WIDTH, height=HEIGHT, batch_size=1)
    skeleton = graph.add(2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], width=WIDTH, height=HEIGHT)
    graph.add(3, "PreviewImage", "Poses", images=skeleton["IMAGE"])
    guided = graph.add(
        2,
        "MannequinPoseInteractionField",
        model=checkpoint["MODEL"],
        pose=pose["POSE_KEYPOINT"],
        estimator=estimator["POSE_ESTIMATOR"],
        decoder=checkpoint["VAE"],
    )
    given = {
        "positive": positive["CONDITIONING"],
        "negative": negative["CONDITIONING"],
        "latent": empty["LATENT"],
    }
    latents = sampled(graph, 3, guided["MODEL"], given, 30, ("ddim", "normal"), 7.0)
    picture = graph.add(4, "VAEDecode", samples=latents, vae=checkpoint["VAE"])["IMAGE"]
    field = _field(graph, picture, pose, estimator)
    graph.add(6, "PreviewImage", "Where it is off the poses", images=field["field"])
    saved(graph, picture, "mannequin/repose_text_to_image", 5)
    return graph


def _field(graph: Graph, picture: Wire, pose: Drawn, estimator: Drawn) -> Drawn:
    """Where a picture is off its poses."""
    return graph.add(
        5,
        "MannequinPreviewPoseField",
        image=picture,
        pose=pose["POSE_KEYPOINT"],
        estimator=estimator["POSE_ESTIMATOR"],
    )
