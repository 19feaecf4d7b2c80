"""``python dev.py bench mcld``: what MCLD costs a denoising step, beside the published algorithm on the same weights.

One evaluation of the host's UNet for classifier-free guidance (condition and null condition in one batch), at SD1.5's
size with seeded random weights, fp32, in interleaved rounds.
"""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from devtools.host import import_host

import_host()

import torch  # noqa: E402
from mannequin.model_patches import comfy_binding  # noqa: E402
from mannequin.model_patches.comfy_weights import load_weights  # noqa: E402
from mannequin.model_patches.conditions import MFCACondition, Query, ReferenceCondition  # noqa: E402
from mannequin.model_patches.scope import Scope  # noqa: E402
from mannequin.model_patches.weight_kinds.mcld import MCLD_MODEL  # noqa: E402

from devtools import untrained  # noqa: E402

from .measure import extra_peak_mib, interleaved, ratio, timed  # noqa: E402

TEXT_TOKENS = 77


@dataclass(frozen=True)
class Features:
    """A published site's bank: what ReferenceNet saw there, not projected yet."""

    features: torch.Tensor
    target: torch.nn.Module
    rows: int = 1

    def to(self, like: torch.Tensor) -> "Features":
        return self


class PublishedReference(ReferenceCondition):
    """Reference attention at the published pipeline's price, with the same result.

    The bank is projected at every step for both halves of the batch, both halves attend to it, and the half of the null
    condition is then computed again without it: projections, attention, output.
    """

    def remember(self, site, source, target) -> Features:
        return Features(source.features(), target)

    def answer(self, memory: Features, query: Query) -> torch.Tensor:
        attention = memory.target.attn1
        bank = memory.features.repeat(2, 1, 1)
        key, value = attention.to_k(bank), attention.to_v(bank)
        keys, values = torch.cat([query.k, key[:1]], 1), torch.cat([query.v, value[:1]], 1)
        for projection in (attention.to_q, attention.to_k, attention.to_v, *attention.to_out):
            projection(query.q)
        query.attention(query.q, keys, values, query.heads)
        return query.attention(query.q, keys, values, query.heads)


class PublishedMFCA(MFCACondition):
    """MFCA at the published price: tokens projected at every step, for both halves, attended to one by one."""

    def project(self, site, target, like) -> Features:
        return Features(super().project(site, target, like), target)

    def answer(self, memory: Features, query: Query) -> torch.Tensor:
        for _ in range(2):
            for tokens in (memory.features.selected, memory.features.face):
                attended = query.attention(query.q, tokens.key, tokens.value, query.heads)
        return torch.add(super().answer(memory.features, query), attended, alpha=0.0)


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
        self.source = comfy_binding.SourceNet(self.reference, torch.randn(latent, generator=generator), self.token)

    def patched(self, reference: type | None, focal: type | None, pose: bool = True) -> Any:
        model = self.model
        if reference is not None:
            model = comfy_binding.apply_condition(model, reference(), self.source, "all", Scope())
        if focal is not None:
            condition = focal(self.token, self.texture, self.face, self.modules.model)
            model = comfy_binding.apply_condition(model, condition, None, "all", Scope(), self.modules)
        return comfy_binding.apply_pose(model, self.modules, self.pose, Scope()) if pose else model

    def step(self, options: dict, tokens: int = 1) -> torch.Tensor:
        unet = self.model.model.diffusion_model
        context = torch.zeros(2, tokens, self.token.shape[-1])
        return unet(self.latent, torch.full((2,), 500.0), context=context, transformer_options=dict(options))

    def measure(self, rounds: int) -> dict[str, dict[str, float | None]]:
        unpatched = f"unpatched, {TEXT_TOKENS} tokens of text"
        models = {
            unpatched: self.patched(None, None, pose=False),
            "unpatched, one token": self.patched(None, None, pose=False),
            "ReferenceNet alone": self.patched(ReferenceCondition, None),
            "MFCA alone": self.patched(None, MFCACondition),
            "MCLD": self.patched(ReferenceCondition, MFCACondition),
            "published": self.patched(PublishedReference, PublishedMFCA),
        }
        runs, once = {}, {}
        for name, model in models.items():
            options = dict(model.model_options["transformer_options"])
            options |= {"cond_or_uncond": [1, 0], "sigmas": torch.tensor([5.0])}
            run = comfy_binding.open_run(SimpleNamespace(conds={}), options)
            once[name] = timed(run.__enter__)
            runs[name] = run, options
        variants: dict[str, Callable[[], Any]] = {
            name: lambda options=options, tokens=TEXT_TOKENS if name == unpatched else 1: self.step(options, tokens)
            for name, (_, options) in runs.items()
        }
        for variant in variants.values():
            variant()
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


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench mcld", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small network and image: checks the benchmark itself")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--side", type=int, default=512, help="of the square image, in pixels (default 512)")
    arguments = parser.parse_args()
    sizes = (untrained.SMALL, untrained.SMALL_FACE) if arguments.quick else (untrained.SD15, untrained.FACE)
    side = 128 if arguments.quick else arguments.side
    rows = Bench(*sizes, side).measure(arguments.rounds)
    sys.stdout.write(table(side, rows) + "\n\n")
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    sys.stdout.write(json.dumps({"machine": machine, "rounds": arguments.rounds, "side": side, "rows": rows}) + "\n")


if __name__ == "__main__":
    main()
