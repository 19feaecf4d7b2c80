"""Interleaved timing and peak memory, shared by the benchmarks."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

_STATUS, _REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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


def extra_peak_bytes(run: Callable[[], object]) -> int | None:
    """How far memory rose above its level before the call; None where the system does not tell."""
    gc.collect()
    if torch.cuda.is_available():
        _synchronise()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _synchronise()
        return torch.cuda.max_memory_allocated() - before
    if not _REFS.exists():
        return None
    _REFS.write_text("5")
    before = _resident("VmRSS")
    run()
    return _resident("VmHWM") - before


def _resident(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
