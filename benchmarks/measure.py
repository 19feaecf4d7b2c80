"""Interleaved timing and peak memory, shared by the benchmarks."""

import contextlib
import ctypes
import gc
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from training.costs import watched_memory

MIB = 2**20
Result = TypeVar("Result")
#: The CPU's fused attention, which torch's counter does not know.
_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda *shapes, **_: sdpa_flop_count(*shapes[:3]),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *shapes, **_: sdpa_backward_flop_count(
        *shapes[:4]
    ),
}


def interleaved(variants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every variant, A B C A B C …, so that a machine that slows down slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, run in variants.items():
            seconds[name].append(timed(run))
    return seconds


def timed(run: Callable[[], object]) -> float:
    """Seconds of one call, the accelerator's queue included."""
    _synchronise()
    start = time.perf_counter()
    run()
    _synchronise()
    return time.perf_counter() - start


def ratio(seconds: Mapping[str, list[float]], name: str, base: str) -> float:
    """Median over the rounds of one variant's time to another's in the same round."""
    return statistics.median(a / b for a, b in zip(seconds[name], seconds[base], strict=True))


def parts_of(run: Callable[[], object], parts: Mapping[str, Iterable[nn.Module]]) -> dict[str, float]:
    """Seconds of one call that its modules take, by part, and all of it under "whole".

    The accelerator is waited for at every module's ends, so that the whole is slower than a plain call.

    Args:
        parts: modules, none inside another.
    """
    seconds: dict[str, float] = defaultdict(float)
    with contextlib.ExitStack() as hooks:
        for part, modules in parts.items():
            for module in modules:
                for handle in _clocks(module, part, seconds):
                    hooks.callback(handle.remove)
        seconds["whole"] = timed(run)
    return dict(seconds)


def _clocks(module: nn.Module, part: str, seconds: dict[str, float]) -> tuple:
    """Hooks that add a module's time to its part's."""

    def start(*_) -> None:
        _synchronise()
        seconds[part] -= time.perf_counter()

    def stop(*_) -> None:
        _synchronise()
        seconds[part] += time.perf_counter()

    return module.register_forward_pre_hook(start), module.register_forward_hook(stop)


def passes(run: Callable[[], Result], layers: Mapping[str, nn.Module]) -> tuple[Result, dict[str, tuple[int, int]]]:
    """A call's result, how often it goes forward through a layer, and how often a gradient comes back to that."""
    counts = {name: [0, 0] for name in layers}
    with contextlib.ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(_counter(counts[name])).remove)
        result = run()
    return result, {name: (forward, back) for name, (forward, back) in counts.items()}


def _counter(count: list[int]) -> Callable:
    def forward(module: nn.Module, given: tuple, result: torch.Tensor) -> None:
        count[0] += 1
        if result.requires_grad:
            result.register_hook(back)

    def back(gradient: torch.Tensor) -> None:
        count[1] += 1

    return forward


def arithmetic(run: Callable[[], Result]) -> tuple[Result, float]:
    """A call's result, and the operations of its matrix products, convolutions and attentions in 10¹² (FLOP)."""
    with FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
        result = run()
    return result, counter.get_total_flops() / 1e12


def extra_peak_mib(run: Callable[[], object]) -> float | None:
    """How far memory rose above its level before the call, in MiB; None where the system does not tell.

    On a CPU it is the process's resident memory.
    """
    gc.collect()
    if torch.cuda.is_available():
        _synchronise()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _synchronise()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    _return_free_memory()
    with watched_memory() as peak:
        run()
    return (peak.most - peak.before) / MIB if peak.most else None


def _return_free_memory() -> None:
    """glibc keeps what was freed; a peak inside that would not show."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
