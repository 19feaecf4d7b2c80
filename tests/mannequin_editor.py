"""Mannequins' editors in the real front end, and what the body's own Python reads in their texts."""

import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from mannequin.preprocessors.body.camera import Camera
from mannequin.preprocessors.body.model import body
from mannequin.preprocessors.body.scene import lowest, read
from PIL import Image
from playwright.sync_api import Locator, Page

from devtools.client import Client
from devtools.screenshot import FrontEnd
from devtools.server import Server

NODE = "MannequinPoseMannequin"
WIDTH, HEIGHT = 512, 704
#: Between the canvas's edge and the picture's frame, CSS pixels.
MARGIN = 6
#: The head's handle, metres from its joint at rest.
CROWN = (0, 0.02, 0.158)
SIDES = ("left", "right")
FINGERS = ("thumb", "index finger", "middle finger", "ring finger", "little finger")
#: A person seen from somewhere, with nothing left to be placed by itself.
SCENE = {
    "version": 1,
    "people": [{"joints": {"left elbow": [40, 0, 0]}, "position": [0.1, 0, 0.98], "turn": 10}],
    "camera": {"yaw": 20, "pitch": 5, "distance": 5, "centre": [0, 0, 0.9], "height": 2.3},
}


@dataclass(frozen=True)
class Truth:
    """What the body's Python reads in a text.

    Attributes:
        joints: of every person by name, metres.
        turns: of every person by joint, degrees.
        lows: heights of their lowest points.
    """

    joints: list[dict[str, np.ndarray]]
    turns: list[dict[str, np.ndarray]]
    lows: list[float]
    camera: Camera

    @classmethod
    def of(cls, text: str, size: tuple[int, int] = (HEIGHT, WIDTH)) -> "Truth":
        scene = read(text)
        assert scene.said == []
        people = [figure.person() for figure in scene.figures]
        posed = [one.posed for one in people]
        places = [np.einsum("jab,jb->ja", one.transforms[:, :3, :3], one.shaped.joints) for one in posed]
        joints = [place + one.transforms[:, :3, 3] for place, one in zip(places, posed, strict=True)]
        names = body().names
        named = [dict(zip(names, one, strict=True)) for one in joints]
        for own, one in zip(named, posed, strict=True):
            own["crown"] = own["head"] + one.transforms[names.index("head"), :3, :3] @ CROWN
        turns = [dict(zip(names, figure.turns, strict=True)) for figure in scene.figures]
        return cls(named, turns, [lowest(one) for one in posed], scene.camera_of(people, size))

    def pixel(self, place: np.ndarray) -> np.ndarray:
        """Where a place is in the node's picture."""
        return self.camera.project(self.camera.seen(place)[None])[0][0]

    def place(self, pixel: tuple[float, float]) -> np.ndarray:
        """What is seen at a pixel as far away as the camera's centre, metres."""
        height, width = self.camera.size
        seen = np.array([pixel[0] - width / 2, 0, height / 2 - pixel[1]]) / self.camera.scale
        return self.camera.centre + seen @ self.camera.rotation

    def away(self, place: np.ndarray) -> float:
        """How far from the camera a place is, metres."""
        return float(self.camera.project(self.camera.seen(place)[None])[1][0])

    def handle(self, name: str, person: int = 0) -> np.ndarray:
        """Where a handle is, metres."""
        joints = self.joints[person]
        if name == "place":
            return joints["hips"] * [1, 1, 0]
        if name == "head":
            return joints["crown"]
        return joints[name.replace("hand", "wrist").replace("foot", "ankle")]


class Editor:
    """One node's editor."""

    def __init__(self, page: Page, node: int):
        self.page, self.node = page, node

    def ask(self, expression: str) -> Any:
        """A JavaScript expression of ``node``, ``text`` (the widget), ``element``, ``editor`` and ``drawing``."""
        script = f"""async id => {{
            const node = app.graph.getNodeById(id);
            const text = node.widgets.find(widget => widget.name === "mannequin");
            const {{ element }} = node.widgets.find(widget => widget.name === "editor");
            const {{ editor, drawing }} = element.mannequin;
            return {expression};
        }}"""
        return self.page.evaluate(script, self.node)

    @property
    def text(self) -> str:
        return self.ask("text.value")

    @property
    def scene(self) -> dict:
        return json.loads(self.text)

    @property
    def truth(self) -> Truth:
        return Truth.of(self.text)

    def handle(self, name: str, width: int = WIDTH) -> np.ndarray:
        """The pixel of the picture where the editor has a handle."""
        found = f"editor.handles({{ width: {width}, height: {HEIGHT} }})['{name}']"
        return np.array(self.ask(f"(({{ x, y }}) => [x, y])({found})"))

    @property
    def silhouette(self) -> np.ndarray:
        """Where the editor drew anybody, in the size of the node's picture."""
        self.page.wait_for_timeout(300)
        _, scale = self.frame()
        drawn = self.ask(
            f"""(() => {{
            const {{ width, height, clientWidth }} = element.querySelector("canvas");
            const scale = ({scale} * width) / clientWidth;
            const frame = {{ x: (width - {WIDTH} * scale) / 2, y: (height - {HEIGHT} * scale) / 2 }};
            const row = y => Array.from({{ length: {WIDTH} }}, (_, x) =>
                drawing.personAt(frame, {{ x: (x + 0.5) * scale, y: (y + 0.5) * scale }}) < 0 ? "0" : "1").join("");
            return Array.from({{ length: {HEIGHT} }}, (_, y) => row(y)).join("");
        }})()"""
        )
        return np.frombuffer(drawn.encode(), np.uint8).reshape(HEIGHT, WIDTH) == ord("1")

    def part(self, selector: str) -> Locator:
        handle = self.ask("(element.dataset.node = id, id)")
        return self.page.locator(f'.mannequin-panel[data-node="{handle}"] {selector}')

    def press(self, title: str) -> None:
        """A button whose title begins so."""
        # A busy browser may take a minute to say that no page comes after it.
        self.part(f'button[title^="{title}"]').click(no_wait_after=True)

    def choose(self, title: str, name: str) -> None:
        self.part(f'select[title="{title}"]').select_option(name)

    def pose(self, name: str) -> None:
        """One of the library."""
        self.press("Pose")
        self.part(f'.mannequin-gallery button[aria-label="{name}"]').click()

    def keys(self, *keys: str) -> None:
        """Keys after a click into the canvas where nothing is."""
        box = self.part("canvas").bounding_box()
        self.page.mouse.click(box["x"] + 3, box["y"] + 3)
        for key in keys:
            self.page.keyboard.press(key)

    def client(self, pixel: np.ndarray, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
        """Where a pixel of the node's picture is on the page."""
        box, scale = self.frame(size)
        return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]) + scale * (
            np.asarray(pixel) - np.array(size[::-1]) / 2
        )

    def frame(self, size: tuple[int, int] = (HEIGHT, WIDTH)) -> tuple[dict, float]:
        """The canvas on the page, and page pixels of one of the picture's."""
        box = self.part("canvas").bounding_box()
        return box, min((box["width"] - 2 * MARGIN) / size[1], (box["height"] - 2 * MARGIN) / size[0])

    def drag(self, begin: np.ndarray, end: np.ndarray, *held: str) -> None:
        """The mouse from a pixel of the picture to another one, with keys held."""
        for key in held:
            self.page.keyboard.down(key)
        self.page.mouse.move(*self.client(begin))
        self.page.mouse.down()
        self.page.mouse.move(*self.client(end), steps=4)
        self.page.mouse.up()
        for key in reversed(held):
            self.page.keyboard.up(key)

    def drag_handle(self, name: str, by: tuple[float, float], *held: str, person: int = 0) -> None:
        """A handle by so many pixels of the picture."""
        truth = self.truth
        begin = truth.pixel(truth.handle(name, person))
        self.drag(begin, begin + by, *held)


def node(number: int, text: str) -> dict[str, Any]:
    return {
        "id": number,
        "type": NODE,
        "pos": [520 * number - 480, 60],
        "size": [460, 860],
        "flags": {},
        "order": number,
        "mode": 0,
        "inputs": [{"name": "pose", "type": "POSE_KEYPOINT", "link": None}],
        "outputs": [],
        "properties": {},
        "widgets_values": [text, WIDTH, HEIGHT, "keep", "error"],
    }


def shown(front: FrontEnd, nodes: list[dict]) -> list[Editor]:
    graph = {"version": 0.4, "last_node_id": len(nodes), "last_link_id": 0, "nodes": nodes, "links": [], "groups": []}
    assert front.show(graph).faults == []
    in_view(front.page)
    return [Editor(front.page, one["id"]) for one in nodes]


def in_view(page: Page) -> None:
    page.evaluate(
        "() => { app.canvas.ds.scale = 1; app.canvas.ds.offset = [40, 20]; app.canvas.setDirty(true, true); }"
    )
    page.wait_for_timeout(300)


def turns_but(truth: Truth, *moved: str, person: int = 0) -> np.ndarray:
    """Turns of all joints but those whose name begins so."""
    return np.array([turn for name, turn in truth.turns[person].items() if not name.startswith(moved)])


def made(front: FrontEnd, server: Server, client: Client, number: int = 1) -> tuple[list[dict], np.ndarray]:
    """People of a node's POSE_KEYPOINT, and its mask, as the graph in the page makes them."""
    prompt = front.page.evaluate("async () => (await app.graphToPrompt()).output")
    wanted = {
        "pose": {"class_type": "MannequinSavePose", "inputs": {"pose": [str(number), 0], "prefix": "poses/editor"}}
    }
    mask = masked(client, prompt | wanted, [str(number), 6])
    newest = max((server.base / "output" / "poses").glob("editor*.json"), key=lambda path: path.stat().st_mtime_ns)
    pose = json.loads(newest.read_text(encoding="utf-8"))
    (frame,) = pose if isinstance(pose, list) else [pose]
    return frame["people"], mask


def masked(client: Client, prompt: dict, output: list) -> np.ndarray:
    """A graph's output of one MASK."""
    prompt = prompt | {
        "image": {"class_type": "MaskToImage", "inputs": {"mask": output}},
        "mask": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
    }
    (picture,) = client.images(client.run(prompt), "mask")
    return np.asarray(Image.open(BytesIO(picture)).convert("L")) > 127


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())
