"""``python dev.py bench guidance``: what a step under the pose interaction field costs, beside an unguided one.

Two steps of the host's sampler under classifier-free guidance, from noisy latents to the guided x₀, of which the field
guides both or the first alone: Stable Diffusion 1.5's UNet and autoencoder, TAESD and HigherHRNet W32 at their sizes,
with seeded random weights, fp32, in interleaved rounds.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from devtools.host import import_host

import_host()

import comfy.model_management  # noqa: E402
import comfy.sampler_helpers  # noqa: E402
import comfy.samplers  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.taesd.taesd  # noqa: E402
import torch  # noqa: E402
from mannequin.model_patches.comfy_pose_field import (  # noqa: E402
    FIELD,
    Memory,
    PoseField,
    TargetPose,
    apply_pose_field,
)
from mannequin.model_patches.comfy_small_sd import SmallSD, build_model, build_vae, seed_weights  # noqa: E402
from mannequin.model_patches.comfy_weights import load_weights  # noqa: E402
from mannequin.model_patches.networks.higherhrnet import HigherHRNetShape  # noqa: E402
from mannequin.model_patches.scope import Scope  # noqa: E402
from mannequin.model_patches.weight_kinds.higherhrnet import HIGHERHRNET  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from devtools import untrained  # noqa: E402

from .measure import arithmetic, extra_peak_mib, interleaved, passes, ratio, timed  # noqa: E402
from .report import Rows, Size, in_mib, run_sizes  # noqa: E402

FULL, QUICK = SmallSD(width=320, context_dim=768, heads=8), SmallSD(width=32, context_dim=32, heads=2)
TEXT_TOKENS, GUIDANCE = 77, 7.0
#: Noise levels of two steps, and where they end.
SIGMAS = (5.0, 3.0, 0.0)
STEPS = len(SIGMAS) - 1
#: By the rule "relative": a hundredth of the picture.
SCALE, RULE = 0.01, "relative"
#: Of the random estimator's heat maps, which then show joints in about half of the picture.
HEAT = 0.006
UNGUIDED = "unguided"
DECODERS = (TINY, WHOLE) = ("TAESD", "the VAE")
EVERY = {1: "every step", 2: "every second step"}


class Bench:
    """One size of picture: networks, a target, and the variants over them."""

    def __init__(self, sizes: SmallSD, vae: Any, estimator: HigherHRNetShape, picture: Size):
        generator = torch.Generator().manual_seed(0)
        self.model = build_model(sizes, seed=0)
        tiny = seed_weights(comfy.taesd.taesd.TAESD(), 1).state_dict()
        self.decoders = {TINY: comfy.sd.VAE(sd=tiny, dtype=torch.float32), WHOLE: vae}
        state, header = untrained.estimator_state(shape=estimator)
        state["final_layers.1.bias"].fill_(HEAT)
        (self.estimator,) = load_weights(HIGHERHRNET, state, "untrained", header)
        decoders = (each.patcher for each in self.decoders.values())
        comfy.model_management.load_models_gpu([self.model, self.estimator, *decoders])

        height, width = picture
        self.noisy = SIGMAS[0] * torch.randn(1, 4, height // 8, width // 8, generator=generator)
        self.texts = torch.randn(2, 1, TEXT_TOKENS, sizes.context_dim, generator=generator)
        drawing = torch.rand(1, height, width, 3, generator=generator)
        self.target = TargetPose(lambda width, height: drawing, 1, width, height)
        #: Seconds that a run pays once for a decoder: copies of networks, and the target's P_φ.
        self.once: dict[str, float] = {}

    def unguided(self) -> Callable[[], Tensor]:
        """Two steps of the plain model."""
        return self._steps(self.model, {})

    def guided(self, decoder: str, every: int) -> Callable[[], Tensor]:
        """Two steps under the field."""
        field = PoseField(self.decoders[decoder], self.estimator, self.target, Scope(SCALE), RULE, every, "the field")
        memory = Memory()
        clean = self.noisy.to(self.model.load_device)
        self.once[decoder] = timed(lambda: field.looked_at(clean, self.model.model, memory))
        return self._steps(apply_pose_field(self.model, field), {FIELD: memory})

    def _steps(self, patcher: Any, run: dict[str, Any]) -> Callable[[], Tensor]:
        device = patcher.load_device
        patcher.pre_run()
        conds = {
            name: comfy.sampler_helpers.convert_cond([[text, {}]])
            for name, text in zip(("positive", "negative"), self.texts, strict=True)
        }
        conds = comfy.samplers.process_conds(patcher.model, self.noisy, conds, device, torch.zeros_like(self.noisy))
        both = conds["negative"], conds["positive"]
        levels = torch.tensor(SIGMAS, device=device)
        told = patcher.model_options["transformer_options"] | {"sample_sigmas": levels} | run
        options = patcher.model_options | {"transformer_options": told}

        def steps() -> Tensor:
            x = self.noisy.to(device)
            for level, after in zip(levels, levels[1:], strict=False):
                clean = comfy.samplers.sampling_function(patcher.model, x, level[None], *both, GUIDANCE, options)
                x = clean + (x - clean) * after / level
            return x

        return steps

    def layers(self, decoder: str) -> dict[str, nn.Module]:
        """The first layers of what a field looks through, and of the UNet."""
        vae = self.decoders[decoder].first_stage_model
        entrance = vae.taesd_decoder[1] if decoder == TINY else vae.decoder.conv_in
        unet = self.model.model.diffusion_model.input_blocks[0][0]
        return {"the UNet": unet, decoder: entrance, "the estimator": self.estimator.model.conv1}

    def measure(self, rounds: int) -> Rows:
        variants = {UNGUIDED: self.unguided()}
        plain, operations = arithmetic(variants[UNGUIDED])
        share = {UNGUIDED: 1.0}
        for decoder in DECODERS:
            for every, words in EVERY.items():
                name = f"{decoder}, {words}"
                variants[name] = variant = self.guided(decoder, every)
                (moved, guided), counts = passes(partial(arithmetic, variant), self.layers(decoder))
                _check(counts, STEPS // every)
                if torch.equal(moved, plain):
                    raise SystemExit(f"The field moved nothing: {name}.")
                share[name] = guided / operations
        seconds = interleaved(variants, rounds)
        return {
            name: {
                "seconds": statistics.median(seconds[name]) / STEPS,
                "ratio": ratio(seconds, name, UNGUIDED),
                "once_seconds": self.once.get(name.split(",")[0], 0.0),
                "arithmetic": share[name],
                "peak_mib": extra_peak_mib(variant),
            }
            for name, variant in variants.items()
        }


def _check(counts: dict[str, tuple[int, int]], guided: int) -> None:
    """Raise SystemExit where a guided step takes more than one gradient, or through more than it needs."""
    (unet, *through), expected = counts.values(), (guided, guided)
    if unet != (STEPS, 0) or any(count != expected for count in through):
        raise SystemExit(f"{guided} guided steps went through the networks (forward, back): {counts}.")


def table(picture: Size, rows: Rows) -> str:
    height, width = picture
    lines = [
        f"| {height}×{width}, CFG batch | seconds a step | of unguided | arithmetic | once a run (s) "
        "| peak above rest (MiB) |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['seconds']:.2f} | {row['ratio']:.3f} | {row['arithmetic']:.3f} | "
            f"{row['once_seconds']:.2f} | {in_mib(row['peak_mib'])} |"
        )
    return "\n".join(lines)


def measure(quick: bool, picture: Size, rounds: int) -> Rows:
    """At the published networks' sizes, or small."""
    if quick:
        return Bench(QUICK, build_vae(2), untrained.SMALL_ESTIMATOR, picture).measure(rounds)
    return Bench(FULL, build_vae(2, 128, (1, 2, 4, 4), 2), HigherHRNetShape(), picture).measure(rounds)


if __name__ == "__main__":
    run_sizes("guidance", __doc__.splitlines()[0], "the picture", ["512x352", "512x512"], "128x96", measure, table)
