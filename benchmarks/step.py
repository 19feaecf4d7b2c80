"""``python dev.py bench step``: what TruePose costs a denoising step.

One conditional UNet evaluation of the host's SD1.5 (seeded random weights, fp32, batch 1), unpatched and patched, in
interleaved rounds. With classifier-free guidance the null half is the unpatched model, so that ratios are nearer to 1.
"""

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable
from typing import Any

from devtools.host import import_host

import_host()

import torch  # noqa: E402
from mannequin.model_patches.attention.hpfa import reweighted_self_attention  # noqa: E402
from mannequin.model_patches.attention.joint import joint_attention  # noqa: E402
from mannequin.model_patches.attention.key_values import KeyValues  # noqa: E402
from mannequin.model_patches.comfy_apply import apply_condition  # noqa: E402
from mannequin.model_patches.comfy_blocks import transformer_blocks  # noqa: E402
from mannequin.model_patches.comfy_host import host_attention  # noqa: E402
from mannequin.model_patches.comfy_sampling import open_run  # noqa: E402
from mannequin.model_patches.comfy_small_sd import SmallSD, build_model  # noqa: E402
from mannequin.model_patches.comfy_source import SourceNet, run_source  # noqa: E402
from mannequin.model_patches.conditions import (  # noqa: E402
    CAACondition,
    Condition,
    HPFACondition,
    ReferenceCondition,
)
from mannequin.model_patches.scope import Scope  # noqa: E402
from mannequin.model_patches.sites import Site  # noqa: E402
from torch import nn  # noqa: E402

from .measure import extra_peak_mib, interleaved, ratio, timed  # noqa: E402
from .report import in_mib  # noqa: E402

FULL = SmallSD(width=320, context_dim=768, heads=8)
QUICK = SmallSD(width=64, context_dim=64, heads=4)


def projecting(model: Any, source: SourceNet) -> Any:
    """Reference attention that projects the constant source at every step, as published pipelines do."""
    patched, blocks = model.clone(), transformer_blocks(model)
    seen: dict[Site, torch.Tensor] = {}
    run_source(source, model, set(blocks), lambda site, features: seen.update({site: features.features()}))

    def attend_at(site: Site, layers: nn.Module) -> Callable:
        def attend(q, k, v, extra):
            beside = KeyValues(layers.to_k(seen[site]), layers.to_v(seen[site]))
            return joint_attention(q, [KeyValues(k, v), beside], extra["n_heads"], host_attention(extra))

        return attend

    for site, block in blocks.items():
        patched.set_model_attn1_replace(attend_at(site, block.attn1), *site)
    return patched


class Bench:
    """One image size: a model, a source and the variants over them."""

    def __init__(self, sizes: SmallSD, height: int, width: int):
        generator = torch.Generator().manual_seed(0)
        self.model = build_model(sizes, seed=0)
        self.sizes = sizes
        self.latent = torch.randn(1, 4, height // 8, width // 8, generator=generator)
        self.context = torch.randn(1, 77, sizes.context_dim, generator=generator)
        self.source = SourceNet(self.model, torch.randn(self.latent.shape, generator=generator))
        self.mask = torch.zeros(1, height, width, dtype=torch.bool)
        self.mask[:, height // 8 : -height // 8, width // 4 : -width // 4] = True
        self.labels = self.mask.to(torch.uint8)
        self.labels[:, height // 2 :] *= 2
        self.regions = torch.randn(1, 3, sizes.context_dim, generator=generator)

    def patched(self, *conditions: Condition) -> Any:
        model = self.model
        for condition in conditions:
            model = apply_condition(model, condition, self.source, "all", Scope())
        return model

    def opened(self, model: Any):
        """The model's options with an open run, as a sampler holds them."""
        options = dict(model.model_options["transformer_options"])
        options |= {"cond_or_uncond": [0], "sigmas": torch.tensor([5.0])}
        return open_run(model, options), options

    def step(self, options: dict) -> torch.Tensor:
        unet = self.model.model.diffusion_model
        return unet(self.latent, torch.tensor([500.0]), context=self.context, transformer_options=dict(options))

    def measure(self, rounds: int) -> dict[str, Any]:
        hpfa, caa = HPFACondition(self.mask), CAACondition(self.labels, self.regions)
        models = {
            "unpatched": self.patched(),
            "HPFA": self.patched(hpfa),
            "HPFA + CAA": self.patched(hpfa, caa),
            "reference, keys cached": self.patched(ReferenceCondition()),
            "reference, keys projected each step": projecting(self.model, self.source),
        }
        runs = {name: self.opened(model) for name, model in models.items()}
        once = {}
        for name, (run, _) in runs.items():
            once[name] = timed(run.__enter__)
        variants = {name: lambda options=options: self.step(options) for name, (_, options) in runs.items()}
        variants["two passes (source network every step)"] = self.two_passes
        self.step(runs["unpatched"][1])
        seconds = interleaved(variants, rounds)
        memory = {name: extra_peak_mib(variant) for name, variant in variants.items()}
        for run, _ in runs.values():
            run.__exit__(None, None, None)
        return {
            name: {
                "seconds": statistics.median(seconds[name]),
                "ratio": ratio(seconds, name, "unpatched"),
                "source_pass_seconds": once.get(name, 0.0) if name != "unpatched" else 0.0,
                "peak_mib": memory[name],
            }
            for name in variants
        }

    def two_passes(self) -> None:
        run, options = self.opened(self.patched(ReferenceCondition()))
        with run:
            self.step(options)


def reweighted_memory(height: int, width: int, dim: int = 320, heads: int = 8) -> dict[str, Any]:
    """Extra memory of Eq. 7 at the UNet's finest level."""
    tokens = (height // 8) * (width // 8)
    q, k, v = (torch.randn(1, tokens, dim) for _ in range(3))
    mask = torch.rand(1, tokens) > 0.5
    peak = extra_peak_mib(lambda: reweighted_self_attention(q, k, v, heads, mask))
    return {"size": f"{height}x{width}", "tokens": tokens, "extra_mib": peak}


def table(size: str, rows: dict[str, dict]) -> str:
    lines = [
        f"| {size} | seconds a step | ratio | source pass, once (s) | peak above rest (MiB) |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        peak = in_mib(row["peak_mib"])
        lines.append(
            f"| {name} | {row['seconds']:.2f} | {row['ratio']:.3f} | {row['source_pass_seconds']:.2f} | {peak} |"
        )
    return "\n".join(lines)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench step", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small network and image: checks the benchmark itself")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--sizes", nargs="+", default=["256x176", "512x352"], help="HEIGHTxWIDTH of the image")
    arguments = parser.parse_args()
    sizes = ["128x96"] if arguments.quick else arguments.sizes
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "rounds": arguments.rounds,
        "steps": {},
    }
    for size in sizes:
        height, width = map(int, size.split("x"))
        rows = Bench(QUICK if arguments.quick else FULL, height, width).measure(arguments.rounds)
        report["steps"][size] = rows
        sys.stdout.write(table(size, rows) + "\n\n")
        sys.stdout.flush()
    report["reweighted_attention"] = reweighted_memory(*((256, 192) if arguments.quick else (1024, 768)))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
