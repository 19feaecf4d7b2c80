"""MCLD's example graphs: pose transfer, another person's clothes, another person's face."""

from collections.abc import Sequence

from .draw_sampling import DDIM, sampled
from .graph_drawing import Drawn, Graph, from_hub

WEIGHTS, DENSEPOSE = "mcld.safetensors", "densepose_r101_fpn_dl.torchscript"
VAE, VISION = "vae-ft-mse-840000-ema-pruned.safetensors", "clip-vit-large-patch14.safetensors"
SIDE = 512
NOTE = (
    "Needs `models/mannequin/mcld.safetensors` (make it from the published files: *Load MCLD*, help), the VAE "
    "`sd-vae-ft-mse`, CLIP ViT-L/14's image encoder (the paper takes the one of `sd-image-variations-diffusers`), a "
    "DensePose TorchScript file, and insightface's `antelopev2` for the face. Without it, delete *Embed Face*: MCLD "
    "then does without."
)


def mcld(info: dict) -> Graph:
    """Figure 2 of the paper: the person of one photo in the pose of another."""
    graph = Graph(info)
    graph.note(
        0,
        "**MCLD** (Figure 2 of the paper): photo, texture map and face condition the model; DensePose of the target "
        f"poses it. DDIM, 20 steps, CFG 3.5.\n\n{NOTE}",
    )
    nets = loaders(graph)
    source, target = (
        person(graph, nets, "Source", "mannequin_source.png"),
        person(graph, nets, "Target pose", "mannequin_pose.png"),
    )
    texture = texture_of(graph, source)
    face = face_of(graph, nets, "Face", source)
    finish(graph, nets, source, target, texture["texture"], face, "mannequin/mcld", [texture["texture"]])
    return graph


def garment_swap(info: dict) -> Graph:
    """Section 4.4: clothes from the texture map of somebody else."""
    graph = Graph(info)
    graph.note(
        0,
        "**Garment swap** (MCLD 4.4): the donor's clothes are parts of the donor's texture map; they go onto the "
        f"person's map, and the person into the pose.\n\n{NOTE}",
    )
    nets, source, donor, target = swap_of(graph, "Clothes from", "mannequin_group.jpg")
    looks = swapped_maps(graph, source, donor, "Their top", "torso, arms")
    face = face_of(graph, nets, "Face", source)
    finish(graph, nets, source, target, looks[-1], face, "mannequin/garment_swap", looks)
    return graph


def identity_swap(info: dict) -> Graph:
    """Section 4.4: another person's face, as embedding and as parts of the texture map."""
    graph = Graph(info)
    graph.note(
        0,
        "**Identity swap** (MCLD 4.4): the head of the texture map and the face's vector come from somebody else, the "
        f"clothes stay.\n\n{NOTE}",
    )
    nets, source, identity, target = swap_of(graph, "Face from", "mannequin_portrait.jpg")
    looks = swapped_maps(graph, source, identity, "Their head", "head")
    face = face_of(graph, nets, "Their face", identity)
    finish(graph, nets, source, target, looks[-1], face, "mannequin/identity_swap", looks)
    return graph


def swap_of(graph: Graph, title: str, photo: str) -> tuple[dict[str, Drawn], ...]:
    """Networks, the source, somebody else, and who shows the pose."""
    nets = loaders(graph)
    people = (("Source", "mannequin_source.png"), (title, photo), ("Target pose", "mannequin_pose.png"))
    return nets, *(person(graph, nets, *who) for who in people)


def swapped_maps(
    graph: Graph, source: dict[str, Drawn], donor: dict[str, Drawn], title: str, parts: str
) -> list[tuple[Drawn, str]]:
    """The source's texture map, the donor's, and the one with the donor's parts."""
    own, other = texture_of(graph, source), texture_of(graph, donor)
    swapped = graph.add(4, "MannequinSwapTexture", title, texture=own["texture"], donor=other["texture"], parts=parts)
    return [own["texture"], other["texture"], swapped["texture"]]


def loaders(graph: Graph) -> dict[str, Drawn]:
    """Everything that is loaded, in the first column."""
    vae = from_hub("stabilityai/sd-vae-ft-mse-original", VAE, "vae")
    return {
        "mcld": graph.add(0, "MannequinLoadMCLD", weights=WEIGHTS),
        "vae": graph.add(0, "VAELoader", vae_name=VAE, models=vae),
        "vision": vision_loader(graph, 0),
        "densepose": densepose_loader(graph, 0),
        "face": graph.add(0, "MannequinLoadFaceAnalysis"),
    }


def vision_loader(graph: Graph, column: int) -> Drawn:
    """CLIP ViT-L/14, under the name that other packs' graphs have it by."""
    models = from_hub("openai/clip-vit-large-patch14", "model.safetensors", "clip_vision", VISION)
    return graph.add(column, "CLIPVisionLoader", clip_name=VISION, models=models)


def densepose_loader(graph: Graph, column: int) -> Drawn:
    models = from_hub("LayerNorm/DensePose-TorchScript-with-hint-image", DENSEPOSE, "mannequin")
    return graph.add(column, "MannequinLoadDensePose", weights=DENSEPOSE, models=models)


def person(graph: Graph, nets: dict[str, Drawn], title: str, photo: str) -> dict[str, Drawn]:
    """A photo and its DensePose, at its own size, as MCLD prepared its data."""
    loaded = graph.add(1, "LoadImage", title, image=photo)
    surface = graph.add(
        2,
        "MannequinDetectDensePose",
        f"{title}: DensePose",
        densepose_net=nets["densepose"]["DENSEPOSE_NET"],
        image=loaded["IMAGE"],
    )
    return {"photo": loaded, "surface": surface}


def squashed(graph: Graph, column: int, title: str, picture: tuple[Drawn, str]) -> Drawn:
    """A picture at MCLD's size: everything it sees is squashed to a square."""
    return graph.add(
        column,
        "MannequinFitImage",
        title,
        image=picture,
        size="width × height",
        width=SIDE,
        height=SIDE,
        mode="squash",
    )


def texture_of(graph: Graph, who: dict[str, Drawn]) -> Drawn:
    return graph.add(3, "MannequinTextureMap", image=who["photo"]["IMAGE"], densepose=who["surface"]["DENSEPOSE"])


def face_of(graph: Graph, nets: dict[str, Drawn], title: str, who: dict[str, Drawn]) -> Drawn:
    return graph.add(
        3,
        "MannequinEmbedFace",
        title,
        face_net=nets["face"]["FACE_NET"],
        image=who["photo"]["IMAGE"],
        on_no_face="skip",
    )


def finish(
    graph: Graph,
    nets: dict[str, Drawn],
    source: dict[str, Drawn],
    target: dict[str, Drawn],
    texture: tuple[Drawn, str],
    face: Drawn,
    prefix: str,
    looks: Sequence[tuple[Drawn, str]],
) -> None:
    """From conditions to a saved picture."""
    pose = graph.add(3, "MannequinDensePoseImage", densepose=target["surface"]["DENSEPOSE"], convention="VUI")
    pose = squashed(graph, 4, "Target pose, squashed", pose["IMAGE"])
    seen = squashed(graph, 4, "Source, squashed", source["photo"]["IMAGE"])
    picture = pictured(graph, nets, seen["IMAGE"], (texture, texture), face["FACE_EMBEDDING"], pose["IMAGE"])
    whole = graph.add(
        8,
        "MannequinPasteBack",
        "At the target photo's size",
        result=picture["IMAGE"],
        placement=pose["PLACEMENT"],
        original=target["photo"]["IMAGE"],
        feather=0,
    )
    graph.add(9, "SaveImage", "Result", images=whole["IMAGE"], filename_prefix=prefix)
    for number, look in enumerate(looks, 1):
        graph.add(9, "PreviewImage", f"Texture map {number}" if len(looks) > 1 else "Texture map", images=look)


def pictured(
    graph: Graph,
    nets: dict[str, Drawn],
    photo: tuple[Drawn, str],
    textures: tuple[tuple[Drawn, str], tuple[Drawn, str]],
    face: tuple[Drawn, str],
    pose: tuple[Drawn, str],
    width: int = SIDE,
    height: int = SIDE,
    steps: int = 20,
    cfg: float = 3.5,
) -> Drawn:
    """From conditions to a picture; ``textures`` are the map that is encoded to a latent, and the one CLIP looks at."""
    mcld = nets["mcld"]
    latent = graph.add(5, "VAEEncode", "Texture to latent", pixels=textures[0], vae=nets["vae"]["VAE"])
    focal = graph.add(
        5,
        "MannequinMCLDConditioning",
        mcld=mcld["mcld"],
        clip_vision=nets["vision"]["CLIP_VISION"],
        image=photo,
        texture=textures[1],
        face=face,
    )
    reference = graph.add(
        6,
        "MannequinSourceNet",
        "ReferenceNet",
        model=mcld["reference"],
        latent=latent["LATENT"],
        conditioning=focal["source_token"],
    )
    posed = graph.add(6, "MannequinApplyPoseGuider", model=mcld["MODEL"], mcld=mcld["mcld"], pose=pose)
    referred = graph.add(7, "MannequinApplyReference", model=posed["MODEL"], source=reference["SOURCE_NET"])
    aggregated = graph.add(7, "MannequinApplyMFCA", model=referred["MODEL"], mcld=mcld["mcld"], tokens=focal["tokens"])
    noise = graph.add(7, "EmptyLatentImage", width=width, height=height, batch_size=1)
    given = {"positive": focal["positive"], "negative": focal["negative"], "latent": noise["LATENT"]}
    latents = sampled(graph, 8, aggregated["MODEL"], given, steps, DDIM, cfg)
    return graph.add(8, "VAEDecode", samples=latents, vae=nets["vae"]["VAE"])
