"""``python training_driver.py MODULE …``: a command of ``training`` in a process of its own, as tests start it.

The CPU build of torchvision that tests are installed with lacks an operator that diffusers asks for on import.
"""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from devtools import torchvision_operators  # noqa: E402

if __name__ == "__main__":
    torchvision_operators.install()
    module, sys.argv = sys.argv[1], sys.argv[1:]
    runpy.run_module(module, run_name="__main__")
