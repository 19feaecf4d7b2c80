"""``python -m training.dry_run RECIPE.yaml``: two steps of a recipe at its full size, without data and without weights.

Networks are as large as published, with fresh weights, and people are of nothing. Says what is trained, what a step
costs here in seconds, operations and memory, and what the whole run can be expected to take on GPUs: an estimate, which
says how it was made.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from . import costs
from .costs import GIB, GPUS, gpu_hours, lasting_memory
from .data.pictures import parse_size
from .draws import Draws
from .errors import TrainingError, concluded
from .examples import Examples, collate, on_device
from .methods.base import Method
from .operations import Work, counted
from .published_networks import SIZES
from .recipe import Recipe, read_recipe
from .stand_ins import people_for, stand_in
from .train import change

#: Of AdamW with its states, in the weights' precision.
_STATES = 2
#: What is left free.
_MARGIN = 0.8
#: Of the recipe's rate steps of bfloat16 weights would be rounded away.
_RATE = 1e-3


@dataclass(frozen=True)
class Cost:
    """What two steps of one source and its targets cost.

    Attributes:
        size: height and width of the recipe's pictures.
        shown: of those of the two steps.
        trained, frozen: numbers.
        how: in which precision and with which optimiser the steps were made.
        losses: of both steps.
        moved, tensors: of the trained tensors those that changed, and all.
        seconds: of the second step.
        work: of a step on pictures of the recipe's size, in single precision.
        before, peak: memory of the process before the second step and at most in it, in bytes; 0 where not known.
    """

    size: tuple[int, int]
    shown: tuple[int, int]
    trained: int
    frozen: int
    how: str
    losses: tuple[float, ...]
    moved: int
    tensors: int
    seconds: float
    work: Work
    before: int
    peak: int


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is not right."""
    parser = argparse.ArgumentParser(prog="python -m training.dry_run", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what would be trained")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="values in the recipe's place, as for train")
    parser.add_argument("--base", choices=SIZES, help="the base's UNet, where its folder's name does not tell")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="GPUs that share a batch (default 1)")
    parser.add_argument("--gpu", choices=GPUS, default="A100", help="what hours are of (default A100)")
    parser.add_argument(
        "--share", type=float, default=0.2, help="of its dense bfloat16 peak that is reached (default 0.2)"
    )
    parser.add_argument("--pictures", metavar="HxW", help="that the two steps are made of, where time is short")
    parser.add_argument("--memory", type=float, metavar="GIB", help="that may be used here (default: what is free)")
    options = parser.parse_intermixed_args(arguments)

    def work() -> str:
        recipe = read_recipe(options.recipe, dict(change(text) for text in options.changes))
        cost = dry_run(recipe, options.base, options.memory, parse_size(options.pictures))
        return told(recipe, cost, options.processes, options.gpu, options.share)

    return concluded(work, "Stopped. Nothing was kept.")


def dry_run(
    recipe: Recipe, base: str | None = None, memory: float | None = None, pictures: tuple[int, int] | None = None
) -> Cost:
    """Two steps of one source and its targets, with everything that a step of the recipe does.

    Args:
        base: the base's architecture, see :func:`.stand_ins.stand_in`.
        memory: GiB that may be used; None is what is free.
        pictures: height and width of those the steps are made of; None is the recipe's.

    Raises:
        TrainingError: the recipe says no size, its method takes no such pictures, or it does not fit.
    """
    size = recipe.data.size
    if size is None:
        raise TrainingError("How large the pictures would be is not said: write data.size=[512,352].")
    free = memory * GIB if memory else _MARGIN * costs.free_memory()
    with torch.device("meta"):
        method = stand_in(recipe, base).train()
    trained = sum(weight.numel() for weight in method.trained())
    frozen = sum(weight.numel() for weight in method.parameters()) - trained
    work = counted(lambda: _loss(method, *_drawn(recipe, method, size, 0, "meta")).backward(), method)
    dtype, adam, how = _fitting(trained, frozen, free)
    with _of_type(dtype):
        method = _norms_in_single(stand_in(recipe, base).train())
    shown, weights, losses = pictures or size, method.trained(), []
    moving = costs.Fingerprints(weights)

    def step() -> None:
        given = _drawn(recipe, method, shown, len(losses))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = _loss(method, *given)
        loss.backward()
        losses.append(float(loss.detach()))

    rate = recipe.optimiser.learning_rate if dtype == torch.float32 else _RATE
    with costs.Arriving(weights, adam, rate):
        step()
        with costs.watched_memory() as peak:
            seconds = costs.timed(step)
    if not all(map(math.isfinite, losses)):
        raise TrainingError(f"The loss is not of numbers: {losses}.")
    moved, memories = moving.moved(), (peak.before, peak.most)
    return Cost(size, shown, trained, frozen, how, tuple(losses), moved, len(weights), seconds, work, *memories)


def _drawn(
    recipe: Recipe, method: Method, size: tuple[int, int], number: int, device: str = "cpu"
) -> tuple[dict[str, Tensor], Draws]:
    """A batch of one source and its targets, and what is drawn for it."""
    people, data = people_for(recipe, method, size), recipe.data
    examples = Examples(method, people, recipe.seed, targets=data.targets, drawn=data.drawn)
    batch = on_device(collate([examples[number]]), torch.device(device))
    return batch, Draws(recipe.seed, [number] * len(batch.pop("number")), number, device)


def _loss(method: Method, batch: dict[str, Tensor], draws: Draws) -> Tensor:
    return sum(method(batch, draws).values())


def _fitting(trained: int, frozen: int, free: float) -> tuple[torch.dtype, bool, str]:
    """The weights' precision, whether AdamW fits, and both in words."""
    for dtype, adam in ((torch.float32, True), (torch.bfloat16, True), (torch.bfloat16, False)):
        size = dtype.itemsize
        needed = size * (trained * (1 + _STATES * adam) + frozen)
        if needed < free / (1.25 if adam else 1.0):
            optimiser = "AdamW" if adam else "gradient descent by signs, which keeps no states,"
            precision = "float32" if dtype == torch.float32 else f"bfloat16 at a rate of {_RATE:g}"
            return dtype, adam, f"{optimiser} in {precision}, of each gradient as it comes, unclipped"
    raise TrainingError(
        f"{trained + frozen:,} numbers in bfloat16 need {needed / GIB:.1f} GiB, and {free / GIB:.1f} are free."
    )


def _norms_in_single(method: Method) -> Method:
    """With norms in single precision, which are given either."""
    for module in method.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm):
            module.float()
    return method


@contextmanager
def _of_type(dtype: torch.dtype) -> Iterator[None]:
    """Within the block, networks are made in this precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def told(recipe: Recipe, cost: Cost, processes: int, gpu: str, share: float) -> str:
    """A cost in words, and what the recipe's whole run can be expected to take."""
    sources = recipe.sources
    each = -(-sources // (processes * recipe.accumulate))
    lasting = lasting_memory(cost.trained, cost.frozen, recipe.ema > 0)
    operations = cost.work.operations * sources * recipe.steps
    hours = gpu_hours(operations, gpu, share)
    group = f"a source and {recipe.data.targets} target{'s' * (recipe.data.targets > 1)}"
    height, width = cost.size
    shown = "" if cost.size == cost.shown else f", pictures of {cost.shown[0]}×{cost.shown[1]}"
    average = ", the average" if recipe.ema else ""
    lines = [
        f"{recipe.method}, {height}×{width}: {cost.trained:,} numbers trained, {cost.frozen:,} frozen",
        f"{group} take {cost.work.operations / 1e12:.3g} TFLOP, what is computed twice included, and beside weights at "
        f"most {cost.work.memory / GIB:.2g} GiB in single precision: counted",
        f"two steps of {group}{shown}, no condition dropped: {cost.how}",
        f"  losses {', '.join(f'{loss:.4f}' for loss in cost.losses)}; {cost.moved} of {cost.tensors} tensors moved",
        f"  {cost.seconds:.1f} s the second; {cost.before / GIB:.1f} GiB before it, {cost.peak / GIB:.1f} at most",
        f"estimate for {processes} {gpu} and a batch of {recipe.batch}, which is {each} × {group} on each at a time:",
        f"  memory of each at most {(lasting + each * cost.work.memory) / GIB:.0f} GiB: {lasting / GIB:.1f} of "
        f"weights, gradients, AdamW's moments{average} and half-precision copies, and {each} times the above",
        f"  {recipe.steps:,} steps are {operations / 1e18:.2f} EFLOP: {hours:.0f} GPU hours, should {share:.0%} of "
        f"{GPUS[gpu]:g} TFLOPS be reached, in {hours / processes:.0f} hours",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
