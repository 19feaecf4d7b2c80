"""A GUIDER that samples two patched models at once and blends their predictions by region."""

from typing import Any

import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers
import torch
from torch import Tensor

from .attention.token_masks import soft_grid
from .comfy_binding import KEY, open_run
from .errors import PatchError
from .guidance.region_blend import region_blend

REFERENCE = "reference_"


class RegionBlendGuider(comfy.samplers.CFGGuider):
    """ŷ = m ⊙ ŷ + (1 − m) ⊙ ŷ^ref, each guided by its own conditioning (TruePose 5.4; MCLD, supplement Eq. 7).

    Both models are patches of one loaded checkpoint: they share its weights and differ in what they attend to.

    Args:
        model: patched for the look inside the mask.
        reference: patched for the look outside.
        mask: m, ``[1 or B, H, W]`` in 0–1, over the generated image.
    """

    def __init__(self, model: Any, reference: Any, mask: Tensor):
        if not model.is_clone(reference) or model.patches_uuid != reference.patches_uuid:
            raise PatchError(
                "The two models must be patches of the same loaded model with the same LoRAs. Load the checkpoint and "
                "its LoRAs once, then branch."
            )
        joint = model.clone()
        second = [*reference.get_nested_additional_models(), *reference.model_patches_models()]
        joint.set_additional_models(f"{KEY}_reference", second)
        super().__init__(joint)
        self.reference = reference
        self.mask = mask
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

    def inner_sample(self, noise, latent_image, device, sampler, sigmas, *args, **kwargs):
        options = comfy.model_patcher.create_model_options_clone(self.reference.model_options)
        comfy.sampler_helpers.prepare_model_patcher(self.reference, {}, options)
        options["transformer_options"]["sample_sigmas"] = sigmas
        self.reference_options = options
        try:
            with open_run(self, options["transformer_options"]):
                return super().inner_sample(noise, latent_image, device, sampler, sigmas, *args, **kwargs)
        finally:
            self.reference_options = {}

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        source = self._guided("", x, timestep, model_options, seed)
        reference = self._guided(REFERENCE, x, timestep, self.reference_options, seed)
        mask = soft_grid(self.mask.to(x.device), tuple(x.shape[-2:]))
        return region_blend(source, reference, mask)

    def _guided(self, branch: str, x, timestep, model_options, seed) -> torch.Tensor:
        return comfy.samplers.sampling_function(
            self.inner_model,
            x,
            timestep,
            self.conds[f"{branch}negative"],
            self.conds[f"{branch}positive"],
            self.cfg,
            model_options=model_options,
            seed=seed,
        )
