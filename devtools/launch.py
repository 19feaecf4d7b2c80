"""ComfyUI's ``main.py`` in this process, after what a CPU build of torch needs: ``python -m devtools.launch ARGS…``."""

import os
import runpy
import sys
import threading

from . import torchvision_operators
from .host import ROOT, comfyui_folder

#: Set by a parent that holds the other end of our standard input for as long as it lives.
LEASH_VARIABLE = "MANNEQUIN_LEASH"


def main() -> None:
    if os.environ.pop(LEASH_VARIABLE, None):
        threading.Thread(target=_end_with_parent, daemon=True).start()
    torchvision_operators.install()
    folder = comfyui_folder()
    # The pack's own folders must not hide the host's modules (nodes.py).
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
    sys.argv[0] = str(folder / "main.py")
    runpy.run_path(sys.argv[0], run_name="__main__")


def _end_with_parent() -> None:
    """A server whose parent was killed must not stay behind: the end of the input is the end of the parent."""
    # Not through sys.stdin: its lock, held here at the interpreter's end, would be fatal.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
