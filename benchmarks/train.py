"""``python dev.py bench train``: what a training step costs, beside a plain diffusers reference-network loop.

The plain loop is what AnimateAnyone's descendants do in diffusers: a reference UNet whose self-attention writes what it
sees, a denoising UNet whose self-attention concatenates it, mean squared error, AdamW. Same weights, same batch, at the
demo recipes' size (128×96 pixels, 64 wide), in interleaved rounds.
"""

import argparse
import dataclasses
import json
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from training.draws import Draws
from training.methods import METHODS
from training.methods.diffusion import added
from training.methods.dual_unet import DualUNet
from training.objectives import noised
from training.recipe import read_recipe

from .measure import extra_peak_mib, interleaved, ratio
from .report import in_mib

RECIPES = Path(__file__).resolve().parent.parent / "training" / "recipes"
PLAIN = "plain diffusers loop"
HEIGHT, WIDTH, TEXTURE, LABELS = 128, 96, 128, 20


class Write:
    """Self-attention of the reference network: keeps what it is given."""

    def __init__(self, bank: list[torch.Tensor]) -> None:
        self.bank, self.plain = bank, AttnProcessor2_0()

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **kwargs):
        self.bank.append(hidden_states)
        return self.plain(attn, hidden_states, encoder_hidden_states, **kwargs)


class Read(Write):
    """Self-attention of the denoising network: sees the reference's tokens beside its own."""

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **kwargs):
        both = torch.cat([hidden_states, self.bank.pop(0)], dim=1)
        return self.plain(attn, hidden_states, both, **kwargs)


def plain_loop(method: DualUNet, source: str) -> Callable[[dict, Draws], torch.Tensor]:
    """The loss of a plain reference-network loop over a method's own networks."""
    bank: list[torch.Tensor] = []

    def processors(unet, kind) -> dict:
        return {name: kind(bank) if ".attn1." in name else AttnProcessor2_0() for name in unet.attn_processors}

    def loss(batch: dict, draws: Draws) -> torch.Tensor:
        kept = [unet.attn_processors for unet in (method.reference, method.denoising)]
        method.reference.set_attn_processor(processors(method.reference, Write))
        method.denoising.set_attn_processor(processors(method.denoising, Read))
        clean = batch["target_latent"]
        noise, steps = draws.normal(*clean.shape[1:]), draws.integers(1000)
        noisy, truth = noised(method.noise, clean, noise, steps)
        context = clean.new_zeros(len(clean), 1, method.context_dim)
        method.reference(batch[source], torch.zeros(len(clean)), encoder_hidden_states=context)
        pose = method.encode_pose(batch)
        with added(method.denoising.conv_in, pose):
            prediction = method.denoising(noisy, steps, encoder_hidden_states=context).sample
        bank.clear()
        for unet, before in zip((method.reference, method.denoising), kept, strict=True):
            unet.set_attn_processor(dict(before))
        return torch.nn.functional.mse_loss(prediction, truth)

    return loss


def batch_of(method: DualUNet, rows: int) -> dict[str, torch.Tensor]:
    """Random records' worth of tensors, in the shapes the demo's have."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(rows, *shape, generator=generator)

    def bytes_(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, (rows, *shape), generator=generator, dtype=torch.uint8)

    parsing = bytes_(8, HEIGHT // 16, WIDTH // 16).repeat_interleave(16, 1).repeat_interleave(16, 2)
    latent, width = (4, HEIGHT // 8, WIDTH // 8), method.context_dim
    return {
        "target_latent": normal(*latent),
        "source_latent": normal(*latent),
        "texture_latent": normal(4, TEXTURE // 8, TEXTURE // 8),
        "parsing": parsing,
        "implied": torch.rand(rows, LABELS, generator=generator) < 0.6,
        "regions": normal(LABELS, width),
        "skeleton": bytes_(255, HEIGHT, WIDTH, 3),
        "iuv": bytes_(25, HEIGHT, WIDTH, 3),
        **{name: normal(width) for name in ("clip", "texture_clip", "face")},
    }


def own_loss(method: DualUNet) -> Callable[[dict, Draws], torch.Tensor]:
    """The method's own loss."""
    return lambda batch, draws: sum(method(batch, draws).values())


def step(method: DualUNet, batch: dict, loss: Callable[[dict, Draws], torch.Tensor]) -> Callable[[], None]:
    """One whole step of the trainer's: loss, gradients, AdamW."""
    optimizer = torch.optim.AdamW(method.trained(), lr=1e-5, fused=True)

    def run() -> None:
        loss(batch, Draws(0, range(len(batch["target_latent"])), 0)).backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def measure(name: str, rows: int, rounds: int) -> dict[str, dict[str, float | None]]:
    """Samples a second, ratio and memory of our step and of the plain loop's."""
    recipe = read_recipe(RECIPES / f"demo_{name}.yaml")
    method = METHODS[name](recipe.options, recipe.seed)
    batch = batch_of(method, rows)
    plain = plain_loop(method, "texture_latent" if name == "mcld" else "source_latent")
    variants = {
        name: step(method, batch, own_loss(method)),
        PLAIN: step(method, batch, plain),
    }
    if name == "truepose":
        # What the plain loop does, by way of our processors: the difference is what they cost.
        same = METHODS[name](dataclasses.replace(recipe.options, fusion="reference", caa=False), recipe.seed)
        variants["truepose, B2"] = step(same, batch, own_loss(same))
    for variant in variants.values():
        variant()
    seconds = interleaved(variants, rounds)
    return {
        variant: {
            "samples_per_second": rows / statistics.median(seconds[variant]),
            "ratio": ratio(seconds, variant, PLAIN),
            "peak_mib": extra_peak_mib(run),
        }
        for variant, run in variants.items()
    }


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="dev.py bench train", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    result = {name: measure(name, options.batch, options.rounds) for name in ("truepose", "mcld")}
    for variants in result.values():
        for variant, row in variants.items():
            memory = in_mib(row["peak_mib"])
            sys.stdout.write(f"| {variant} | {row['samples_per_second']:.1f} | {row['ratio']:.3f} | {memory} |\n")
    sys.stdout.write(json.dumps({"torch": torch.__version__, "machine": platform.machine(), "result": result}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
