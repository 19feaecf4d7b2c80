"""The demo weights in a shared graph of a real server, and the same weights in training's diffusers host."""

import comfy.sample
import pytest
import torch
from comfy.latent_formats import SD15
from host_graph import HostGraph
from safetensors.torch import load_file

from devtools.demo import node_of, read_graph
from devtools.host import ROOT
from preprocessors.images import squashed
from preprocessors.labels import LIP_20
from training.autoencoders import load_autoencoder
from training.methods.joint_latents import EncodedLatents
from training.sampling import load_method

WEIGHTS = ROOT / "weights"
SEED = 3


def truepose_batch(prompt: dict, graph: HostGraph, encode) -> dict[str, torch.Tensor]:
    """What the trainer's TruePose is given, read off the graph's links."""
    labels = graph.value(node_of(prompt, "MannequinParsePerson")).labels
    selected = graph.value(node_of(prompt, "MannequinSelectParsing"))[0] > 0
    return {
        "source_latent": encode(graph.value(node_of(prompt, "ImageScale"))),
        "parsing": labels,
        # The trainer is given labels where the graph's mask has pixels.
        "implied": torch.stack([selected[labels[0] == label].any() for label in range(len(LIP_20))])[None],
        "regions": graph.value(node_of(prompt, "MannequinEncodeRegions"))[1],
        "skeleton": graph.value(node_of(prompt, "MannequinDrawPose")) * 255,
    }


def mcld_batch(prompt: dict, graph: HostGraph, encode) -> dict[str, torch.Tensor]:
    """What the trainer's MCLD is given."""
    tokens = graph.value(node_of(prompt, "MannequinMCLDConditioning"), 2)
    return {
        "texture_latent": encode(graph.value(node_of(prompt, "MannequinFitImage", "Texture, at the model's size"))),
        "clip": tokens.image[:, 0],
        "texture_clip": tokens.texture[:, 0],
        "face": graph.value(node_of(prompt, "MannequinFaceOfRegions")).raw,
        # The graph's picture is V, U, I.
        "target_iuv": graph.value(node_of(prompt, "MannequinDensePoseImage")).flip(-1) * 255,
    }


def pcdms_batch(prompt: dict, graph: HostGraph, encode) -> dict[str, torch.Tensor]:
    """What the trainer's second stage is given; its embedding is the graph's prior's."""
    photo = graph.value(node_of(prompt, "ImageScale"))
    dino = graph.value(node_of(prompt, "MannequinLoadDINOv2"))
    source, target = (
        graph.value(node_of(prompt, "MannequinDrawPose", f"{title}: skeleton")) * 255
        for title in ("Source", "Target pose")
    )
    return {
        "joint_latent": encode(graph.value(node_of(prompt, "MannequinPCDMsJoint"))),
        "dino": dino.encode_image(squashed(photo, dino.image_size, dino.image_size), crop=False).last_hidden_state,
        "target_clip": graph.value(node_of(prompt, "MannequinPCDMsPrior")).image_embeds,
        "source_skeleton": source,
        "target_skeleton": target,
        "target_latent": encode(photo),
    }


def reposedm_batch(prompt: dict, graph: HostGraph, encode) -> dict[str, torch.Tensor]:
    """What the trainer's RePoseDM is given."""
    return {
        "source_latent": encode(graph.value(node_of(prompt, "ImageScale"))),
        "pose_latent": encode(graph.value(node_of(prompt, "MannequinDrawPose"))),
    }


def imagpose_batch(prompt: dict, graph: HostGraph, encode) -> dict[str, torch.Tensor]:
    """What the trainer's IMAGPose is given: a source and three targets, of which the poses count."""
    photo, dino = graph.value(node_of(prompt, "ImageScale")), graph.value(node_of(prompt, "MannequinLoadDINOv2"))
    skeletons = [
        graph.value(node_of(prompt, "MannequinDrawPose", f"{title}: skeleton")) * 255
        for title in ("Source", *(f"Target pose {number}" for number in (1, 2, 3)))
    ]
    return {
        "dino": dino.encode_image(squashed(photo, dino.image_size, dino.image_size), crop=False).last_hidden_state,
        "source_image": photo * 255,
        "source_skeleton": skeletons[0],
        "target_image": torch.cat(skeletons[1:]),
        "target_skeleton": torch.cat(skeletons[1:]),
        "encode": encode,
    }


def sampled_together(method, batch: dict, noise: torch.Tensor, steps: int, guidance: float) -> torch.Tensor:
    """Three poses at once, as the graph asks for them; pictures are encoded as the nodes do it."""
    encode = batch.pop("encode")
    method.latents = EncodedLatents(lambda pictures: encode((pictures.movedim(1, -1) + 1) / 2))
    return method.scenario(batch, method.layout(batch, 1, 3), noise, steps, guidance)


#: Of a graph: what the trainer is given, its weights, the conditioning before its sampler, and what is changed in it.
GRAPHS = {
    "truepose": (truepose_batch, "truepose", "MannequinConditioning", {}),
    "mcld_demo": (mcld_batch, "mcld", "MannequinMCLDConditioning", {}),
    "pcdms_demo": (pcdms_batch, "pcdms_inpainting", "MannequinPCDMsConditioning", {}),
    # The method's own sampler has no field.
    "reposedm": (reposedm_batch, "reposedm", "MannequinRePoseDMConditioning", {"scale": 0.0}),
    "imagpose": (imagpose_batch, "imagpose", "MannequinIMAGPoseConditioning", {}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_shared_graph_is_what_training_samples(client, server, name):
    batch_of, weights, conditioning, changes = GRAPHS[name]
    prompt = read_graph(client, ROOT / "workflows" / f"{name}.json")
    sampler = sampler_of(prompt, conditioning)
    settings = prompt[sampler]["inputs"]
    settings["seed"] = SEED
    for node in prompt.values():
        node["inputs"] |= {key: value for key, value in changes.items() if key in node["inputs"]}
    saved = {"class_type": "SaveLatent", "inputs": {"samples": [sampler, 0], "filename_prefix": f"two_hosts/{name}"}}
    client.run({**prompt, "latent": saved})
    file = max((server.base / "output" / "two_hosts").glob(f"{name}*.latent"))
    # The trainer's latents are in the UNet's scale.
    theirs = SD15().process_in(load_file(file)["latent_tensor"])

    method = load_method(WEIGHTS / "models" / f"demo_{weights}.safetensors")
    autoencoder = load_autoencoder(WEIGHTS / "vae" / "demo_vae.safetensors")
    batch = batch_of(prompt, HostGraph(prompt), lambda image: autoencoder.encode(image.movedim(-1, 1) * 2 - 1))
    noise = comfy.sample.prepare_noise(torch.zeros_like(theirs), SEED)
    sample = sampled_together if name == "imagpose" else type(method).sample
    ours = sample(method, batch, noise, settings["steps"], settings["cfg"])
    # A joint picture's right half is the target.
    pictures = [autoencoder.decode(latent) / 2 + 0.5 for latent in (ours, theirs[..., -ours.shape[-1] :])]
    assert float((pictures[0] - pictures[1]).abs().max()) < 1e-3
    assert float(pictures[0].std()) > 0.05


def sampler_of(prompt: dict, conditioning: str) -> str:
    """The KSampler whose conditions come from a node of a type."""
    given = node_of(prompt, conditioning)
    return next(
        number
        for number, node in prompt.items()
        if node["class_type"] == "KSampler" and node["inputs"]["negative"][0] == given
    )
