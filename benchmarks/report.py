"""The command lines of benchmarks of one method's step, and what they print."""

import argparse
import json
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

#: Figures of every variant by name.
Rows = dict[str, dict[str, float | None]]
#: Height and width of a picture, in pixels.
Size = tuple[int, int]
#: Of the picture in --quick, in pixels.
QUICK_SIDE = 128


@torch.inference_mode()
def run(
    command: str, what: str, of: str, measure: Callable[[bool, int, int], Rows], table: Callable[[int, Rows], str]
) -> None:
    """Measure what the command line asks for, and print the table and the same as JSON.

    Args:
        command, what: for the help.
        of: which side is asked for.
        measure: given whether a small network will do, the side in pixels and the rounds.
        table: of a side and its figures.
    """
    parser = _parser(command, what)
    parser.add_argument("--side", type=int, default=512, help=f"of {of}, in pixels (default 512)")
    arguments = parser.parse_args()
    side = QUICK_SIDE if arguments.quick else arguments.side
    rows = measure(arguments.quick, side, arguments.rounds)
    _print(table(side, rows), {"rounds": arguments.rounds, "side": side, "rows": rows})


@torch.inference_mode()
def run_sizes(
    command: str,
    what: str,
    of: str,
    sizes: Sequence[str],
    quick: str,
    measure: Callable[[bool, Size, int], Rows],
    table: Callable[[Size, Rows], str],
) -> None:
    """As :func:`run`, of pictures of several sizes, written HEIGHTxWIDTH.

    Args:
        of: what the sizes are of.
        sizes: where the command line says none.
        quick: the size of a picture in --quick.
    """
    parser = _parser(command, what)
    parser.add_argument("--sizes", nargs="+", default=sizes, help=f"HEIGHTxWIDTH of {of} ({' '.join(sizes)})")
    arguments = parser.parse_args()
    for text in [quick] if arguments.quick else arguments.sizes:
        height, width = map(int, text.split("x"))
        rows = measure(arguments.quick, (height, width), arguments.rounds)
        _print(table((height, width), rows), {"rounds": arguments.rounds, "size": text, "rows": rows})


def in_mib(peak: float | None) -> str:
    """Memory, for a table."""
    return "–" if peak is None else f"{peak:.0f}"


def _parser(command: str, what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"dev.py bench {command}", description=what)
    parser.add_argument("--quick", action="store_true", help="a small network and image: checks the benchmark itself")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    return parser


def _print(text: str, figures: dict[str, Any]) -> None:
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    sys.stdout.write(f"{text}\n\n{json.dumps({'machine': machine} | figures)}\n")
    sys.stdout.flush()
