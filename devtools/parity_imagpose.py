"""IMAGPose, recomputed from golden files."""

from typing import Any

import torch
from torch import Tensor

from model_patches.attention.cva import CVA, PUBLISHED_TILES, CVAShape, join_tiles, split_tiles

from .golden import Golden
from .host import import_host
from .parity_sampling import LATENT_SCALE, evaluated, pictures_of, sampled, vae_of

#: Around the names of a module's parameters where it is published.
_MODULE = "motion_module.temporal_transformer"


def cva(golden: Golden) -> dict[str, Tensor]:
    """One module over a map of four tiles; its positions are those of the file, and those that it would begin with."""
    state = golden.weights_of(_MODULE)
    module = CVA(CVAShape.of(state))
    begun = {key: tensor for key, tensor in module.state_dict().items() if key.endswith(".pe")}
    if not all(torch.allclose(tensor, state[key], atol=1e-6) for key, tensor in begun.items()):
        raise ValueError("the positions are not those of the file")
    module.load_state_dict(state)
    return {"y": join_tiles(module(split_tiles(golden.inputs["x"], PUBLISHED_TILES)), PUBLISHED_TILES)}


def imagpose_step(golden: Golden) -> dict[str, Tensor]:
    """Evaluations of the UNet over a joint latent, with cross-view attention after each layer."""
    model, imagpose = _loaded(golden)
    from mannequin.model_patches.comfy_inputs import Inputs

    inputs, network = golden.inputs, imagpose.model
    context = network.flc(inputs["ref_latent"], inputs["dino_tokens"])
    features = network.pose_guider(inputs["pose_image"])
    given = Inputs(inputs["image_mask_latent"] / LATENT_SCALE, inputs["flag"], features=features)
    conditions = (context, given), (torch.zeros_like(context), given.as_null())
    conditional, null = (_velocity(model, golden, condition, conditions[1], 1.0) for condition in conditions)
    return {
        "cond": conditional,
        "uncond": null,
        "cfg": torch.cat([null, conditional]),
        "guided_scale2": _velocity(model, golden, *conditions, 2.0),
    }


def imagpose_pipeline(golden: Golden) -> dict[str, Tensor]:
    """From photos and poses to pictures of four tiles, in the four scenarios, through the nodes."""
    model, imagpose = _loaded(golden)
    from mannequin.model_patches.comfy_dino import load_dino
    from mannequin.model_patches.dino import BY_SCALE, HEADS_KEY
    from mannequin.nodes.imagpose import MannequinJointViews, MannequinSplitViews
    from mannequin.nodes.imagpose_conditioning import MannequinIMAGPoseConditioning

    header = {HEADS_KEY: str(golden.config["dino"]["num_attention_heads"])}
    dino = load_dino(golden.weights_of("dinov2_base_like"), "base", header, BY_SCALE, torch.float32)
    vae, pictures = vae_of(golden), pictures_of(golden)
    photos, poses, targets = (pictures[name] for name in ("sources", "source_poses", "target_poses"))
    one = photos[:1], poses[:1]
    scenarios = {
        "t1": (*one, targets[:1], "automatic"),
        "t2": (*one, targets[:1], "sources"),
        "t3": (photos, poses, targets[:1], "automatic"),
        "multi": (*one, targets, "automatic"),
    }
    made = {}
    for name, (*shown, fill) in scenarios.items():
        views = MannequinJointViews.execute(*shown, *golden.config["tile_wh"], "2×2", fill, "error").result[0]
        conditions = MannequinIMAGPoseConditioning.execute(imagpose, dino, vae, views).result
        latent = sampled(model, "DDIM, zero terminal SNR", golden.config["num_inference_steps"], golden, *conditions)
        (tiles,) = MannequinSplitViews.execute(vae.decode(latent), views, "all tiles").result
        made[f"{name}.latent"], made[f"{name}.tiles"] = latent * LATENT_SCALE, (tiles * 255).round()
    return made


def _velocity(model: Any, golden: Golden, positive: tuple, negative: tuple, cfg: float) -> Tensor:
    """v, of which the host has made x₀ = α x − σ v, at kept variance α² + σ² = 1."""
    x, sigma, clean = evaluated(model, golden, positive, negative, cfg)
    kept = (1 + sigma**2).sqrt()
    return (x / kept**2 - clean) * kept / sigma


def _loaded(golden: Golden) -> tuple[Any, Any]:
    """The MODEL with cross-view attention on it, and the modules beside it, as the loader gives them."""
    import_host()
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.published_imagpose import PATCH, POSE_GUIDER, WHOLE_UNET, our_name
    from mannequin.model_patches.weight_kinds.imagpose import IMAGPOSE_MODEL, imagpose_metadata
    from mannequin.nodes.cva import MannequinApplyCVA

    files = {"denoising_unet": WHOLE_UNET, "pose_guider": POSE_GUIDER, "patch": PATCH}
    state = {
        our_name(kind, key): tensor.clone()
        for file, kind in files.items()
        for key, tensor in golden.weights_of(file).items()
    }
    model, imagpose = load_weights(IMAGPOSE_MODEL, state, "imagpose", imagpose_metadata())
    applied = MannequinApplyCVA.execute(model, imagpose, "after each layer", "2×2 tiles", "all", 1.0, 0.0, 1.0)
    return applied.result[0], imagpose
