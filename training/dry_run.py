"""``python -m training.dry_run RECIPE.yaml``: two steps of a recipe at its full size, without data and without weights.

Networks are as large as published, with fresh weights, and people are of nothing. Says what is trained, what a step
costs here in seconds, operations and memory, and what the whole run can be expected to take on GPUs: an estimate, which
says how it was made.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import TrainingError, concluded

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
        size: height and width of the pictures.
        trained, frozen: numbers.
        how: in which precision and with which optimiser the steps were made.
        losses: of both steps.
        moved, tensors: of the trained tensors those that changed, and all.
        seconds: of the second step.
        operations: of a step.
        before, peak: memory of the process before the second step and at most in it, in bytes; 0 where not known.
    """

    size: tuple[int, int]
    trained: int
    frozen: int
    how: str
    losses: tuple[float, ...]
    moved: int
    tensors: int
    seconds: float
    operations: int
    before: int
    peak: int


def main(arguments: Sequence[str] | None = None) -> int:
    from .costs import GPUS
    from .published_unets import SIZES
    from .train import change

    parser = argparse.ArgumentParser(prog="python -m training.dry_run", description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path, metavar="RECIPE.yaml", help="what would be trained")
    parser.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="values in the recipe's place, as for train")
    parser.add_argument("--base", choices=SIZES, help="the base's UNet, where its folder's name does not tell")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="GPUs that share a batch (default 1)")
    parser.add_argument("--gpu", choices=GPUS, default="A100", help="what hours are of (default A100)")
    parser.add_argument(
        "--share", type=float, default=0.3, help="of its dense bfloat16 peak that is reached (default 0.3)"
    )
    parser.add_argument("--memory", type=float, metavar="GIB", help="that may be used here (default: what is free)")
    options = parser.parse_intermixed_args(arguments)

    def work() -> str:
        from .recipe import read_recipe

        recipe = read_recipe(options.recipe, dict(change(text) for text in options.changes))
        cost = dry_run(recipe, options.base, options.memory)
        return told(recipe, cost, options.processes, options.gpu, options.share)

    return concluded(work, "Stopped. Nothing was kept.")


def dry_run(recipe, base: str | None = None, memory: float | None = None) -> Cost:
    """Two steps of one source and its targets, with everything that a step of the recipe does.

    Args:
        base: the base's architecture, see :func:`.stand_ins.stand_in`.
        memory: GiB that may be used; None is what is free.

    Raises:
        TrainingError: the recipe says no size, its method takes no such pictures, or it does not fit.
    """
    import torch

    from . import costs
    from .draws import Draws
    from .examples import Examples, collate
    from .stand_ins import people_for, stand_in

    if recipe.data.size is None:
        raise TrainingError("How large the pictures would be is not said: write data.size=[512,352].")
    free = memory * costs.GIB if memory else _MARGIN * costs.free_memory()
    with torch.device("meta"):
        counts = _counts(stand_in(recipe, base))
    dtype, adam, how = _fitting(*counts, free)
    with _of_type(dtype):
        method = stand_in(recipe, base).train()
    trained = method.trained()
    people, data = people_for(recipe, method, recipe.data.size), recipe.data
    examples = Examples(method, people, recipe.seed, targets=data.targets, drawn=data.drawn)
    moving, losses = costs.Fingerprints(trained), []

    def step() -> None:
        batch = collate([examples[len(losses)]])
        draws = Draws(recipe.seed, batch.pop("number").tolist(), len(losses))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = sum(method(batch, draws).values())
        loss.backward()
        losses.append(float(loss.detach()))

    rate = recipe.optimiser.learning_rate if dtype == torch.float32 else _RATE
    with costs.Arriving(trained, adam, rate):
        operations = costs.counted(step)
        with costs.watched_memory() as peak:
            seconds = costs.timed(step)
    if not all(torch.tensor(losses).isfinite()):
        raise TrainingError(f"The loss is not of numbers: {losses}.")
    return Cost(
        recipe.data.size,
        *counts,
        how,
        tuple(losses),
        moving.moved(),
        len(trained),
        seconds,
        operations,
        peak.before,
        peak.most,
    )


def _counts(method) -> tuple[int, int]:
    """Numbers that are trained, and that are not."""
    trained = sum(weight.numel() for weight in method.trained())
    return trained, sum(weight.numel() for weight in method.parameters()) - trained


def _fitting(trained: int, frozen: int, free: float):
    """The weights' precision, whether AdamW fits, and both in words."""
    import torch

    for dtype, adam in ((torch.float32, True), (torch.bfloat16, True), (torch.bfloat16, False)):
        size = dtype.itemsize
        needed = size * (trained * (1 + _STATES * adam) + frozen)
        if needed < free / (1.0 if not adam else 1.25):
            optimiser = "AdamW" if adam else "gradient descent by signs, which keeps no states,"
            precision = "float32" if dtype == torch.float32 else f"bfloat16 at a rate of {_RATE:g}"
            return dtype, adam, f"{optimiser} in {precision}, of each gradient as it comes, unclipped"
    raise TrainingError(
        f"{trained + frozen:,} numbers in bfloat16 need {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} are free."
    )


@contextmanager
def _of_type(dtype):
    """Within the block, networks are made in this precision."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def told(recipe, cost: Cost, processes: int, gpu: str, share: float) -> str:
    """A cost in words, and what the recipe's whole run can be expected to take."""
    from .costs import GIB, GPUS, gpu_hours, lasting_memory

    height, width = cost.size
    sources = recipe.sources
    each = -(-sources // (processes * recipe.accumulate))
    step = max(0, cost.peak - cost.before)
    lasting = lasting_memory(cost.trained, cost.frozen, recipe.ema > 0)
    hours = gpu_hours(cost.operations * sources * recipe.steps, gpu, share)
    targets = f"a source and {recipe.data.targets} targets" if recipe.data.targets > 1 else "a source and a target"
    lines = [
        f"{recipe.method}, {height}×{width}: {cost.trained:,} numbers trained, {cost.frozen:,} frozen",
        f"two steps of {targets}: {cost.how}; no condition dropped",
        f"  losses {', '.join(f'{loss:.4f}' for loss in cost.losses)}; {cost.moved} of {cost.tensors} tensors moved",
        f"  {cost.seconds:.1f} s the second, {cost.operations / 1e12:.2f} TFLOP, counted",
        f"  memory {cost.before / GIB:.1f} GiB before, {cost.peak / GIB:.1f} at most",
        f"estimate for {processes} {gpu}, a batch of {recipe.batch} ({each} x {targets} each at a time):",
        f"  memory of each {(lasting + each * step) / GIB:.0f} GiB: {lasting / GIB:.1f} of weights, gradients, AdamW's "
        f"states{', the average' if recipe.ema else ''} and half-precision copies, and {each} × {step / GIB:.1f} of a "
        "step, as it was here",
        f"  {recipe.steps:,} steps are {cost.operations * sources * recipe.steps / 1e18:.1f} EFLOP: {hours:.0f} GPU "
        f"hours at {share:.0%} of {GPUS[gpu]:g} TFLOPS, of which {hours / processes:.0f} pass",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
