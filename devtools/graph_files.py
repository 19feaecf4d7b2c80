"""Graphs as files of this repository, whose changes can be read line by line."""

import json
import re
from pathlib import Path
from typing import Any

#: What JSON's own indentation makes of a position or a size: a line for each number. No string has such an end of line.
_NUMBERS = re.compile(r"\[\n\s*((?:-?[\d.]+,\n\s*)*-?[\d.]+)\n\s*\]")


def write_graph(path: Path, graph: Any) -> None:
    """One entry a line, and lists of numbers on one."""
    text = _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", json.dumps(graph, indent=1))
    path.write_text(text + "\n", encoding="utf-8")
