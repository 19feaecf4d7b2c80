"""What training steps cost on this machine, and what a run can be expected to cost on GPUs."""

import gc
import os
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW

GIB = 2**30
#: Dense bfloat16 operations a second, in TFLOPS, of the makers' data sheets.
GPUS = {"A100": 312.0, "H100": 989.0}


class Arriving:
    """An optimiser of every weight for itself, which takes a gradient as soon as it is there and lets it go.

    Weights and states are all that lasts; there is never a whole gradient, and so nothing to clip.

    Args:
        parameters: what is trained.
        adam: AdamW; else gradient descent, which keeps no states.
        rate: the learning rate.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], adam: bool, rate: float) -> None:
        self._parameters, self._kind, self._rate = parameters, AdamW if adam else SGD, rate
        self._handles: list[Any] = []
        self._optimisers: dict[nn.Parameter, torch.optim.Optimizer] = {}

    def __enter__(self) -> "Arriving":
        self._handles = [weight.register_post_accumulate_grad_hook(self._take) for weight in self._parameters]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _take(self, weight: nn.Parameter) -> None:
        if self._kind is SGD:
            # As large a step as Adam's first: a gradient's own would be rounded away.
            weight.grad.sign_()
        if weight not in self._optimisers:
            self._optimisers[weight] = self._kind([weight], self._rate, weight_decay=0.0)
        self._optimisers[weight].step()
        weight.grad = None


class Fingerprints:
    """Whether weights have moved since, told by sums instead of copies."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self._before = [self._of(weight) for weight in parameters]

    @staticmethod
    @torch.no_grad()
    def _of(weight: Tensor) -> tuple[float, float]:
        return float(weight.double().sum()), float(weight.double().abs().sum())

    def moved(self) -> int:
        """How many tensors have."""
        return sum(self._of(weight) != was for weight, was in zip(self._parameters, self._before, strict=True))


@dataclass
class Peak:
    """Of the process, in bytes: before, and at most within, a block; 0 where the system does not tell."""

    before: int = 0
    most: int = 0


@contextmanager
def watched_memory():
    """Gives a :class:`Peak`, whose ``most`` is known behind the block. Linux tells; elsewhere both are 0."""
    gc.collect()
    peak = Peak(_status("VmRSS"))
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        peak.before = 0
    yield peak
    peak.most = _status("VmHWM") if peak.before else 0


def _status(name: str) -> int:
    return _kibibytes("/proc/self/status", name)


def _kibibytes(file: str, name: str) -> int:
    """What Linux says of memory, in bytes; 0 elsewhere."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), 0)


def free_memory() -> int:
    """Bytes that are to be had now."""
    return _kibibytes("/proc/meminfo", "MemAvailable") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def lasting_memory(trained: int, frozen: int, averaged: bool) -> int:
    """Bytes on a GPU, whatever the batch: weights, gradients and AdamW's two moments in single precision.

    And the moving average, where one is kept, and half-precision copies of the weights, which autocast keeps for the
    length of a step.
    """
    return trained * (4 + 4 + 8 + 2 + (4 if averaged else 0)) + frozen * (4 + 2)


def gpu_hours(operations: float, gpu: str, share: float) -> float:
    """Of so many operations at a share of a GPU's dense bfloat16 peak."""
    return operations / (GPUS[gpu] * 1e12 * share) / 3600
