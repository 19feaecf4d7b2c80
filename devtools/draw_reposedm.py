"""RePoseDM's example graph: text to image, several people in the poses of a photo."""

from .draw_pcdms import checkpoint_loader, saved
from .graph_drawing import Graph

ESTIMATOR = "higherhrnet.safetensors"
#: The photo's aspect, which the field asks of the picture, at Stable Diffusion 1.5's number of pixels.
WIDTH, HEIGHT = 624, 416


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
    latents = graph.add(
        3,
        "KSampler",
        model=guided["MODEL"],
        positive=positive["CONDITIONING"],
        negative=negative["CONDITIONING"],
        latent_image=empty["LATENT"],
        seed=0,
        steps=30,
        cfg=7.0,
        sampler_name="ddim",
        scheduler="normal",
        denoise=1.0,
    )
    picture = graph.add(4, "VAEDecode", samples=latents["LATENT"], vae=checkpoint["VAE"])["IMAGE"]
    field = graph.add(
        5,
        "MannequinPreviewPoseField",
        image=picture,
        pose=pose["POSE_KEYPOINT"],
        estimator=estimator["POSE_ESTIMATOR"],
    )
    graph.add(6, "PreviewImage", "Where it is off the poses", images=field["field"])
    saved(graph, picture, "mannequin/repose_text_to_image", 5)
    return graph
