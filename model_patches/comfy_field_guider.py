"""A GUIDER whose pose interaction field takes its gradient through the UNet too: at y_t, not at x̂₀."""

from collections.abc import Callable
from typing import Any

import comfy.model_sampling
import comfy.samplers
import torch
from torch import Tensor

from .comfy_frozen import Frozen
from .comfy_guiders import POST_CFG
from .comfy_pose_field import FIELD, PoseField, noise_ratio, with_networks
from .errors import PatchError, said_by
from .guidance.pose_interaction_field import field_gradient

#: What torch says where a network that was made in inference mode stands on a gradient's way.
_NO_GRADIENT = "Inference tensors cannot be saved for backward"


class PoseFieldGuider(comfy.samplers.CFGGuider):
    """Classifier-free guidance and ∇G, whose gradient knows how the UNet would answer to another y_t.

    Args:
        model: the MODEL that is sampled.
        field: the field; it acts in its scope alone.

    Raises:
        PatchError: as :func:`.comfy_pose_field.with_networks`.
    """

    def __init__(self, model: Any, field: PoseField):
        super().__init__(model.clone() if field.scope.empty else with_networks(model, field))
        self.field = field

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        options = model_options.get("transformer_options", {})
        level = float(timestep.flatten()[0])
        if self.field.scope.empty or not self.field.acts(level, self.inner_model.model_sampling, options):
            return super().predict_noise(x, timestep, model_options, seed)
        with said_by(self.field.node):
            self.field.check(x)
            self._check_hooks()
            try:
                return self._guided(x, timestep, model_options, seed)
            except RuntimeError as error:
                if _NO_GRADIENT not in str(error):
                    raise
                raise PatchError(
                    "Another network in this graph (a ControlNet, or another pack's patch) looks at the noisy latent, "
                    "and no gradient can be taken through it. Take Pose Interaction Field in place of this guider."
                ) from error

    def _check_hooks(self) -> None:
        """Raise where weights change during the run: the gradient goes through copies."""
        if any(cond.get("hooks") is not None for conds in self.conds.values() for cond in conds or ()):
            raise PatchError(
                "A conditioning has hooks (a LoRA on a part of the prompt or of the schedule), and the gradient goes "
                "through weights that stay. Load the LoRA for the whole model, or take Pose Interaction Field in place "
                "of this guider."
            )

    def _guided(self, x: Tensor, timestep: Tensor, model_options: dict, seed: Any) -> Tensor:
        memory, network = model_options["transformer_options"][FIELD], self.inner_model.diffusion_model
        unet = memory.once((self, "unet"), lambda: Frozen(network, as_stored=True))
        own = len(self.model_options.get(POST_CFG, []))
        functions: list[Callable] = model_options.get(POST_CFG, [])
        seen: dict[str, Any] = {}

        def look(arguments: dict) -> Tensor:
            seen.update(arguments)
            return arguments["denoised"]

        with torch.inference_mode(False), torch.enable_grad():
            noisy, level = x.detach().clone().requires_grad_(), timestep.clone()
            predict = super().predict_noise
            options = model_options | {POST_CFG: [*functions[:own], look]}
            unet.while_in_place(lambda: predict(noisy, level, options, seed))
            clean = seen["cond_denoised"]
            looked_at = self.field.looked_at(clean.detach(), self.inner_model, memory)
            field, at_clean = field_gradient(clean, *looked_at)
            memory.note(self.field, field.distance)
            # A gradient of a sum leaves the range of half precision: it goes through the UNet at length 1.
            length = at_clean.abs().amax().clamp(min=torch.finfo(at_clean.dtype).tiny)
            (at_noisy,) = torch.autograd.grad(clean, noisy, at_clean / length)
        ratio = noise_ratio(level, self.inner_model.model_sampling)
        gradient = length * at_noisy * _scale(ratio, self.inner_model.model_sampling).view(-1, 1, 1, 1)
        seen = {name: value.detach() if isinstance(value, Tensor) else value for name, value in seen.items()}
        arguments = (seen["denoised"], seen["cond_denoised"], gradient, ratio, self.cfg, memory)
        # What a sampler asks for behind guidance is to see the guided prediction.
        guided = seen | {"denoised": self.field.shifted(*arguments)}
        for function in functions[own:]:
            guided["denoised"] = function(guided)
        return guided["denoised"]


def _scale(ratio: Tensor, schedule: Any) -> Tensor:
    """x / y_t, of the host's noisy latent and of one whose variance is kept, y_t = √ᾱ x̂₀ + √(1 − ᾱ) ε."""
    scale = (1 + ratio**2).sqrt()
    return scale / (1 + ratio) if isinstance(schedule, comfy.model_sampling.CONST) else scale
