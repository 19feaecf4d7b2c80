"""``python dev.py serve``: a browsable ComfyUI with the pack, until Ctrl-C."""

import argparse
import shutil
import time
from pathlib import Path

from .host import ROOT
from .say import say
from .server import Server


def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py serve", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--base", type=Path, default=ROOT / ".mannequin" / "serve", help="its models, input and output")
    arguments = parser.parse_args()
    (arguments.base / "input").mkdir(parents=True, exist_ok=True)
    for photo in (ROOT / "workflows" / "inputs").glob("*.png"):
        shutil.copy(photo, arguments.base / "input")
    say("Starting ComfyUI.")
    with Server(arguments.base, arguments.port) as server:
        say(f"{server.url} is ready; the pack's graphs are under Templates. Models go into {arguments.base / 'models'}.")
        say("Ctrl-C stops it.")
        try:
            while server.alive:
                time.sleep(1)
        except KeyboardInterrupt:
            say("Stopped.")


if __name__ == "__main__":
    main()
