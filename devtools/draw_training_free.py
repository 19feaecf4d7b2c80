"""TruePose without training, on checkpoints that anybody has: the same graph for Stable Diffusion 1.5 and for XL."""

from dataclasses import dataclass

from .draw_demo import Wire
from .draw_mcld import vision_loader
from .draw_pcdms import checkpoint_loader
from .draw_sampling import sampled
from .draw_truepose import photos
from .graph_drawing import Drawn, Graph, from_hub

XL_CHECKPOINT = "sd_xl_base_1.0.safetensors"
WORDS, AGAINST = "photo of a woman in a coat walking in a street, full body", "blurry, deformed"
_SETTINGS = (
    "A LoRA goes behind Load Checkpoint, before everything else.\n\nLook at *strength* and *start_percent* of Apply "
    "HPFA first: later and weaker keeps the pose, earlier and stronger keeps the clothes."
)


@dataclass(frozen=True)
class Posed:
    """A ControlNet that gives the pose, and the size at which it is given.

    Attributes:
        repository: on the hub.
        file: there.
        name: in the user's folder.
        line_width: of Draw Pose.
    """

    repository: str
    file: str
    name: str
    width: int
    height: int
    line_width: float = 1.0

    @property
    def size(self) -> dict[str, int]:
        return {"width": self.width, "height": self.height}


SD15 = Posed(
    "comfyanonymous/ControlNet-v1-1_fp16_safetensors",
    "control_v11p_sd15_openpose_fp16.safetensors",
    "control_v11p_sd15_openpose_fp16.safetensors",
    352,
    704,
)
#: Its model card: trained with lines of 12 pixels from middle to edge at this size, and unsteady with thinner ones.
SDXL = Posed(
    "xinsir/controlnet-openpose-sdxl-1.0",
    "diffusion_pytorch_model.safetensors",
    "xinsir-controlnet-openpose-sdxl-1.0.safetensors",
    832,
    1216,
    1.8,
)


def training_free(info: dict) -> Graph:
    """HPFA and CAA on an ordinary SD1.5 checkpoint, the pose by ControlNet, words by CLIP, a LoRA if there is one."""
    graph = Graph(info)
    graph.note(
        0,
        "**TruePose without training**: HPFA and CAA on any SD1.5 checkpoint (for SDXL there is a graph of its own). "
        f"The checkpoint is its own SourceNet; a ControlNet gives the pose, text the rest. {_SETTINGS}",
    )
    shown = ("mannequin_source.png", "mannequin_pose.png")
    fitted, pose, parsing = photos(graph, *shown, **SD15.size, parts="body, hands")
    return dressed(graph, SD15, checkpoint_loader(graph, 1), fitted, pose, parsing)


def training_free_sdxl(info: dict) -> Graph:
    """The same on an SDXL checkpoint, whose size photos are put into whole."""
    graph = Graph(info)
    graph.note(
        0,
        "**TruePose without training, SDXL**: HPFA and CAA on any SDXL checkpoint. The checkpoint is its own "
        "SourceNet; a ControlNet gives the pose, text the rest. *Fit Image* shows all of a photo, whatever its aspect; "
        f"another size goes into all of its width and height. {_SETTINGS}",
    )
    fitted = whole(graph, "Source", "mannequin_source.png", **SDXL.size)
    target = whole(graph, "Target pose", "mannequin_pose.png", **SDXL.size)
    pose = graph.add(1, "MannequinDetectPose", image=target["IMAGE"], parts="body, hands")
    parsing = graph.add(2, "MannequinParsePerson", image=fitted["IMAGE"])
    return dressed(graph, SDXL, xl_checkpoint_loader(graph), fitted, pose, parsing)


def whole(graph: Graph, title: str, photo: str, width: int, height: int) -> Drawn:
    """A photo at the model's size, nothing cut off and nothing stretched."""
    loaded = graph.add(0, "LoadImage", title, image=photo)
    return graph.add(
        1,
        "MannequinFitImage",
        f"{title}, at the model's size",
        image=loaded["IMAGE"],
        size="width × height",
        padding="edge",
        width=width,
        height=height,
    )


def xl_checkpoint_loader(graph: Graph) -> Drawn:
    """Stable Diffusion XL, where any checkpoint of its kind will do."""
    models = from_hub("stabilityai/stable-diffusion-xl-base-1.0", XL_CHECKPOINT, "checkpoints")
    return graph.add(1, "CheckpointLoaderSimple", ckpt_name=XL_CHECKPOINT, models=models)


def dressed(
    graph: Graph,
    control: Posed,
    checkpoint: Drawn,
    fitted: Drawn,
    pose: Drawn,
    parsing: Drawn,
    words: str = WORDS,
    prefix: str = "mannequin/training_free",
    **scope: Wire,
) -> Graph:
    """The rest of the graph, from loaders and photos to the result.

    Args:
        pose: a node with keypoints of the target.
        words: the prompt.
        prefix: of the result's file.
        scope: inputs of both apply nodes.
    """
    vision = vision_loader(graph, 1)
    pose_net = graph.add(
        1,
        "ControlNetLoader",
        control_net_name=control.name,
        models=from_hub(control.repository, control.file, "controlnet", control.name),
    )
    skeleton = graph.add(
        2, "MannequinDrawPose", pose=pose["POSE_KEYPOINT"], line_width=control.line_width, **control.size
    )
    latent = graph.add(2, "VAEEncode", pixels=fitted["IMAGE"], vae=checkpoint["VAE"])
    positive = graph.add(2, "CLIPTextEncode", "Prompt", clip=checkpoint["CLIP"], text=words)
    negative = graph.add(2, "CLIPTextEncode", "Negative prompt", clip=checkpoint["CLIP"], text=AGAINST)
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
        control_net=pose_net["CONTROL_NET"],
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
        **scope,
    )
    aligned = graph.add(
        5,
        "MannequinApplyCAA",
        model=fused["MODEL"],
        source=source["SOURCE_NET"],
        regions=regions["REGION_EMBEDDINGS"],
        strength=0.3,
        **scope,
    )
    noise = graph.add(5, "EmptyLatentImage", batch_size=1, **control.size)
    given = {"positive": posed["positive"], "negative": posed["negative"], "latent": noise["LATENT"]}
    latents = sampled(graph, 6, aligned["MODEL"], given, 30, ("dpmpp_2m", "karras"), 6.0)
    picture = graph.add(6, "VAEDecode", samples=latents, vae=checkpoint["VAE"])
    graph.add(7, "SaveImage", "Result", images=picture["IMAGE"], filename_prefix=prefix)
    return graph
