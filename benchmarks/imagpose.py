"""``python dev.py bench imagpose``: what a step over 2×2 views at once costs, beside four steps of single pictures.

One step of the host's sampler under classifier-free guidance, from noisy latents to the guided x₀, at SD1.5's size with
seeded random weights, fp32, in interleaved rounds. Pixels are equal: four pictures of a tile's size, by the same UNet
and with the same inputs, or one joint picture of them, without and with cross-view attention (CVA).
"""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from devtools.host import import_host

import_host()

import comfy.model_management  # noqa: E402
import comfy.sampler_helpers  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock  # noqa: E402
from mannequin.model_patches.attention.cva import (  # noqa: E402
    AFTER_ATTENTION,
    AFTER_LAYERS,
    PUBLISHED_TILES,
    Placement,
    join_tiles,
    split_tiles,
)
from mannequin.model_patches.comfy_blocks import transformer_blocks, unet_of  # noqa: E402
from mannequin.model_patches.comfy_cva import apply_cva  # noqa: E402
from mannequin.model_patches.comfy_evaluation import NULL  # noqa: E402
from mannequin.model_patches.comfy_inputs import INPUTS, Inputs  # noqa: E402
from mannequin.model_patches.comfy_sampling import open_run  # noqa: E402
from mannequin.model_patches.comfy_weights import load_weights  # noqa: E402
from mannequin.model_patches.scope import Scope  # noqa: E402
from mannequin.model_patches.unet_layout import UNetLayout  # noqa: E402
from mannequin.model_patches.weight_kinds.imagpose import IMAGPOSE_MODEL  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from devtools import untrained  # noqa: E402

from .measure import arithmetic, extra_peak_mib, interleaved, parts_of, ratio  # noqa: E402
from .report import Rows, Size, in_mib, run_sizes  # noqa: E402

#: Tokens of DINOv2, guidance, σ of the step.
DINO_TOKENS, GUIDANCE, SIGMA = 257, 2.0, 5.0
#: How far two ways to one result may lie apart, in its standard deviations.
SAME = 1e-3
SINGLE, BATCH = "four single pictures, one after another", "four single pictures, one batch"
JOINT, CVA, CVA_16 = "joint 2×2, without CVA", "joint 2×2, CVA at 21 places", "joint 2×2, CVA at 16 places"
#: Where time goes, in the order of columns.
PARTS = (SELF, CROSS, FEED_FORWARD, CONVOLUTIONS, VIEWS, REST) = (
    "self-attention",
    "cross-attention",
    "feed-forward",
    "resnets",
    "CVA",
    "the rest",
)


class Bench:
    """One size of a tile: IMAGPose's networks, four views, and the variants over them."""

    def __init__(self, layout: UNetLayout, tile: Size):
        generator = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        state, metadata = untrained.imagpose_state(layout)
        self.model, self.parts = load_weights(IMAGPOSE_MODEL, state, "untrained", metadata)
        del state
        self.cva = {name: self._with_cva(place) for name, place in ((CVA, AFTER_LAYERS), (CVA_16, AFTER_ATTENTION))}
        # One of those that share the UNet puts the junctions into it; without a patch they let everything pass.
        comfy.model_management.load_models_gpu([self.cva[CVA], self.parts])

        rows, columns = PUBLISHED_TILES
        height, width = (side // 8 for side in tile)
        joint = 1, 4, rows * height, columns * width
        self.noisy, self.latent = random(*joint), random(*joint)
        self.mask = torch.ones(1, 1, *joint[2:])
        self.mask[..., :height, :width] = 0
        pose = torch.rand(1, 3, 8 * joint[2], 8 * joint[3], generator=generator)
        network = self.parts.model
        self.features = network.pose_guider(pose.to(self.parts.load_device)).cpu()
        dino = random(1, DINO_TOKENS, layout.context_dim)
        # Of a reference as large as the picture: a joint picture's context has more tokens of it.
        self.contexts = {
            size: network.flc(*(part.to(self.parts.load_device) for part in (random(1, 4, *size), dino))).cpu()
            for size in ((height, width), joint[2:])
        }

    def _with_cva(self, placement: Placement) -> Any:
        return apply_cva(self.model, self.parts, placement, "all", PUBLISHED_TILES, Scope())

    def joint(self, patcher: Any) -> Callable[[], Tensor]:
        """A step of the joint picture."""
        return self._step(patcher, self.noisy, Inputs(self.latent, self.mask, features=self.features))

    def batch(self) -> Callable[[], Tensor]:
        """A step of the four views as a batch, ``[4, C, h, w]``."""
        return self._step(self.model, self._views(self.noisy), self._inputs(slice(None)))

    def single(self) -> Callable[[], Tensor]:
        """A step of every view by itself."""
        views = self._views(self.noisy).split(1)
        steps = [self._step(self.model, view, self._inputs(slice(n, n + 1))) for n, view in enumerate(views)]
        return lambda: torch.cat([step() for step in steps])

    def _views(self, picture: Tensor) -> Tensor:
        return split_tiles(picture, PUBLISHED_TILES).flatten(0, 1)

    def _inputs(self, views: slice) -> Inputs:
        latent, mask, features = (self._views(part)[views] for part in (self.latent, self.mask, self.features))
        return Inputs(latent, mask, features=features)

    def _step(self, patcher: Any, noisy: Tensor, given: Inputs) -> Callable[[], Tensor]:
        context = self.contexts[tuple(noisy.shape[-2:])].expand(len(noisy), -1, -1)
        device = patcher.load_device
        patcher.pre_run()
        positive = [[context, {INPUTS: given}]]
        negative = [[torch.zeros_like(context), {INPUTS: given.as_null(), NULL: True}]]
        conds = {
            name: comfy.sampler_helpers.convert_cond(each)
            for name, each in (("positive", positive), ("negative", negative))
        }
        conds = comfy.samplers.process_conds(patcher.model, noisy, conds, device, torch.zeros_like(noisy))
        x, sigma = noisy.to(device), torch.full((len(noisy),), SIGMA, device=device)
        both = conds["negative"], conds["positive"]
        options = patcher.model_options | {"transformer_options": dict(patcher.model_options["transformer_options"])}

        def step() -> Tensor:
            with open_run(patcher, options["transformer_options"]):
                return comfy.samplers.sampling_function(patcher.model, x, sigma, *both, GUIDANCE, options)

        return step

    def modules(self) -> dict[str, Iterable[nn.Module]]:
        """The networks' modules by part."""
        blocks, unet = transformer_blocks(self.model).values(), unet_of(self.model)
        return {
            SELF: [block.attn1 for block in blocks],
            CROSS: [block.attn2 for block in blocks],
            FEED_FORWARD: [block.ff for block in blocks],
            CONVOLUTIONS: [module for module in unet.modules() if isinstance(module, ResBlock)],
            # What calls these is no module; between them it only turns tensors.
            VIEWS: [
                part
                for module in self.parts.model.cva.values()
                for part in (module.norm, module.proj_in, *module.transformer_blocks, module.proj_out)
            ],
        }

    def measure(self, rounds: int) -> Rows:
        variants = {
            SINGLE: self.single(),
            BATCH: self.batch(),
            JOINT: self.joint(self.model),
            CVA: self.joint(self.cva[CVA]),
            CVA_16: self.joint(self.cva[CVA_16]),
        }
        first = {name: arithmetic(variant) for name, variant in variants.items()}
        _check({name: result for name, (result, _) in first.items()})
        seconds = interleaved(variants, rounds)
        return {
            name: {
                "seconds": statistics.median(seconds[name]),
                "ratio": ratio(seconds, name, SINGLE),
                "of_without_cva": ratio(seconds, name, JOINT),
                "teraflop": first[name][1],
                "peak_mib": extra_peak_mib(variant),
                **_shares(parts_of(variant, self.modules())),
            }
            for name, variant in variants.items()
        }


def _check(results: dict[str, Tensor]) -> None:
    """Raise SystemExit where variants do not do what their names say."""

    def apart(a: Tensor, b: Tensor) -> float:
        return float((a - b).abs().max() / b.std())

    if apart(results[BATCH], results[SINGLE]) > SAME:
        raise SystemExit("A batch of single pictures is not what they are one after another.")
    if any(apart(results[name], results[JOINT]) < SAME for name in (CVA, CVA_16)):
        raise SystemExit("CVA changed nothing.")
    if apart(results[JOINT], join_tiles(results[SINGLE][None], PUBLISHED_TILES)) < SAME:
        raise SystemExit("The joint picture's tiles are single pictures.")


def _shares(seconds: dict[str, float]) -> dict[str, float]:
    """Of the whole, by part."""
    whole = seconds["whole"]
    shares = {part: seconds.get(part, 0.0) / whole for part in PARTS[:-1]}
    return shares | {REST: 1 - sum(shares.values())}


def table(tile: Size, rows: Rows) -> str:
    height, width = tile
    lines = [
        f"| four views of {height}×{width}, CFG batch | seconds a step | of single ones | of joint without CVA | TFLOP "
        "| peak above rest (MiB) |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['seconds']:.2f} | {row['ratio']:.3f} | {row['of_without_cva']:.3f} | "
            f"{row['teraflop']:.3g} | {in_mib(row['peak_mib'])} |"
        )
    lines += ["", f"| where time goes | {' | '.join(PARTS)} |", "|---" * (1 + len(PARTS)) + "|"]
    lines += [f"| {name} | {' | '.join(f'{row[part]:.0%}' for part in PARTS)} |" for name, row in rows.items()]
    return "\n".join(lines)


def measure(quick: bool, tile: Size, rounds: int) -> Rows:
    """At Stable Diffusion 1.5's size, or small."""
    return Bench(untrained.SMALL if quick else untrained.SD15, tile).measure(rounds)


if __name__ == "__main__":
    sizes = ["256x192", "512x704"]
    run_sizes("imagpose", __doc__.splitlines()[0], "a view", sizes, "128x128", measure, table)
