"""The command line of a benchmark of one method's step, and what it prints."""

import argparse
import json
import platform
import sys
from collections.abc import Callable

import torch

#: Figures of every variant by name.
Rows = dict[str, dict[str, float | None]]
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
    parser = argparse.ArgumentParser(prog=f"dev.py bench {command}", description=what)
    parser.add_argument("--quick", action="store_true", help="a small network and image: checks the benchmark itself")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--side", type=int, default=512, help=f"of {of}, in pixels (default 512)")
    arguments = parser.parse_args()
    side = QUICK_SIDE if arguments.quick else arguments.side
    rows = measure(arguments.quick, side, arguments.rounds)
    sys.stdout.write(table(side, rows) + "\n\n")
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    sys.stdout.write(json.dumps({"machine": machine, "rounds": arguments.rounds, "side": side, "rows": rows}) + "\n")
