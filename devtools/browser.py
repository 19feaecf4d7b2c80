"""Finding a Chromium to look at the front end with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .say import say

CHROMIUM_VARIABLE = "MANNEQUIN_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
#: Headless, and quiet: no first-run pages, no updates, nothing sent anywhere.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
]


class NoBrowser(RuntimeError):
    """A sentence about what to install."""


def find_chromium() -> str | None:
    """The path of a Chromium, Chrome or Edge on this machine; ``MANNEQUIN_CHROMIUM`` overrides."""
    candidates = [os.environ.get(CHROMIUM_VARIABLE), *map(shutil.which, _NAMES), *_PLACES]
    return next((path for path in candidates if path and Path(path).is_file()), None)


def ensure_chromium() -> str:
    """As ``find_chromium``; where apt-get is there and we may use it, chromium is installed.

    Raises:
        NoBrowser: there is none.
    """
    found = find_chromium()
    if found is None and sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing chromium with apt-get.")
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "--quiet=2", *words], stdout=subprocess.DEVNULL, check=False)
        found = find_chromium()
    if found is None:
        raise NoBrowser(
            "There is no Chromium here to open the front end with. Install one (Debian, Ubuntu: 'apt-get install "
            f"chromium'), or set {CHROMIUM_VARIABLE} to the program's path."
        )
    return found
