"""Small graphs that pictures of single nodes are made by; the shared graphs are used as they are."""

from .draw_demo import DEMO_GUIDANCE
from .draw_pcdms_demo import pcdms_demo
from .draw_truepose import truepose
from .graph_drawing import Graph
from .picture_inputs import LABELS, PHOTO, REGIONS, region_file

SIZE = {"width": 350, "height": 700}
SMALL_IUV = "mannequin_demo_source_iuv.png"


def keypoints(info: dict) -> Graph:
    """Poses of photos, moved, chosen, drawn, and read from files."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image=PHOTO)
    own = graph.add(1, "MannequinDetectPose", "Its pose", image=photo["IMAGE"])
    for style in ("OpenPose", "PCDMs", "IMAGPose"):
        graph.add(2, "MannequinDrawPose", style, pose=own["POSE_KEYPOINT"], style=style, **SIZE)
    other = graph.add(0, "LoadImage", "Other", image="mannequin_demo_pose.png")
    target = graph.add(1, "MannequinDetectPose", "Target", image=other["IMAGE"])
    moved = graph.add(
        2,
        "MannequinRetargetPose",
        pose=target["POSE_KEYPOINT"],
        source_pose=own["POSE_KEYPOINT"],
        limb_lengths="source",
    )
    graph.add(2, "MannequinDrawPose", "Before", pose=target["POSE_KEYPOINT"], parts="body", width=525, height=700)
    graph.add(3, "MannequinDrawPose", "After", pose=moved["POSE_KEYPOINT"], parts="body", **SIZE)
    group = graph.add(0, "LoadImage", "Group", image="mannequin_group.jpg")
    everybody = graph.add(1, "MannequinDetectPose", "All", image=group["IMAGE"], on_several="all")
    chosen = graph.add(2, "MannequinChoosePerson", pose=everybody["POSE_KEYPOINT"], on_several="index", person=2)
    for title, pose in (("Everybody", everybody), ("One of them", chosen)):
        graph.add(3, "MannequinDrawPose", title, pose=pose["POSE_KEYPOINT"], width=600, height=400)
    return graph


def estimated(info: dict) -> Graph:
    """The pack's own estimator on a picture of the demo."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_demo_source.png")
    estimator = graph.add(0, "MannequinLoadPoseEstimator", weights="demo_estimator.safetensors")
    found = graph.add(
        1,
        "MannequinEstimatePose",
        estimator=estimator["POSE_ESTIMATOR"],
        image=photo["IMAGE"],
        threshold=0.1,
        resolution=128,
    )
    graph.add(2, "MannequinDrawPose", pose=found["POSE_KEYPOINT"], width=300, height=400)
    return graph


def library(info: dict) -> Graph:
    """Poses of a category, on the mannequin."""
    graph = Graph(info)
    poses = graph.add(0, "MannequinPoseLibrary", pose="Fashion: all")
    graph.add(1, "MannequinPoseMannequin", mannequin=poses["mannequin"], width=240, height=320)
    return graph


def mannequin(info: dict) -> Graph:
    """Everything that the mannequin gives, in a photo's pose."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_demo_pose.png")
    pose = graph.add(1, "MannequinDetectPose", image=photo["IMAGE"])
    body = graph.add(2, "MannequinPoseMannequin", pose=pose["POSE_KEYPOINT"], width=288, height=384)
    for convention in ("parts", "VUI", "IUV"):
        graph.add(3, "MannequinDensePoseImage", convention, densepose=body["DENSEPOSE"], convention=convention)
    graph.add(3, "MannequinPreviewParsing", image=body["normals"], parsing=body["PARSING"])
    for parts in ("head", "torso, arms"):
        graph.add(3, "MannequinDensePoseMask", parts, densepose=body["DENSEPOSE"], parts=parts)
    return graph


def fitted_body(info: dict) -> Graph:
    """A photo's person as a mannequin."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image=PHOTO)
    body = graph.add(1, "MannequinFitBody", image=photo["IMAGE"])
    graph.add(2, "MannequinDensePoseImage", "parts", densepose=body["DENSEPOSE"], convention="parts")
    graph.add(2, "MannequinPreviewParsing", image=photo["IMAGE"], parsing=body["PARSING"])
    return graph


def parsing(info: dict) -> Graph:
    """A photo's labels, and what is made of them."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image=PHOTO)
    labels = graph.add(1, "MannequinParsePerson", image=photo["IMAGE"])
    kept = graph.add(2, "MannequinKeepLabels", parsing=labels["PARSING"], labels="clothes")
    graph.add(2, "MannequinParsingMask", parsing=labels["PARSING"], labels="Upper-clothes, Pants")
    written = graph.add(0, "LoadImage", "Labels", image=LABELS)
    read = graph.add(1, "MannequinImportParsing", image=written["IMAGE"], label_set="LIP-20")
    turned = graph.add(0, "MannequinPoseLibrary", pose="Standing: Contrapposto", turn=180.0)
    back = graph.add(1, "MannequinPoseMannequin", mannequin=turned["mannequin"], hidden_points="leave out", **SIZE)
    graph.add(2, "MannequinSelectParsing", parsing=labels["PARSING"], pose=back["POSE_KEYPOINT"])
    for title, made in (("Parsed", labels["PARSING"]), ("Kept", kept["parsing"]), ("Read", read["PARSING"])):
        graph.add(3, "MannequinPreviewParsing", title, image=photo["IMAGE"], parsing=made)
    for label in REGIONS:
        graph.add(0, "LoadImage", label, image=region_file(label))
    return graph


def faces(info: dict) -> Graph:
    """A face, cut out upright."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_portrait.jpg")
    graph.add(1, "MannequinCropFace", image=photo["IMAGE"])
    return graph


def placing(info: dict) -> Graph:
    """A photo brought to a size in several ways; what was made of the person, back in the photo."""
    graph = Graph(info)
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_group.jpg")
    whole = graph.add(0, "LoadImage", "Whole", image="mannequin_demo_pose.png")
    size = {"size": "width × height", "height": 256}
    for mode in ("pad", "crop", "person", "squash"):
        graph.add(1, "MannequinFitImage", mode, image=whole["IMAGE"], mode=mode, width=256, **size)
    fitted = graph.add(
        1,
        "MannequinFitImage",
        "One person",
        image=photo["IMAGE"],
        mode="person",
        width=176,
        margin=0.0,
        on_several="index",
        person=3,
        **size,
    )
    result = graph.add(2, "ImageInvert", "Result", image=fitted["IMAGE"])
    graph.add(
        3,
        "MannequinPasteBack",
        result=result["IMAGE"],
        placement=fitted["PLACEMENT"],
        original=photo["IMAGE"],
        feather=16,
    )
    return graph


def surfaces(info: dict) -> Graph:
    """A file of DensePose, and texture maps of two people by a mannequin's DensePose."""
    graph = Graph(info)
    written = graph.add(0, "LoadImage", "IUV", image=SMALL_IUV)
    read = graph.add(1, "MannequinImportDensePose", image=written["IMAGE"])
    graph.add(2, "MannequinDensePoseImage", densepose=read["DENSEPOSE"], convention="parts")
    textures = {}
    for name in ("source", "reference"):
        photo = graph.add(0, "LoadImage", name, image=f"mannequin_demo_{name}.png")
        pose = graph.add(1, "MannequinDetectPose", image=photo["IMAGE"])
        body = graph.add(2, "MannequinPoseMannequin", pose=pose["POSE_KEYPOINT"], width=288, height=384)
        graph.add(3, "MannequinDensePoseImage", f"surface, {name}", densepose=body["DENSEPOSE"], convention="parts")
        textures[name] = graph.add(
            3, "MannequinTextureMap", f"texture, {name}", image=photo["IMAGE"], densepose=body["DENSEPOSE"]
        )
    own, donor = (textures[name]["texture"] for name in ("source", "reference"))
    graph.add(4, "MannequinSwapTexture", texture=own, donor=donor, parts="torso, arms")
    graph.add(0, "MannequinTextureMask", parts="torso, arms")
    return graph


def attention(info: dict) -> Graph:
    """Where two places of TruePose's finished picture look, and the regions that it chose."""
    graph = truepose(info)
    by_type = {node.type: node for node in graph.nodes}
    source = next(node for node in graph.nodes if node.title == "Source, at the model's size")
    for title, x, y in (("chest", 0.45, 0.37), ("knee", 0.38, 0.68)):
        graph.add(
            7,
            "MannequinPreviewAttention",
            title,
            model=by_type["MannequinApplyCAA"]["MODEL"],
            positive=by_type["MannequinConditioning"]["positive"],
            latent=by_type["KSampler"]["LATENT"],
            source=source["IMAGE"],
            picture=by_type["VAEDecode"]["IMAGE"],
            x=x,
            y=y,
            percent=0.3,
            detail="middle",
        )
    graph.add(
        7,
        "MannequinPreviewRegions",
        model=by_type["MannequinApplyCAA"]["MODEL"],
        positive=by_type["MannequinConditioning"]["positive"],
        latent=by_type["KSampler"]["LATENT"],
        picture=by_type["VAEDecode"]["IMAGE"],
        source=source["IMAGE"],
    )
    return graph


def published(info: dict) -> Graph:
    """TruePose's demo by a published sampler."""
    graph = truepose(info)
    by_type = {node.type: node for node in graph.nodes}
    given, model = by_type["MannequinConditioning"], by_type["MannequinApplyCAA"]["MODEL"]
    sampler = graph.add(6, "MannequinPublishedSampler", model=model, sampler="DDIM, zero terminal SNR", steps=4)
    sampled = graph.add(
        6,
        "SamplerCustom",
        model=model,
        add_noise=True,
        noise_seed=0,
        cfg=DEMO_GUIDANCE,
        positive=given["positive"],
        negative=given["negative"],
        sampler=sampler["SAMPLER"],
        sigmas=sampler["SIGMAS"],
        latent_image=by_type["EmptyLatentImage"]["LATENT"],
    )
    graph.add(7, "VAEDecode", "Published", samples=sampled["output"], vae=by_type["VAELoader"]["VAE"])
    return graph


def rescaled(info: dict) -> Graph:
    """PCDMs' refining under guidance that is rescaled."""
    graph = pcdms_demo(info)
    sampler = [node for node in graph.nodes if node.type == "KSampler"][-1]
    sampler.title = "Refining"
    model = graph.add(8, "MannequinGuidanceRescale", model=sampler.values["model"], guidance_rescale=0.0)
    sampler.values["model"] = model["MODEL"]
    return graph
