"""ComfyUI's ``main.py`` in this process, after what a CPU build of torch needs: ``python -m devtools.launch ARGS…``."""

import runpy
import sys

from .host import ROOT, comfyui_folder, declare_torchvision_operators


def main() -> None:
    declare_torchvision_operators()
    folder = comfyui_folder()
    # The pack's own folders must not hide the host's modules (nodes.py).
    sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
    sys.argv[0] = str(folder / "main.py")
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
