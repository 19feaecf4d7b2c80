"""A GUIDER that samples two patched models at once and blends their predictions by region."""

from collections.abc import Callable
from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
from torch import Tensor

from .attention.token_masks import soft_grid
from .comfy_host import KEY
from .comfy_latents import check_sampled
from .comfy_run import check_rows
from .comfy_sampling import open_run
from .errors import PatchError, said_by
from .guidance.region_blend import region_blend

REFERENCE = "reference_"
#: Entries of the host's model options, and what of a function's arguments behind guidance is a prediction.
POST_CFG = "sampler_post_cfg_function"
NO_SHORTCUT = "disable_cfg1_optimization"
PREDICTIONS = ("denoised", "cond_denoised", "uncond_denoised")


class RegionBlendGuider(comfy.samplers.CFGGuider):
    """ŷ = m ⊙ ŷ + (1 − m) ⊙ ŷ^ref, each guided by its own conditioning (TruePose 5.4; MCLD, supplement Eq. 7).

    Both models are patches of one loaded checkpoint: they share its weights and differ in what they attend to.

    Args:
        model: patched for the look inside the mask.
        reference: patched for the look outside.
        mask: m, ``[1 or B, H, W]`` in 0–1, over the generated image.
        node: display name of the node, for errors while sampling.
    """

    def __init__(self, model: Any, reference: Any, mask: Tensor, node: str = ""):
        if not model.is_clone(reference) or model.patches_uuid != reference.patches_uuid:
            raise PatchError(
                "The two models must be patches of the same loaded model with the same LoRAs. Load the checkpoint and "
                "its LoRAs once, then branch."
            )
        if model.object_patches != reference.object_patches:
            raise PatchError(
                "One of the two models has its schedule or another part replaced (as ModelSamplingDiscrete does), and "
                "the other has not, or by another. Put such nodes before the branch, where both have them."
            )
        joint = model.clone()
        second = [*reference.get_nested_additional_models(), *reference.model_patches_models()]
        joint.set_additional_models(f"{KEY}_reference", second)
        super().__init__(joint)
        self.reference = reference
        self.mask = mask
        self.node = node
        self.reference_options: dict = {}

    def set_branches(self, positive, negative, reference_positive, reference_negative) -> None:
        """Conditioning of the two branches."""
        self.inner_set_conds(
            {
                "positive": positive,
                "negative": negative,
                f"{REFERENCE}positive": reference_positive,
                f"{REFERENCE}negative": reference_negative,
            }
        )

    def outer_sample(self, noise, latent_image, sampler, sigmas, *args, **kwargs):
        reference = self.reference
        with said_by(self.node):
            check_sampled(self.model_patcher, latent_image)
        # The host does this for the model that it samples.
        for where in (reference.load_device, reference.model_dtype()):
            reference.model_patches_to(where)
        options = comfy.model_patcher.create_model_options_clone(reference.model_options)
        comfy.sampler_helpers.prepare_model_patcher(reference, {}, options)
        options["transformer_options"]["sample_sigmas"] = sigmas
        self.reference_options = options
        try:
            with open_run(self.model_patcher, options["transformer_options"], self):
                return super().outer_sample(noise, latent_image, sampler, sigmas, *args, **kwargs)
        finally:
            self.reference_options = {}
            reference.model_patches_to(reference.offload_device)

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        own = len(self.model_options.get(POST_CFG, []))
        # What a sampler asks for behind guidance (CFG++ takes the null prediction) is to see the blend.
        of_sampler: list[Callable] = model_options.get(POST_CFG, [])[own:]
        source = self._guided("", x, timestep, model_options | {POST_CFG: model_options.get(POST_CFG, [])[:own]}, seed)
        reference_options = dict(self.reference_options)
        if NO_SHORTCUT in model_options:
            reference_options[NO_SHORTCUT] = model_options[NO_SHORTCUT]
        reference = self._guided(REFERENCE, x, timestep, reference_options, seed)
        with said_by(self.node):
            check_rows(self.mask.shape[0], x.shape[0], "The mask")
        mask = soft_grid(self.mask.to(x.device), tuple(x.shape[-2:]))
        blended = source | {name: region_blend(source[name], reference[name], mask) for name in PREDICTIONS}
        for function in of_sampler:
            blended["denoised"] = function(blended)
        return blended["denoised"]

    def _guided(self, branch: str, x, timestep, model_options, seed) -> dict[str, Any]:
        """One branch's predictions, as the host hands them to functions behind guidance."""
        seen: dict[str, Any] = {}

        def look(arguments: dict) -> Tensor:
            seen.update(arguments)
            return arguments["denoised"]

        comfy.samplers.sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds[f"{branch}negative"],
            self.conds[f"{branch}positive"],
            self.cfg,
            model_options=model_options | {POST_CFG: [*model_options.get(POST_CFG, []), look]},
            seed=seed,
        )
        return seen
