"""``python dev.py bench mcld``: what MCLD costs a denoising step, beside the published algorithm on the same weights.

One evaluation of the host's UNet for classifier-free guidance (condition and null condition in one batch), at SD1.5's
size with seeded random weights, fp32, in interleaved rounds.
"""

import statistics
from collections.abc import Callable
from typing import Any

from devtools.host import import_host

import_host()

import torch  # noqa: E402
from mannequin.model_patches.attention.mfca import MFCA, selected_tokens  # noqa: E402
from mannequin.model_patches.comfy_apply import apply_condition  # noqa: E402
from mannequin.model_patches.comfy_blocks import transformer_blocks  # noqa: E402
from mannequin.model_patches.comfy_host import host_attention  # noqa: E402
from mannequin.model_patches.comfy_pose import apply_pose  # noqa: E402
from mannequin.model_patches.comfy_sampling import open_run  # noqa: E402
from mannequin.model_patches.comfy_source import SourceNet, run_source  # noqa: E402
from mannequin.model_patches.comfy_weights import load_weights  # noqa: E402
from mannequin.model_patches.conditions import MFCACondition, ReferenceCondition  # noqa: E402
from mannequin.model_patches.scope import Scope  # noqa: E402
from mannequin.model_patches.sites import Site  # noqa: E402
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL  # noqa: E402
from torch import nn  # noqa: E402

from devtools import untrained  # noqa: E402

from .measure import extra_peak_mib, interleaved, ratio, timed  # noqa: E402
from .report import Rows, run  # noqa: E402

TEXT_TOKENS = 77
#: How far two ways to one result may lie apart, in its standard deviations.
SAME = 1e-3


def published(bench: "Bench") -> Any:
    """MCLD at the published pipeline's price, with the same result: a MODEL of plain patches.

    At every step the bank is projected for both halves of the batch, both halves attend to it, and the half of the null
    condition is computed once more without it; tokens are projected at every step, for both halves, and attended to one
    by one.
    """
    patched = bench.model.clone()
    bank: dict[Site, torch.Tensor] = {}
    blocks = transformer_blocks(patched)
    run_source(bench.source, bench.reference, set(blocks), lambda site, seen: bank.update({site: seen.features()}))
    for site, block in blocks.items():
        patched.set_model_attn1_replace(published_reference(block.attn1, bank[site]), *site)
        tokens = selected_tokens(site.block, bench.token, bench.texture)
        face = bench.modules.model.mfca[site.key]
        patched.set_model_attn2_replace(published_focus(block.attn2, tokens, face, bench.face), *site)
    return apply_pose(patched, bench.modules, bench.pose, Scope())


def published_reference(layers: nn.Module, features: torch.Tensor) -> Callable:
    """``attn1_replace`` of a batch [null, condition]."""

    def attend(q, k, v, extra):
        attention, heads, seen = host_attention(extra), extra["n_heads"], features.repeat(2, 1, 1)
        key, value = layers.to_k(seen), layers.to_v(seen)
        both = attention(q, torch.cat([k, key], 1), torch.cat([v, value], 1), heads)
        # What the published code computes twice: projections, attention and output of the null half.
        for projection in (layers.to_q, layers.to_k, layers.to_v, *layers.to_out):
            projection(q[:1])
        return torch.cat([attention(q[:1], k[:1], v[:1], heads), both[1:]])

    return attend


def published_focus(layers: nn.Module, tokens: torch.Tensor, face: MFCA, face_tokens: torch.Tensor) -> Callable:
    """``attn2_replace`` of a batch [null, condition]; the null condition's tokens are zeros."""

    def attend(q, k, v, extra):
        attention, heads, result = host_attention(extra), extra["n_heads"], torch.zeros_like(q)
        for layer, given, scale in ((layers, tokens, 1.0), (face, face_tokens, 0.5)):
            both = torch.cat([torch.zeros_like(given), given])
            result = result + scale * attention(q, layer.to_k(both), layer.to_v(both), heads)
        return result

    return attend


class Bench:
    """One image size: MCLD's networks, and the variants over them."""

    def __init__(self, layout: untrained.UNetLayout, face: untrained.ResamplerShape, side: int):
        generator = torch.Generator().manual_seed(0)
        state, metadata = untrained.mcld_state(layout, face)
        self.model, self.reference, self.modules = load_weights(MCLD_MODEL, state, "untrained", metadata)
        del state
        width, latent = layout.context_dim, (1, 4, side // 8, side // 8)
        self.latent = torch.randn(latent, generator=generator).repeat(2, 1, 1, 1)
        self.token = torch.randn(1, 1, width, generator=generator)
        self.texture = torch.randn(1, 1, width, generator=generator)
        self.face = torch.randn(1, 16, width, generator=generator)
        self.pose = torch.rand(1, 3, side, side, generator=generator)
        self.source = SourceNet(self.reference, torch.randn(latent, generator=generator), self.token)

    def patched(self, reference: bool, focal: bool) -> Any:
        model = self.model
        if reference:
            model = apply_condition(model, ReferenceCondition(), self.source, "all", Scope())
        if focal:
            condition = MFCACondition(self.token, self.texture, self.face, self.modules.model)
            model = apply_condition(model, condition, None, "all", Scope(), self.modules)
        return apply_pose(model, self.modules, self.pose, Scope())

    def step(self, options: dict, tokens: int = 1) -> torch.Tensor:
        unet = self.model.model.diffusion_model
        context = torch.zeros(2, tokens, self.token.shape[-1])
        return unet(self.latent, torch.full((2,), 500.0), context=context, transformer_options=dict(options))

    def measure(self, rounds: int) -> dict[str, dict[str, float | None]]:
        unpatched = f"unpatched, {TEXT_TOKENS} tokens of text"
        models = {
            unpatched: self.model.clone(),
            "unpatched, one token": self.model.clone(),
            "ReferenceNet alone": self.patched(reference=True, focal=False),
            "MFCA alone": self.patched(reference=False, focal=True),
            "MCLD": self.patched(reference=True, focal=True),
            "published": published(self),
        }
        runs, once = {}, {}
        for name, model in models.items():
            options = dict(model.model_options["transformer_options"])
            options |= {"cond_or_uncond": [1, 0], "sigmas": torch.tensor([5.0])}
            run = open_run(model, options)
            once[name] = timed(run.__enter__)
            runs[name] = run, options
        variants: dict[str, Callable[[], Any]] = {
            name: lambda options=options, tokens=TEXT_TOKENS if name == unpatched else 1: self.step(options, tokens)
            for name, (_, options) in runs.items()
        }
        results = {name: variant() for name, variant in variants.items()}
        apart = float((results["MCLD"] - results["published"]).abs().max() / results["published"].std())
        if apart > SAME:
            raise SystemExit(f"MCLD and its published algorithm are {apart:.1e} of a standard deviation apart.")
        seconds = interleaved(variants, rounds)
        memory = {name: extra_peak_mib(variant) for name, variant in variants.items()}
        for run, _ in runs.values():
            run.__exit__(None, None, None)
        return {
            name: {
                "seconds": statistics.median(seconds[name]),
                "ratio": ratio(seconds, name, unpatched),
                "published_over_this": ratio(seconds, "published", name),
                "once_seconds": once[name],
                "peak_mib": memory[name],
            }
            for name in variants
        }


def table(side: int, rows: dict[str, dict]) -> str:
    lines = [
        f"| {side}×{side}, CFG batch | seconds a step | of unpatched | published takes | ReferenceNet, once (s) |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['seconds']:.2f} | {row['ratio']:.3f} | {row['published_over_this']:.3f}× | "
            f"{row['once_seconds']:.1f} |"
        )
    return "\n".join(lines)


def measure(quick: bool, side: int, rounds: int) -> Rows:
    """At the published size, or small."""
    sizes = (untrained.SMALL, untrained.SMALL_FACE) if quick else (untrained.SD15, untrained.FACE)
    return Bench(*sizes, side).measure(rounds)


if __name__ == "__main__":
    run("mcld", __doc__.splitlines()[0], "the square image", measure, table)
