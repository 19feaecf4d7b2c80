"""``python dev.py screenshot WORKFLOW.json OUT.png``: a workflow in the real front end, as picture and findings."""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import ConsoleMessage, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from .browser import FLAGS, NoBrowser, ensure_chromium
from .client import Client
from .say import say
from .server import Server, ServerError

#: No template browser for the new user, nothing that hides part of the graph, and words on small nodes too.
SETTINGS = {
    "Comfy.TutorialCompleted": True,
    "Comfy.Graph.CanvasInfo": False,
    "Comfy.Minimap.Visible": False,
    "LiteGraph.Canvas.LowQualityRenderingZoomThreshold": 0.1,
}
TIMEOUT_MS = 60_000
#: A thumbnail's largest width, the empty canvas that it keeps around the graph, in pixels, and its quality as a JPG:
#: titles can be read, and a graph is 15 to 45 kB.
WIDTH, MARGIN, QUALITY = 1100, 12, 45
#: The default graph is loaded last; a workflow opened before it would be replaced by it.
_READY = "() => window.app?.vueAppReady && app.canvas && !app.extensionManager?.spinner && app.graph?.nodes.length > 0"
#: Without the dialog that offers to download the models a workflow names: on a bare server it always comes.
_LOAD = "([workflow, name]) => app.loadGraphData(workflow, true, true, name, { showMissingModelsDialog: false })"
_COMMAND = "name => app.extensionManager.command.execute(name)"
_FIT, _FOCUS = "Comfy.Canvas.FitView", "Workspace.ToggleFocusMode"
#: What stays over the graph without menus: the button that brings them back, and the zoom's.
_LEFT_OVER = ".comfy-menu-hamburger, .p-buttongroup { display: none !important }"
#: Announcements of the front end's own, which a picture is better without.
_NO_BANNER = "localStorage.setItem('vueNodesBannerDismissed', 'true')"
#: The host keeps itself off the internet and has no previews for some things; the browser calls both errors.
_NOISE = ("Failed to load resource", "Connecting to 'https://")
_PROMPT = "async () => (await app.graphToPrompt()).output"
_INSPECT = (Path(__file__).parent / "inspect_graph.js").read_text(encoding="utf-8")


@dataclass
class Findings:
    """What the front end made of a workflow. Nodes are named ``id type``.

    Attributes:
        nodes: how many there are in the graph.
        unknown: nodes whose type the server does not have.
        lost_links: links of the file that are not in the graph, or join slots whose types do not fit.
        unconnected: required inputs without a link.
        bad_values: choices that are not among the widget's options (a photo that is not there, a renamed option). A
            model that its node says where to download is none.
        dialogs: texts of the dialogs and warnings that opened, such as the one about missing nodes.
        errors: exceptions and complaints on the page's console while the graph was loaded.
        prompt: the graph in API format, as the front end queues it.
    """

    nodes: int
    unknown: list[str]
    lost_links: list[str]
    unconnected: list[str]
    bad_values: list[str]
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    prompt: dict[str, dict] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """One sentence for each thing that a user who opens the workflow would have to mend."""
        named = (
            (self.unknown, "unknown node"),
            (self.lost_links, "lost link"),
            (self.unconnected, "required input without a link"),
            (self.bad_values, "value that is not on offer"),
            (self.dialogs, "dialog"),
            (self.errors, "error in the page"),
        )
        return [f"{kind}: {text}" for texts, kind in named for text in texts]


class FrontEnd:
    """A browser on a server's front end; use ``open_front_end``."""

    def __init__(self, page: Page):
        self.page = page
        self._errors: list[str] = []
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("console", self._hear)

    def show(self, workflow: dict, picture: Path | None = None, name: str | None = None) -> Findings:
        """Open a workflow under a name; with ``picture``, fit it into the view and save that.

        Args:
            picture: a PNG is the view as it is, a JPG a thumbnail of it.
        """
        self._errors.clear()
        self.page.evaluate(_LOAD, [workflow, name])
        self.page.wait_for_timeout(500)
        findings = Findings(**self.page.evaluate(_INSPECT, workflow), dialogs=self._dismiss(), errors=[*self._errors])
        findings.prompt = self.page.evaluate(_PROMPT)
        if picture is not None:
            picture.parent.mkdir(parents=True, exist_ok=True)
            self.page.evaluate(_COMMAND, _FIT)
            # The view glides there, and photos arrive.
            self.page.wait_for_timeout(1000)
            self.page.wait_for_load_state("networkidle")
            self._save(picture)
        return findings

    def hide_menus(self) -> None:
        """Leave nothing but the graph, as for a thumbnail."""
        self.page.evaluate(_COMMAND, _FOCUS)
        self.page.add_style_tag(content=_LEFT_OVER)

    def _save(self, picture: Path) -> None:
        if picture.suffix != ".jpg":
            self.page.screenshot(path=picture)
            return
        with tempfile.TemporaryDirectory() as folder:
            self.page.screenshot(path=Path(folder) / "view.png")
            with Image.open(Path(folder) / "view.png") as view:
                save_thumbnail(view.convert("RGB"), picture)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(_NOISE):
            self._errors.append(message.text)

    def _dismiss(self) -> list[str]:
        """Close what has opened over the graph; what it said."""
        warnings = self.page.locator(".p-toast-message:visible").all()
        dialogs = self.page.locator(".p-dialog:visible").all()
        texts = [" ".join(box.inner_text().split()) for box in [*dialogs, *warnings]]
        for _ in dialogs:
            self.page.keyboard.press("Escape")
            self.page.wait_for_timeout(300)
        for close in self.page.locator(".p-toast-close-button:visible").all():
            close.click()
        return texts


def cut(view: Image.Image) -> Image.Image:
    """A view without the empty canvas around what it shows."""
    pixels = np.asarray(view, int)
    shown = np.abs(pixels - pixels[-1, -1]).max(-1) > 14
    ys, xs = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
    if not len(ys):
        return view
    right, bottom = min(xs[-1] + MARGIN, view.width), min(ys[-1] + MARGIN, view.height)
    return view.crop((max(xs[0] - MARGIN, 0), max(ys[0] - MARGIN, 0), right, bottom))


def save_thumbnail(view: Image.Image, file: Path) -> None:
    """A view as a small JPG, cut to what it shows."""
    view = cut(view)
    if view.width > WIDTH:
        view = view.resize((WIDTH, round(view.height * WIDTH / view.width)), Image.Resampling.LANCZOS)
    view.save(file, quality=QUALITY, optimize=True, progressive=True)


@contextlib.contextmanager
def open_front_end(
    url: str, width: int = 1600, height: int = 900, settings: dict[str, Any] | None = None
) -> Iterator[FrontEnd]:
    """A headless browser on the server at ``url``, ready to show workflows.

    Args:
        settings: of the front end, over ours; the server keeps them.

    Raises:
        NoBrowser: there is no Chromium on this machine.
    """
    Client(url).post("/settings", SETTINGS | (settings or {}))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=ensure_chromium(), args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(TIMEOUT_MS)
            page.add_init_script(_NO_BANNER)
            page.goto(url)
            page.wait_for_function(_READY)
            yield FrontEnd(page)
        finally:
            browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py screenshot", description=__doc__.splitlines()[0])
    parser.add_argument("workflow", type=Path)
    parser.add_argument("picture", type=Path, metavar="OUT", help="a PNG, or a JPG as graphs have for thumbnails")
    parser.add_argument("--size", default="1600x900", help="of the window; default %(default)s")
    parser.add_argument("--graph-only", action="store_true", help="without the front end's menus")
    arguments = parser.parse_args()
    workflow = json.loads(arguments.workflow.read_text(encoding="utf-8"))
    width, height = map(int, arguments.size.split("x"))
    try:
        # The server's folder is made anew, so that findings do not depend on what lies about on this machine.
        with Server() as server, open_front_end(server.url, width, height) as front_end:
            if arguments.graph_only:
                front_end.hide_menus()
            findings = front_end.show(workflow, arguments.picture, arguments.workflow.stem)
    except (NoBrowser, ServerError, PlaywrightError) as error:
        say(str(error))
        return 1
    say(f"{arguments.picture}: {findings.nodes} nodes, {len(findings.faults)} faults")
    for fault in findings.faults:
        say(f"  {fault}")
    return 1 if findings.faults else 0


if __name__ == "__main__":
    sys.exit(main())
