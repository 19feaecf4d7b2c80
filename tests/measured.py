"""The converter in a process of its own: how long it takes, and how much memory."""

import subprocess
import sys
import time
from pathlib import Path

from devtools.host import ROOT

GIB = 2**30
_PROGRAM = """
import re, sys
from training.convert import main
status = main(sys.argv[1:])
# Of this program alone: getrusage begins with the memory of the process that started it.
peak = re.search(r"VmHWM:[^0-9]+([0-9]+) kB", open("/proc/self/status").read())[1]
sys.stderr.write("peak " + str(int(peak) * 1024))
raise SystemExit(status)
"""


def converted(*arguments: str | Path) -> tuple[float, int]:
    """Seconds and bytes, pages of mapped files included, of a conversion that must succeed."""
    start = time.perf_counter()
    command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - start, int(done.stderr.split("peak ")[-1])
