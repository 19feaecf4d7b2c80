"""``python dev.py bench pcdms``: what a step of PCDMs' second stage costs, beside the published algorithm.

One step of the host's sampler under classifier-free guidance (condition and null condition in one batch), from the
noisy joint latent to the guided x₀, at Stable Diffusion 2.1's size with seeded random weights, fp32, in interleaved
rounds.
"""

import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from devtools.host import import_host

import_host()

import comfy.model_management  # noqa: E402
import comfy.sampler_helpers  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from mannequin.model_patches.comfy_evaluation import NULL  # noqa: E402
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs  # noqa: E402
from mannequin.model_patches.comfy_unet import load_unet  # noqa: E402
from mannequin.model_patches.comfy_weights import load_weights  # noqa: E402
from mannequin.model_patches.networks.pose_guider import WIDTHS  # noqa: E402
from mannequin.model_patches.unet_layout import UNetLayout  # noqa: E402
from mannequin.model_patches.weight_kinds.pcdms_unets import FAMILIES, INPAINTING, PCDMS_INPAINTING  # noqa: E402

from devtools import untrained  # noqa: E402

from .measure import extra_peak_mib, interleaved, ratio  # noqa: E402
from .report import Rows, run  # noqa: E402

#: The second stage's UNet, and one that fits a check of this file.
SD21 = replace(untrained.SD15, context_dim=1024, linear=True, in_channels=9, class_dim=1024)
SMALL = replace(untrained.SMALL, linear=True, in_channels=9, class_dim=untrained.SMALL.context_dim)
#: Tokens of DINOv2 and of a prompt; guidance; σ of the step.
DINO_TOKENS, TEXT_TOKENS, GUIDANCE, SIGMA = 257, 77, 2.0, 5.0
#: How far two ways to one result may lie apart, in its standard deviations.
SAME = 1e-3


class Bench:
    """One size of the joint picture, twice as wide as high: the second stage, and a UNet without its inputs."""

    def __init__(self, layout: UNetLayout, pose_widths: tuple[int, ...], side: int):
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator)

        state, metadata = untrained.pcdms_state(INPAINTING, 0, layout, pose_widths)
        self.model, self.parts = load_weights(PCDMS_INPAINTING, state, "untrained", metadata)
        del state
        plain = replace(layout, in_channels=4, class_dim=0)
        family = replace(FAMILIES[INPAINTING], class_embedding=False, beside=None).stated_in(metadata)
        self.plain = load_unet(untrained.random_state(plain.shapes(), generator), "The UNet", family)
        comfy.model_management.load_models_gpu([self.model, self.parts, self.plain])

        self.size = side // 8, 2 * side // 8
        self.noisy, self.latent = (random(1, 4, *self.size) for _ in range(2))
        self.mask = torch.ones(1, 1, *self.size)
        self.mask[..., self.size[1] // 2 :] = 0
        self.pose = torch.rand(1, 3, side, 2 * side, generator=generator)
        self.vector = random(1, layout.class_dim)
        self.context = torch.cat([random(1, DINO_TOKENS, layout.context_dim), self.vector[:, None]], 1)
        self.text = random(2, 1, TEXT_TOKENS, layout.context_dim)

    def ours(self) -> Callable[[], torch.Tensor]:
        """A step as a KSampler makes it of what PCDMs Conditioning gives."""
        features = self.parts.model.pose_features(self.pose)
        given = Inputs(self.latent, self.mask, self.vector, features)
        positive = [[self.context, {INPUTS: given}]]
        negative = [[torch.zeros_like(self.context), {INPUTS: given.as_null(), NULL: True}]]
        return self._step(self.model, positive, negative)

    def unpatched(self, contexts: torch.Tensor) -> Callable[[], torch.Tensor]:
        """A step of Stable Diffusion 2.1 on the same latent, of two prompts."""
        return self._step(self.plain, *([[context, {}]] for context in contexts))

    def _step(self, patcher: Any, positive: list, negative: list) -> Callable[[], torch.Tensor]:
        device = patcher.load_device
        patcher.pre_run()
        conds = {
            name: comfy.sampler_helpers.convert_cond(each)
            for name, each in (("positive", positive), ("negative", negative))
        }
        conds = comfy.samplers.process_conds(patcher.model, self.noisy, conds, device, torch.zeros_like(self.noisy))
        x, sigma = self.noisy.to(device), torch.tensor([SIGMA], device=device)
        both = conds["negative"], conds["positive"]
        options = patcher.model_options
        return lambda: comfy.samplers.sampling_function(patcher.model, x, sigma, *both, GUIDANCE, options)

    def published(self, pose_each_step: bool) -> Callable[[], torch.Tensor]:
        """The published pipeline's step, on the same weights: both halves are put together anew, in every input.

        Args:
            pose_each_step: whether the poses are encoded in the step, for both halves, or before.
        """
        device, unet = self.model.load_device, self.model.model.diffusion_model
        sampling = self.model.get_model_object("model_sampling")
        x, latent, mask, pose, vector, context = (
            part.to(device) for part in (self.noisy, self.latent, self.mask, self.pose, self.vector, self.context)
        )
        latent = self.model.model.process_latent_in(latent)
        sigma = torch.tensor([SIGMA], device=device)
        before = self.parts.model.pose_features(pose)

        def step() -> torch.Tensor:
            features = self.parts.model.pose_features(pose.repeat(2, 1, 1, 1)) if pose_each_step else before
            scaled = x / (1 + sigma**2).sqrt()
            given = torch.cat([torch.cat([part] * 2) for part in (scaled, mask, latent)], 1)
            classes = torch.cat([torch.zeros_like(vector), vector])
            tokens = torch.cat([torch.zeros_like(context), context])

            def add(h: torch.Tensor, extra: dict) -> torch.Tensor:
                return h + features if extra["block"] == ("input", 0) else h

            options = {"patches": {"input_block_patch": [add]}}
            times = sampling.timestep(sigma).float().expand(2)
            null, condition = unet(given, times, context=tokens, y=classes, transformer_options=options).chunk(2)
            return x - sigma * (null + GUIDANCE * (condition - null))

        return step

    def measure(self, rounds: int) -> dict[str, dict[str, float | None]]:
        unpatched = f"unpatched, {TEXT_TOKENS} tokens of text"
        variants = {
            unpatched: self.unpatched(self.text),
            f"unpatched, {self.context.shape[1]} tokens": self.unpatched(torch.stack([self.context, self.context * 0])),
            "PCDMs": self.ours(),
            "published, poses encoded once": self.published(False),
            "published, poses encoded in every step": self.published(True),
        }
        results = {name: variant() for name, variant in variants.items()}
        for name, result in results.items():
            apart = float((results["PCDMs"] - result).abs().max() / result.std())
            if name.startswith("published") and apart > SAME:
                raise SystemExit(f"PCDMs and '{name}' are {apart:.1e} of a standard deviation apart.")
        seconds = interleaved(variants, rounds)
        return {
            name: {
                "seconds": statistics.median(seconds[name]),
                "ratio": ratio(seconds, name, unpatched),
                "of_published": ratio(seconds, name, "published, poses encoded once"),
                "peak_mib": extra_peak_mib(variant),
            }
            for name, variant in variants.items()
        }


def table(side: int, rows: dict[str, dict]) -> str:
    lines = [
        f"| {2 * side}×{side}, CFG batch | seconds a step | of unpatched | of published |",
        "|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(f"| {name} | {row['seconds']:.2f} | {row['ratio']:.3f} | {row['of_published']:.3f} |")
    return "\n".join(lines)


def measure(quick: bool, side: int, rounds: int) -> Rows:
    """At the published size, or small."""
    sizes = (SMALL, untrained.SMALL_POSE) if quick else (SD21, WIDTHS)
    return Bench(*sizes, side).measure(rounds)


if __name__ == "__main__":
    run("pcdms", __doc__.splitlines()[0], "a half of the joint picture", measure, table)
