"""A user's hands on the front end: what is clicked, dragged and typed, a picture of the page after each step."""

import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as NotInTime

from devtools.client import Client
from devtools.screenshot import FrontEnd

#: How long the server may take for a small graph, in seconds, and a step on the page, in milliseconds.
PATIENCE, STEP_MS = 120, 30_000
#: After how long a user clicks again on what has not opened, in milliseconds.
AGAIN_MS = 10_000
#: Where a socket, or with ``part`` "title" or a widget's name another part of a node, is seen on the page.
_SPOT = """([number, part, place]) => {
  const node = app.graph.getNodeById(number)
  const widget = node.widgets?.find(widget => widget.name === part)
  const [x, y] = part === 'input' ? node.getInputPos(place) : part === 'output' ? node.getOutputPos(place)
    : [node.pos[0] + node.size[0] / 2, node.pos[1] + (widget ? widget.y + 10 : -15)]
  const { scale, offset } = app.canvas.ds
  const frame = app.canvas.canvas.getBoundingClientRect()
  return [(x + offset[0]) * scale + frame.left, (y + offset[1]) * scale + frame.top]
}"""
_NODES = """() => app.graph.nodes.map(node => ({
  id: node.id, type: node.type, title: node.title, box: node.isSubgraphNode?.() ?? false,
  size: [...node.size], least: [...node.computeSize()],
  inputs: (node.inputs ?? []).map(socket => [socket.name, socket.label || socket.localized_name || socket.name]),
  widgets: (node.widgets ?? []).map(widget => [widget.name, widget.label || widget.name]),
}))"""
#: Of every picture on a node its address and size, once it is there.
_SHOWN = """number => {
  const pictures = app.graph.getNodeById(number).imgs ?? []
  if (!pictures.length || !pictures.every(picture => picture.complete && picture.naturalWidth)) return null
  return pictures.map(picture => [picture.src, picture.naturalWidth, picture.naturalHeight])
}"""
_LOADED = "pictures => pictures.every(picture => picture.complete && picture.naturalWidth > 0)"


class User:
    """Somebody who sees a page. Pictures of it go to ``folder``, numbered."""

    def __init__(self, front: FrontEnd, client: Client, folder: Path):
        self.page: Page = front.page
        self.page.set_default_timeout(STEP_MS)
        self.errors: list[str] = front._errors
        self.client = client
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.steps = 0

    def look(self, step: str) -> None:
        """Take a picture."""
        self.steps += 1
        self.page.screenshot(path=self.folder / f"{self.steps:02} {step}.png")

    def templates(self, pack: str) -> Locator:
        """Open the dialog of templates at a pack's; the cards in it."""
        self.page.locator(".templates-tab-button").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_text(pack, exact=True).click()
        cards = dialog.locator("[data-testid^=template-workflow-]")
        cards.first.wait_for()
        return cards

    def open_template(self, pack: str, name: str, nodes: int) -> None:
        """Open the dialog and choose one of a pack's templates."""
        self.templates(pack)
        self.choose_template(name, nodes)

    def choose_template(self, name: str, nodes: int) -> None:
        """In the open dialog; until its nodes are there.

        A card that moves between a button's down and up, as pictures above it come, is not chosen by the click.
        """
        card, dialog = self.page.locator(f"[data-testid=template-workflow-{name}]"), self.page.get_by_role("dialog")
        deadline = time.monotonic() + PATIENCE
        while dialog.count() and time.monotonic() < deadline:
            with suppress(NotInTime):
                card.click(timeout=AGAIN_MS, no_wait_after=True)
                dialog.wait_for(state="detached", timeout=AGAIN_MS)
        self.page.wait_for_function("count => app.graph.nodes.length === count", arg=nodes)

    def loaded(self, pictures: Locator) -> bool:
        """Whether all of these pictures have come."""
        deadline = time.monotonic() + STEP_MS / 1000
        while time.monotonic() < deadline:
            if pictures.count() and pictures.evaluate_all(_LOADED):
                return True
            self.page.wait_for_timeout(100)
        return False

    def new_graph(self) -> None:
        """An empty one, seen at its own size."""
        self.page.evaluate("() => app.extensionManager.command.execute('Comfy.NewBlankWorkflow')")
        self.page.wait_for_function("() => app.graph.nodes.length === 0")
        self.page.evaluate("() => { app.canvas.ds.reset(); app.canvas.setDirty(true, true) }")

    def library(self) -> Locator:
        """Open the node library, or shut it."""
        self.page.locator(".node-library-tab-button").click()
        return self.page.locator(".side-bar-panel")

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()

    def search(self, kind: str, at: tuple[float, float]) -> int:
        """Double-click on the canvas, type a node's type, choose the first; its number.

        Raises:
            AssertionError: the first is another.
        """
        box, deadline = self.page.locator(".comfy-vue-node-search-container input").first, time.monotonic() + PATIENCE
        while not box.is_visible() and time.monotonic() < deadline:
            # A canvas that is being drawn misses a double click now and then.
            self.page.mouse.dblclick(*at)
            with suppress(NotInTime):
                box.wait_for(timeout=AGAIN_MS)
        self.page.keyboard.type(kind)
        # What is typed is looked up a moment later; until then other nodes are on offer.
        self.page.wait_for_timeout(800)
        number = self._added(lambda: self.page.keyboard.press("Enter"))
        self.page.locator(".comfy-vue-node-search-container").wait_for(state="hidden")
        assert number in [node["id"] for node in self.nodes(kind)], self.nodes()
        return number

    def place(self, name: str, at: tuple[float, float]) -> int:
        """Drag an entry of the library onto the canvas; the new node's number."""
        entry = self.page.get_by_text(name, exact=True).first
        entry.scroll_into_view_if_needed()
        box = entry.bounding_box()
        return self._added(lambda: self.drag((box["x"] + 20, box["y"] + box["height"] / 2), at))

    def connect(self, origin: int, target: int, place: int, output: int = 0) -> None:
        """Drag a link from a node's output to another's input."""
        self.drag(self.spot(origin, "output", output), self.spot(target, "input", place))

    def upload(self, node: int, widget: str, file: Path) -> None:
        """Click on a button for files and give one."""
        with self.page.expect_file_chooser() as chooser:
            self.page.mouse.click(*self.spot(node, widget))
        chooser.value.set_files(file)
        self.page.wait_for_function(
            "([number, name]) => app.graph.getNodeById(number).widgets.some(widget => widget.value === name)",
            arg=[node, file.name],
        )

    def run(self) -> None:
        """Click on Run, and wait for the server to have finished.

        Raises:
            AssertionError: it said that something failed, or nothing in time.
        """
        before = len(json.loads(self.client.get("/history")))
        self.page.get_by_test_id("queue-button").click()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            assert not self.page.get_by_role("dialog").count(), self.page.get_by_role("dialog").inner_text()
            history = [*json.loads(self.client.get("/history")).values()]
            if len(history) > before:
                assert history[-1]["status"]["status_str"] == "success", history[-1]["status"]
                return
            self.page.wait_for_timeout(200)
        raise AssertionError(f"The server has not run the graph within {PATIENCE} s.")

    def help(self, node: int) -> Locator:
        """Select a node by its title, and click on the i above it."""
        self.page.mouse.click(*self.spot(node, "title"))
        self.page.get_by_test_id("info-button").click()
        return self.page.locator(".side-bar-panel")

    def nodes(self, kind: str = "") -> list[dict[str, Any]]:
        """What is in the graph, as it is called on the page."""
        return [node for node in self.page.evaluate(_NODES) if node["type"].startswith(kind)]

    def picture(self, node: int) -> Image.Image:
        """The only one that a node shows, as it is on the server."""
        ((address, width, height),) = self.page.wait_for_function(_SHOWN, arg=node).json_value()
        picture = Image.open(io.BytesIO(self.client.get(address.removeprefix(self.client.url))))
        assert picture.size == (width, height)
        return picture

    def spot(self, node: int, part: str, place: int = 0) -> tuple[float, float]:
        return tuple(self.page.evaluate(_SPOT, [node, part, place]))

    def _added(self, act: Callable[[], None]) -> int:
        there = {node["id"] for node in self.nodes()}
        act()
        self.page.wait_for_function("count => app.graph.nodes.length === count", arg=len(there) + 1)
        (number,) = {node["id"] for node in self.nodes()} - there
        return number
