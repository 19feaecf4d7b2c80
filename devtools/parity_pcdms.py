"""PCDMs' inpainting and refining, recomputed from golden files through the loader, the nodes and the host's sampler."""

import json
from typing import Any

import torch
from torch import Tensor

from .golden import Golden
from .host import import_host
from .parity_sampling import LATENT_SCALE, evaluated, pictures_of, sampled, vae_of

GUIDANCE = 2.0


def pcdms_stage2(golden: Golden) -> dict[str, Tensor]:
    """Evaluations of the inpainting UNet, and the simplified release's null tokens."""
    model, pcdms = _loaded(golden, "pcdms_stage2", "inpainting")
    from mannequin.model_patches.comfy_inputs import Inputs

    inputs, network = golden.inputs, pcdms.model
    embedding = inputs["target_embed"][:, 0]
    context = network.context(inputs["dino_tokens"], embedding)
    # The file's pose is in the encoder's own range, and its masked latent is the UNet's.
    features = network.pose_features((inputs["pose_image"] + 1) / 2)
    given = Inputs(inputs["masked_latent"] / LATENT_SCALE, inputs["mask"], embedding, features)
    evaluated = _evaluations(model, golden, (context, given), (network.null_context(context), given.as_null()))
    _, simplified = _loaded(golden, "pcdms_stage2", "simplified")
    return evaluated | {"simplified_uncond_tokens": simplified.model.null_context(context[:, :-1])}


def pcdms_stage3(golden: Golden) -> dict[str, Tensor]:
    """Evaluations of the refining UNet, under plain and under rescaled guidance."""
    model, pcdms = _loaded(golden, "pcdms_stage3", "refining")
    from mannequin.model_patches.comfy_inputs import Inputs
    from mannequin.model_patches.comfy_rescale import rescale_guidance

    inputs, network = golden.inputs, pcdms.model
    context, given = network.context(inputs["dino_tokens"]), Inputs(inputs["generated_latent"] / LATENT_SCALE)
    conditions = (context, given), (network.null_context(context), given.as_null(blank=True))
    rescaled = _noise(rescale_guidance(model, 2.0), golden, *conditions, GUIDANCE)
    return _evaluations(model, golden, *conditions) | {"guided_scale2_rescale2": rescaled}


def pcdms_pipeline_stage2(golden: Golden) -> dict[str, Tensor]:
    """From photo and poses to the target's picture, by UniPC."""
    return _inpainted(golden, "inpainting", "UniPC")


def pcdms_pipeline_simplified(golden: Golden) -> dict[str, Tensor]:
    """The same of the one-checkpoint release, by DDIM; with its own null tokens, and with zeros for them."""
    made = _inpainted(golden, "simplified", "DDIM")
    zeros = _inpainted(golden, "simplified", "DDIM", steps=[5], null_tokens="zeros")
    return made | {"latent_5_null_zeros": zeros["latent_5"]}


def pcdms_pipeline_stage3(golden: Golden) -> dict[str, Tensor]:
    """From a coarse picture and the source to the refined picture, by UniPC, with and without rescaled guidance."""
    model, pcdms = _loaded(golden, "pcdms_stage3", "refining")
    from mannequin.nodes.pcdms_conditioning import MannequinPCDMsRefining
    from mannequin.nodes.sampling import MannequinGuidanceRescale

    width, height = golden.config["half_wh"]
    vae, pictures = vae_of(golden), pictures_of(golden)
    conditions = MannequinPCDMsRefining.execute(
        pcdms, _Given(golden), vae, pictures["coarse_image"], pictures["source_image"], width, height
    ).result
    made = {}
    for amount in golden.config["guidance_rescale"]:
        (rescaled,) = MannequinGuidanceRescale.execute(model, amount).result
        for steps in golden.config["num_inference_steps"]:
            latent = sampled(rescaled, "UniPC", steps, golden, *conditions)
            made[f"latent_{steps}_rescale{amount:g}"] = latent * LATENT_SCALE
            made[f"image_{steps}_rescale{amount:g}"] = vae.decode(latent).movedim(-1, 1)
    return made


def unipc_steps(golden: Golden) -> dict[str, Tensor]:
    """UniPC and DDIM on a model whose x₀ is known, in double precision."""
    import_host()
    from mannequin.model_patches.comfy_samplers import leading_timesteps, linspace_timesteps
    from mannequin.model_patches.unipc import unipc

    config, means, noise = golden.config, golden.inputs["means"], golden.inputs["noise"]
    schedule = config["scheduler_of_base_model"]
    ends = (schedule[name] ** 0.5 for name in ("beta_start", "beta_end"))
    kept = (1 - torch.linspace(*ends, schedule["num_train_timesteps"], dtype=torch.float64) ** 2).cumprod(0)
    table = ((1 - kept) / kept).sqrt()

    def solved(timesteps: list[int], second_order: bool) -> Tensor:
        sigmas = table[[*timesteps, 0]].tolist()
        start, end = (1 / (1 + sigma**2) ** 0.5 for sigma in (sigmas[0], sigmas[-1]))

        def clean(x: Tensor, step: int) -> Tensor:
            return _mixture(x, sigmas[step], means, config["variance"])

        return unipc(clean, noise / start, sigmas, second_order=second_order) * end

    x = solved(linspace_timesteps(config["steps"]), True)
    return {"x": x, "x_fp32_coefficients": x, "ddim50": solved(leading_timesteps(50), False)}


def _mixture(x: Tensor, sigma: float, means: Tensor, variance: float) -> Tensor:
    """x₀ of data that are a mixture of Gaussians, at ``x`` of exploding variance."""
    kept = 1 / (1 + sigma**2)
    root, spread = kept**0.5, variance * kept + 1 - kept
    x = root * x
    distances = (x[:, None] - root * means).square().flatten(2).sum(-1)
    mean = torch.einsum("bk,k...->b...", (-distances / (2 * spread)).softmax(1), means)
    return mean + variance * root / spread * (x - root * mean)


class _Given:
    """An image encoder that gives a file's tokens for every picture."""

    image_size = 224

    def __init__(self, golden: Golden) -> None:
        self.last_hidden_state = golden.inputs["dino_tokens"]

    def encode_image(self, image: Tensor, crop: bool = True) -> "_Given":
        return self


def _inpainted(
    golden: Golden, stage: str, sampler: str, steps: list[int] | None = None, null_tokens: str = "as trained"
) -> dict[str, Tensor]:
    from types import SimpleNamespace

    model, pcdms = _loaded(golden, "pcdms_stage2", stage)
    from mannequin.nodes.pcdms import MannequinPCDMsJoint, MannequinPCDMsTarget
    from mannequin.nodes.pcdms_conditioning import MannequinPCDMsConditioning

    width, height = golden.config["half_wh"]
    vae, pictures = vae_of(golden), pictures_of(golden)
    *joint, _ = MannequinPCDMsJoint.execute(
        pictures["source_image"], pictures["source_pose"], pictures["target_pose"], width, height
    ).result
    target = golden.inputs.get("target_embed")
    embedding = None if target is None else SimpleNamespace(image_embeds=target[:, 0])
    conditions = MannequinPCDMsConditioning.execute(
        pcdms, _Given(golden), vae, *joint, embedding, null_tokens=null_tokens
    ).result
    made = {}
    for number in steps or golden.config["num_inference_steps"]:
        latent = sampled(model, sampler, number, golden, *conditions)
        made[f"latent_{number}"] = latent * LATENT_SCALE
        (picture,) = MannequinPCDMsTarget.execute(vae.decode(latent)).result
        made[f"image_right_{number}"] = picture.movedim(-1, 1)
    return made


def _evaluations(model: Any, golden: Golden, positive: tuple, negative: tuple) -> dict[str, Tensor]:
    """Predicted noise: of either condition, of both as a batch, and guided."""
    conditional, null = (_noise(model, golden, condition, negative, 1.0) for condition in (positive, negative))
    return {
        "cond": conditional,
        "uncond": null,
        "cfg": torch.cat([null, conditional]),
        "guided_scale2": _noise(model, golden, positive, negative, GUIDANCE),
    }


def _noise(model: Any, golden: Golden, positive: tuple, negative: tuple, cfg: float) -> Tensor:
    """The noise that the host's guidance predicts at a file's timestep."""
    x, sigma, clean = evaluated(model, golden, positive, negative, cfg)
    return (x - clean) / sigma


def _loaded(golden: Golden, file: str, stage: str) -> tuple[Any, Any]:
    """The MODEL of a stage, and the modules beside it, as the loader gives them."""
    import_host()
    from mannequin.model_patches.comfy_weights import load_weights
    from mannequin.model_patches.unet_family import HEAD_WIDTH_KEY
    from mannequin.model_patches.weight_kinds.kind import DENOISING
    from mannequin.model_patches.weight_kinds.pcdms_unets import PCDMS_INPAINTING, PCDMS_REFINING, stage_metadata

    names = {"unet.": DENOISING, "image_proj_model_p.": "image_projection.", "pose_proj.": "pose_encoder."}
    state = {}
    for key, tensor in golden.weights_of(file).items():
        prefix = next(prefix for prefix in names if key.startswith(prefix))
        if stage == "inpainting" or not key.startswith("unet.class_embedding."):
            state[names[prefix] + key.removeprefix(prefix)] = tensor.clone()
    metadata = stage_metadata(stage) | {HEAD_WIDTH_KEY: json.dumps(golden.config["head_dim_per_level"][0])}
    kind = PCDMS_REFINING if stage == "refining" else PCDMS_INPAINTING
    return load_weights(kind, state, file, metadata)
