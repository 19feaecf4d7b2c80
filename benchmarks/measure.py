"""Interleaved timing and peak memory, shared by the benchmarks."""

import contextlib
import ctypes
import gc
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
MIB = 2**20


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


def extra_peak_mib(run: Callable[[], object]) -> float | None:
    """How far memory rose above its level before the call, in MiB; None where the system does not tell.

    On a CPU the process's resident memory is sampled every millisecond.
    """
    gc.collect()
    if torch.cuda.is_available():
        _synchronise()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _synchronise()
        return (torch.cuda.max_memory_allocated() - before) / MIB
    if not _STATUS.exists():
        return None
    _return_free_memory()
    before = peak = _resident()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, _resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        done.set()
        watcher.join()
    return (peak - before) / MIB


def _return_free_memory() -> None:
    """glibc keeps what was freed; a peak inside that would not show."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _resident() -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
