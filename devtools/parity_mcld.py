"""MCLD's networks, recomputed from golden files in ComfyUI's own UNet, by way of the converter and the loader."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .golden import Golden
from .host import import_host

OFFICIAL_FILES = ("denoising_unet", "reference_unet", "pose_guider", "image_proj_model")
#: The VAE's scale, between what the pipeline samples and what the host's samplers give back.
LATENT_SCALE = 0.18215


def mcld_resampler(golden: Golden) -> dict[str, Tensor]:
    """The face projector alone."""
    from model_patches.networks.resampler import Resampler, ResamplerShape

    weights = golden.weights_of("image_proj_model")
    resampler = Resampler(ResamplerShape.of(weights, golden.config["resampler"]["heads"]))
    resampler.load_state_dict(weights)
    faces = golden.inputs["face_embedding"]
    return {"tokens": resampler(faces), "tokens_zero_face": resampler(torch.zeros_like(faces))}


def mcld_pose_guider(golden: Golden) -> dict[str, Tensor]:
    """The pose guider alone."""
    from model_patches.networks.pose_guider import PoseGuider

    config = golden.config
    guider = PoseGuider(config["conditioning_embedding_channels"], config["block_out_channels"])
    guider.load_state_dict(golden.weights_of("pose_guider"))
    return {"pose_feature": guider(golden.inputs["pose_image"])}


def mcld_step(golden: Golden) -> dict[str, Tensor]:
    """One evaluation of the denoiser, for the condition alone and as a batch with the null condition."""
    networks = _converted(golden)
    inputs = golden.inputs
    latent, timestep = inputs["noisy_latent"], int(inputs["timestep"])
    results = {}
    for scale, name in ((1.0, "lambda1"), (0.5, "lambda0p5")):
        model = _patched(networks, golden, inputs["texture_latent"] / LATENT_SCALE, scale)
        results[f"cond_{name}"] = _evaluate(model, latent, timestep, [0])
        results[f"cfg_{name}"] = _evaluate(model, latent, timestep, [1, 0])
    model = _patched(networks, golden, inputs["texture_latent"] / LATENT_SCALE, 0.5, half_bank=True)
    return results | {"cfg_lambda0p5_fp16bank": _evaluate(model, latent, timestep, [1, 0])}


def mcld_sample(golden: Golden) -> dict[str, Tensor]:
    """A whole run by DDIM over the published schedule, with classifier-free guidance."""
    networks = _converted(golden)
    latents = {}
    for name, half_bank in (("latent", False), ("latent_fp16bank", True)):
        model = _patched(networks, golden, golden.inputs["vae_mean"], golden.config["lambda"], half_bank)
        latents[name] = _sample(model, golden) * LATENT_SCALE
    return latents


def _sample(model: Any, golden: Golden) -> Tensor:
    import comfy.sample
    import comfy.samplers
    from mannequin.model_patches.comfy_blocks import context_width
    from mannequin.model_patches.comfy_samplers import ddim_sampler

    steps, guidance, noise = (
        golden.config["num_inference_steps"],
        golden.config["guidance_scale"],
        golden.inputs["noise"],
    )
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "simple", steps)
    positive, negative = ([[torch.zeros(1, 1, context_width(model)), {}]] for _ in range(2))
    return comfy.sample.sample_custom(
        model,
        noise,
        guidance,
        ddim_sampler(),
        sigmas,
        positive,
        negative,
        torch.zeros_like(noise),
        disable_pbar=True,
        seed=0,
    ).cpu()


def _converted(golden: Golden) -> tuple[Any, Any, Any]:
    """The official checkpoint as a user gets it into ComfyUI: pickled files, the converter, the loader."""
    import_host()
    import comfy.utils
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL

    from training.convert import convert_mcld

    with tempfile.TemporaryDirectory() as folder:
        for stem in OFFICIAL_FILES:
            torch.save(golden.weights_of(stem), Path(folder) / f"{stem}.pth")
        file = Path(folder) / "mcld.safetensors"
        convert_mcld(Path(folder), file, lambda line: None, heads=golden.config["resampler"]["heads"])
        state, metadata = comfy.utils.load_torch_file(str(file), return_metadata=True)
        return load_weights(MCLD_MODEL, {key: tensor.clone() for key, tensor in state.items()}, file.name, metadata)


def _patched(
    networks: tuple[Any, Any, Any], golden: Golden, texture_latent: Tensor, face_scale: float, half_bank: bool = False
) -> Any:
    """MCLD's whole MODEL; with ``half_bank`` ReferenceNet's features are rounded as the published pipeline does."""
    from mannequin.model_patches.comfy_apply import apply_condition
    from mannequin.model_patches.comfy_pose import apply_pose
    from mannequin.model_patches.comfy_source import SourceNet
    from mannequin.model_patches.conditions import MFCACondition, ReferenceCondition
    from mannequin.model_patches.scope import Scope

    model, reference, modules = networks
    inputs = golden.inputs
    face = modules.model.face_projector(inputs["face_embedding"])
    source = SourceNet(reference, texture_latent, inputs["clip_I"])
    focal = MFCACondition(inputs["clip_I"], inputs["clip_A"], face, modules.model, 1.0, face_scale)
    reference_condition = _rounding(ReferenceCondition)() if half_bank else ReferenceCondition()
    model = apply_condition(model, reference_condition, source, "all", Scope())
    model = apply_condition(model, focal, None, "all", Scope(), modules)
    return apply_pose(model, modules, inputs["pose_image"], Scope())


def _rounding(condition: type) -> type:
    class Rounded(condition):
        def read(self, site, source):
            return source.features().half().float()

    return Rounded


def _evaluate(model: Any, latent: Tensor, timestep: int, labels: list[int]) -> Tensor:
    """The UNet's own output for conditionings with these labels (0: condition, 1: null)."""
    from mannequin.model_patches.comfy_blocks import context_width
    from mannequin.model_patches.comfy_sampling import open_run

    chunks, rows = len(labels), len(labels) * len(latent)
    options = dict(model.model_options["transformer_options"])
    options |= {"cond_or_uncond": labels, "sigmas": torch.ones(1)}
    context = torch.zeros(rows, 1, context_width(model))
    with open_run(model, options):
        return model.model.diffusion_model(
            latent.repeat(chunks, 1, 1, 1),
            timesteps=torch.full((rows,), timestep),
            context=context,
            transformer_options=options,
        )
