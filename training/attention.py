"""Where networks look: ``python -m training.attention STORE WEIGHTS … [--out table.md]``.

At every site where the target looks at a source, the share of its attention that falls on tokens which show some of the
same surface of the body, and what uniform attention would give those. STORE has DensePose of its pictures; WEIGHTS are
files that ``python -m training.train`` wrote.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model_patches.conditions import SourceCondition
from model_patches.sites import Site

from .correspondence import Correspondence, grid_of, looked_at
from .data.records import People
from .data.store import StoredPeople
from .diffusers_binding import conditioned
from .draws import Draws
from .errors import TrainingError
from .evaluation.run import choose_pairs
from .methods.dual_unet import DualUNet
from .objectives import noised
from .sampling import load_method, read_pairs, run_name

#: By site: the share on the same surface, the uniform share.
Shares = Mapping[Site, tuple[float, float]]
#: Pairs at once.
BATCH = 8


@torch.no_grad()
def attention_shares(method: DualUNet, people: People, pairs: int, timestep: int, seed: int = 0) -> Shares:
    """Means over pairs, weighted alike.

    Args:
        method: with options that let it read where pictures show which surface.
        pairs: how many, drawn with ``seed``.
        timestep: of the noise on the targets, 0–999.
    """
    found: dict[Site, list[tuple[float, float]]] = defaultdict(list)
    chosen = choose_pairs(people.pairs, pairs, seed)
    for start in range(0, len(chosen), BATCH):
        records = [(people.record(source), people.record(target)) for source, target in chosen[start : start + BATCH]]
        batch = read_pairs(method, records)
        clean = batch["target_latent"]
        noise = Draws(seed, range(start, start + len(clean)), 0).normal(*clean.shape[1:])
        timesteps = torch.full((len(clean),), timestep)
        latents = tuple(tuple(latent.shape[-2:]) for latent in (clean, method.reads(batch)))
        seen = _Seen(method.correspondence(batch), latents, found)
        with conditioned(method.denoising, method.remember(batch, None), watch=seen):
            method.denoise(noised(method.noise, clean, noise, timesteps)[0], timesteps, method.encode_pose(batch))
    return {site: tuple(np.nanmean(values, axis=0).tolist()) for site, values in found.items()}


class _Seen:
    """Measures each row of a batch by itself."""

    def __init__(self, correspondence: Correspondence, latents: tuple, found: dict) -> None:
        self._correspondence, self._latents, self._found = correspondence, latents, found

    def __call__(self, site: Site, condition: SourceCondition, attention: Tensor) -> None:
        grids = (grid_of(tokens, latent) for tokens, latent in zip(attention.shape[1:], self._latents, strict=True))
        surface = self._correspondence.surface(*grids)
        self._found[site] += [
            looked_at(row[None], wanted[None]) for row, wanted in zip(attention, surface, strict=True)
        ]


def table(shares: Mapping[str, Shares]) -> str:
    """Markdown: sites down, networks across; in brackets what uniform attention would give."""
    sites = list(dict.fromkeys(site for each in shares.values() for site in each))
    lines = [["site", *shares], ["---", *("---:" for _ in shares)]]
    for site in sites:
        cells = [f"{each[site][0]:.2f} ({each[site][1]:.3f})" if site in each else "–" for each in shares.values()]
        lines.append([str(site), *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _loaded(file: Path) -> DualUNet:
    method = load_method(file, correspondence=1.0)
    if not isinstance(method, DualUNet):
        raise TrainingError(f"'{file}' is of {method.name}; networks that look at a second UNet are needed.")
    return method


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m training.attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", type=Path, metavar="STORE", help="the data set")
    parser.add_argument("weights", type=Path, nargs="+", metavar="WEIGHTS", help="weights.safetensors of runs")
    parser.add_argument("--name", action="append", metavar="N", help="what the table calls each, in their order")
    parser.add_argument("--pairs", type=int, default=100, metavar="N", help="how many pairs (100)")
    parser.add_argument("--timestep", type=int, default=900, metavar="T", help="of the noise, 0–999 (900)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pairs, and of the noise")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the table goes as well")
    options = parser.parse_args(arguments)
    names = options.name or [run_name(file) for file in options.weights]
    try:
        if len(names) != len(options.weights):
            raise TrainingError(f"There are {len(options.weights)} weight files and {len(names)} names.")
        if len(set(names)) < len(names):
            raise TrainingError("Two weight files have one name. Tell them apart with a --name for each.")
        people = StoredPeople(options.store)
        methods = {name: _loaded(file) for name, file in zip(names, options.weights, strict=True)}
        text = table(
            {
                name: attention_shares(method, people, options.pairs, options.timestep, options.seed)
                for name, method in methods.items()
            }
        )
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
