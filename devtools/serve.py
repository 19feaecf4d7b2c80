"""``python dev.py serve``: a browsable ComfyUI with the pack, until Ctrl-C."""

import argparse
import os
import sys
import time
import webbrowser
from pathlib import Path

from .environment import home_folder
from .host import ROOT
from .say import say
from .server import Server, ServerError


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py serve", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.add_argument("--base", type=Path, default=home_folder(ROOT) / "serve", help="its models, input and output")
    parser.add_argument("--api-nodes", action="store_true", help="load the host's nodes for paid services too")
    parser.add_argument("--browser-not-needed", action="store_true", help="do not open a browser")
    arguments = parser.parse_args()
    say("Starting ComfyUI.")
    try:
        with Server(arguments.base, arguments.port, api_nodes=arguments.api_nodes) as server:
            say(f"{server.url} is ready after {server.start_seconds:.1f} s; the pack's graphs are under Templates.")
            say(f"Models go into {arguments.base / 'models'}. Ctrl-C stops it.")
            if _has_desktop() and not arguments.browser_not_needed:
                webbrowser.open(server.url)
            while server.alive:
                time.sleep(1)
            say(f"ComfyUI has stopped by itself. Its last words:\n{server.tail()}")
            return 1
    except ServerError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return 0


def _has_desktop() -> bool:
    """Whether a person sits in front of it: elsewhere ``webbrowser`` may open one in the terminal."""
    windowed = os.name == "nt" or sys.platform == "darwin" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return windowed and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
