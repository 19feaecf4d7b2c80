"""Pose Mannequin's editor in the real front end: gestures, keys, steps, graphs; and that the node makes what it shows.

What is right is asked of the body's own Python (:mod:`preprocessors.body`), which reads the node's text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from mannequin.preprocessors.body.camera import Camera
from mannequin.preprocessors.body.library import library
from mannequin.preprocessors.body.model import body
from mannequin.preprocessors.body.pose import STANDING
from mannequin.preprocessors.body.scene import lowest, read
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from devtools.browser import NoBrowser, ensure_chromium
from devtools.client import Client
from devtools.screenshot import FrontEnd, open_front_end
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

    def part(self, selector: str) -> Locator:
        handle = self.ask("(element.dataset.node = id, id)")
        return self.page.locator(f'.mannequin-panel[data-node="{handle}"] {selector}')

    def press(self, title: str) -> None:
        """A button whose title begins so."""
        self.part(f'button[title^="{title}"]').click()

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


@pytest.fixture(scope="module")
def front(server: Server) -> Iterator[FrontEnd]:
    try:
        ensure_chromium()
    except NoBrowser as error:
        pytest.skip(str(error))
    with open_front_end(server.url, 1600, 1000) as opened:
        yield opened


@pytest.fixture
def opened(front: FrontEnd):
    """``opened(text, …)``: editors of a graph with a node for each text. The page must not complain."""

    def opened(*texts: str | dict) -> list[Editor]:
        texts = [text if isinstance(text, str) else json.dumps(text) for text in texts]
        return shown(front, [node(number, text) for number, text in enumerate(texts, 1)])

    yield opened
    assert front._errors == []


@pytest.fixture
def editor(opened) -> Editor:
    """Of a node with :data:`SCENE`."""
    return opened(SCENE)[0]


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


class TestDragging:
    @pytest.mark.parametrize(
        ("handle", "by", "moving"),
        [
            ("left hand", (40, -60), ("left shoulder", "left elbow")),
            ("right hand", (-50, -90), ("right shoulder", "right elbow")),
            ("left foot", (60, -70), ("left hip", "left knee", "left ankle")),
            ("right foot", (-40, -30), ("right hip", "right knee", "right ankle")),
        ],
    )
    def test_a_hand_or_foot_is_where_it_is_dragged_and_brings_its_limb_alone(self, editor: Editor, handle, by, moving):
        before = editor.truth
        editor.drag_handle(handle, by)
        after = editor.truth
        place = after.handle(handle)
        assert after.pixel(place) == pytest.approx(before.pixel(before.handle(handle)) + by, abs=1.5)
        assert after.away(place) == pytest.approx(before.away(before.handle(handle)), abs=0.01)
        assert np.abs(turns_but(after, *moving) - turns_but(before, *moving)).max() < 0.011
        assert after.joints[0]["hips"] == pytest.approx(before.joints[0]["hips"], abs=1e-4)

    @pytest.mark.parametrize(("handle", "upper"), [("left elbow", "left shoulder"), ("right knee", "right hip")])
    def test_elbows_and_knees_turn_the_upper_part_alone(self, editor: Editor, handle, upper):
        before = editor.truth
        editor.drag_handle(handle, (25, -25))
        after = editor.truth
        long = [np.linalg.norm(truth.joints[0][handle] - truth.joints[0][upper]) for truth in (before, after)]
        assert long[1] == pytest.approx(long[0], abs=1e-4)
        aim = before.pixel(before.handle(handle)) + (25, -25)
        # A bone is as long as it is: its end is where the drag is seen from the upper joint.
        of = [
            aim - before.pixel(before.joints[0][upper]),
            after.pixel(after.handle(handle)) - after.pixel(after.joints[0][upper]),
        ]
        assert np.arctan2(*of[1]) == pytest.approx(np.arctan2(*of[0]), abs=0.06)
        assert np.abs(turns_but(after, upper) - turns_but(before, upper)).max() < 0.011

    def test_hips_move_over_feet_that_stay(self, editor: Editor):
        before = editor.truth
        editor.drag_handle("hips", (12, 60))
        after = editor.truth
        aim = before.pixel(before.handle("hips")) + (12, 60)
        assert after.pixel(after.handle("hips")) == pytest.approx(aim, abs=1)
        for side in SIDES:
            assert after.joints[0][f"{side} ankle"] == pytest.approx(before.joints[0][f"{side} ankle"], abs=0.01)
            assert after.turns[0][f"{side} knee"][0] > before.turns[0][f"{side} knee"][0] + 15

    def test_the_head_bends_the_trunk(self, editor: Editor):
        before = editor.truth
        editor.drag_handle("head", (60, 15))
        after = editor.truth
        aim = before.pixel(before.handle("head")) + (60, 15)
        # A trunk hardly gets longer or shorter: a centimetre.
        assert after.pixel(after.handle("head")) == pytest.approx(aim, abs=3)
        trunk = ("abdomen", "waist", "chest", "upper chest", "neck", "head")
        assert np.abs(turns_but(after, *trunk) - turns_but(before, *trunk)).max() < 0.011
        assert after.joints[0]["hips"] == pytest.approx(before.joints[0]["hips"], abs=1e-4)

    def test_the_square_on_the_floor_moves_the_whole_person(self, editor: Editor):
        before = editor.truth
        editor.drag_handle("place", (70, 0))
        after = editor.truth
        aim = before.pixel(before.handle("place")) + (70, 0)
        assert after.pixel(after.handle("place"))[0] == pytest.approx(aim[0], abs=1)
        assert after.joints[0]["hips"][2] == pytest.approx(before.joints[0]["hips"][2], abs=1e-4)
        assert after.away(after.handle("place")) == pytest.approx(before.away(before.handle("place")), abs=0.01)
        assert np.array_equal(turns_but(after), turns_but(before))

    def test_out_of_reach_is_a_straight_limb_towards_it_within_limits(self, editor: Editor):
        before = editor.truth
        shoulder = before.pixel(before.joints[0]["left shoulder"])
        editor.drag(before.pixel(before.handle("left hand")), shoulder + (250, 0))
        after = editor.truth
        reach = after.handle("left hand") - after.joints[0]["left shoulder"]
        bones = [("left shoulder", "left elbow"), ("left elbow", "left wrist")]
        long = sum(np.linalg.norm(after.joints[0][end] - after.joints[0][begin]) for begin, end in bones)
        assert np.linalg.norm(reach) == pytest.approx(long, rel=0.03)
        seen = after.pixel(after.handle("left hand")) - after.pixel(after.joints[0]["left shoulder"])
        assert np.degrees(np.arctan2(seen[1], seen[0])) == pytest.approx(0, abs=6)

    def test_a_click_on_a_handle_changes_nothing(self, editor: Editor):
        editor.drag_handle("left hand", (0, 0))
        assert editor.scene == SCENE
        assert editor.ask("editor.canUndo") is False
        assert editor.ask("editor.active") == "left hand"

    def test_alt_turns_the_hand_where_it_is(self, editor: Editor):
        before = editor.truth
        _, scale = editor.frame()
        editor.drag_handle("right hand", (40, 60), "Alt")
        after = editor.truth
        assert after.handle("right hand") == pytest.approx(before.handle("right hand"), abs=1e-4)
        turned = after.turns[0]["right forearm"][2] - before.turns[0]["right forearm"][2]
        assert turned == pytest.approx(40 * scale / 2, abs=0.5)
        bent = after.turns[0]["right wrist"][0] - before.turns[0]["right wrist"][0]
        assert bent == pytest.approx(60 * scale / 2, abs=0.5)

    def test_twist_is_the_same_for_who_has_no_alt(self, editor: Editor):
        before = editor.truth
        _, scale = editor.frame()
        editor.press("Drags turn")
        editor.drag_handle("place", (40, 0))
        assert editor.scene["people"][0]["turn"] == pytest.approx(10 + 40 * scale / 2, abs=0.5)
        assert editor.truth.joints[0]["hips"] == pytest.approx(before.joints[0]["hips"], abs=1e-4)
        editor.press("Drags turn")
        assert editor.ask("editor.twisting") is False


class TestCamera:
    def test_a_drag_beside_the_person_turns_it(self, editor: Editor):
        _, scale = editor.frame()
        editor.drag((30, 100), (130, 160))
        camera = editor.scene["camera"]
        assert camera["yaw"] == pytest.approx(20 - 100 * scale / 2, abs=0.6)
        assert camera["pitch"] == pytest.approx(5 + 60 * scale / 2, abs=0.6)
        assert {name: camera[name] for name in ("centre", "distance", "height")} == {
            name: SCENE["camera"][name] for name in ("centre", "distance", "height")
        }
        assert editor.scene["people"][0]["joints"] == SCENE["people"][0]["joints"]

    def test_with_shift_what_is_seen_comes_along(self, editor: Editor):
        before = editor.truth
        editor.drag((30, 100), (90, 60), "Shift")
        after = editor.truth
        middle = np.array(SCENE["camera"]["centre"])
        assert after.pixel(middle) == pytest.approx(before.pixel(middle) + (60, -40), abs=1.5)
        assert after.joints[0]["hips"] == pytest.approx(before.joints[0]["hips"], abs=1e-4)

    def test_the_wheel_zooms_who_has_clicked_into_it(self, editor: Editor):
        page = editor.page
        scale = page.evaluate("() => app.canvas.ds.scale")
        editor.keys()
        before = editor.truth
        page.mouse.move(*editor.client(np.array([180, 250])))
        page.mouse.wheel(0, -100)
        page.wait_for_timeout(600)
        assert editor.truth.pixel(before.place((180, 250))) == pytest.approx((180, 250), abs=1.5)
        assert editor.scene["camera"]["height"] == pytest.approx(2.3 / 1.1, abs=1e-3)
        assert page.evaluate("() => app.canvas.ds.scale") == scale

    def test_the_wheel_is_the_graphs_for_who_passes_over_it(self, editor: Editor):
        page = editor.page
        scale = page.evaluate("() => app.canvas.ds.scale")
        page.evaluate("() => document.activeElement?.blur()")
        page.mouse.move(*editor.client(np.array([256, 352])))
        page.mouse.wheel(0, -100)
        page.wait_for_timeout(600)
        assert editor.scene == SCENE
        assert page.evaluate("() => app.canvas.ds.scale") > scale

    def test_fit_frames_everybody_as_the_node_does(self, editor: Editor):
        editor.press("Show everybody")
        camera = dict(SCENE["camera"])
        placed = Truth.of(json.dumps(SCENE | {"camera": {"yaw": camera["yaw"], "pitch": camera["pitch"]}}))
        truth = editor.truth
        for joint, place in truth.joints[0].items():
            assert truth.pixel(place) == pytest.approx(placed.pixel(place), abs=1), joint

    def test_it_is_placed_anew_for_a_picture_of_another_size_until_it_is_placed(self, opened):
        for text, width in (("", 1024), (json.dumps(SCENE), 1024)):
            (editor,) = opened(text)
            editor.ask(
                "(widget => { widget.value = 1024; widget.callback?.(1024); })"
                '(node.widgets.find(widget => widget.name === "width"))'
            )
            truth = Truth.of(text, (HEIGHT, width))
            for name in ("head", "left hand", "right foot"):
                assert editor.handle(name, width) == pytest.approx(truth.pixel(truth.handle(name)), abs=1), name


class TestButtons:
    def test_turn(self, editor: Editor):
        editor.press("Turn the person to their left")
        assert editor.scene["people"][0]["turn"] == 25
        editor.press("Turn the person to their right")
        editor.press("Turn the person to their right")
        assert editor.scene["people"][0]["turn"] == -5

    def test_mirror(self, editor: Editor):
        editor.press("Mirror")
        assert editor.scene["people"][0]["joints"] == {"right elbow": [40, 0, 0]}
        assert editor.scene["people"][0]["turn"] == 10

    def test_a_pose_stands_on_the_floor_and_keeps_the_hands(self, opened):
        scene = json.loads(json.dumps(SCENE))
        scene["people"][0]["joints"] = {"left index finger 1": [50, 0, 0]}
        (editor,) = opened(scene)
        editor.pose("Sitting: Upright")
        truth = editor.truth
        for side in SIDES:
            assert truth.turns[0][f"{side} hip"][0] == 85
            assert truth.turns[0][f"{side} knee"][0] == 85
        assert truth.turns[0]["left index finger 1"][0] == 50
        assert truth.turns[0]["right index finger 1"][0] == STANDING["right index finger 1"][0]
        assert truth.lows[0] == pytest.approx(0, abs=0.004)

    def test_every_pose_is_within_limits_and_on_the_floor(self, editor: Editor):
        turn = SCENE["people"][0]["turn"]
        for category, poses in library().items():
            for name, pose in poses.items():
                editor.pose(f"{category}: {name}")
                assert editor.truth.lows[0] == pytest.approx(0, abs=0.004), name
                turn = pose.get("turn", turn)
                assert editor.scene["people"][0]["turn"] == turn, name

    def test_the_library_is_left_as_it_was(self, editor: Editor):
        before = editor.text
        editor.press("Pose")
        assert editor.part(".mannequin-gallery").is_visible()
        expect(editor.part('button[title^="Pose"]')).to_have_attribute("aria-expanded", "true")
        editor.page.keyboard.press("Escape")
        assert not editor.part(".mannequin-gallery").is_visible()
        expect(editor.part('button[title^="Pose"]')).to_have_attribute("aria-expanded", "false")
        editor.press("Pose")
        editor.press("Pose")
        assert not editor.part(".mannequin-gallery").is_visible() and editor.text == before

    def test_the_library_by_keys(self, editor: Editor):
        """The first pose has the keyboard; Delete there removes no node."""
        editor.press("Pose")
        for key in ("Delete", "Tab", "Enter"):
            editor.page.keyboard.press(key)
        assert not editor.part(".mannequin-gallery").is_visible()
        assert (
            editor.truth.turns[0]["left shoulder"][1] == library()["Standing"]["T-pose"]["joints"]["left shoulder"][1]
        )

    def test_a_hand_is_that_hand(self, editor: Editor):
        editor.choose("Right hand", "Pointing")
        before, after = Truth.of(json.dumps(SCENE)), editor.truth
        limits = dict(zip(body().names, body().limits, strict=True))
        for finger in ("middle", "ring", "little"):
            for bone, bend in enumerate((85, 95, 60), 1):
                name = f"right {finger} finger {bone}"
                assert after.turns[0][name][0] == min(bend, limits[name][0, 1])
        assert [after.turns[0][f"right index finger {bone}"][0] for bone in (1, 2, 3)] == [0, 0, 0]
        fingers = tuple(f"right {name}" for name in ("thumb", "index", "middle", "ring", "little"))
        assert np.abs(turns_but(after, *fingers) - turns_but(before, *fingers)).max() < 0.011

    def test_floor(self, opened):
        scene = json.loads(json.dumps(SCENE))
        scene["people"][0]["position"] = [0.1, 0, 1.4]
        (editor,) = opened(scene)
        editor.press("Put the person on the floor")
        assert editor.truth.lows[0] == pytest.approx(0, abs=0.004)
        assert editor.scene["people"][0]["position"][:2] == [0.1, 0]

    def test_reset_is_who_stands(self, editor: Editor):
        editor.press("Reset")
        assert editor.text == ""
        assert len(editor.ask("editor.scene.people.map(({ turn }) => turn)")) == 1
        editor.press("Undo")
        assert editor.scene == SCENE


class TestSeveral:
    TWO = SCENE | {"people": [{"position": [-0.5, 0, 0.98]}, {"position": [0.5, 0, 0.98], "turn": 5}]}

    def test_another_person_stands_beside_and_is_chosen(self, editor: Editor):
        editor.press("Add a person")
        first, second = editor.scene["people"]
        assert first["joints"] == SCENE["people"][0]["joints"]
        assert second["position"][:2] == [0.8, 0]
        assert editor.ask("editor.selected") == 1
        truth = editor.truth
        for person in truth.joints:
            for place in person.values():
                assert ((0, 0) < truth.pixel(place)).all() and (truth.pixel(place) < (WIDTH, HEIGHT)).all()

    def test_who_is_clicked_is_chosen_and_alone_is_changed(self, opened):
        (editor,) = opened(self.TWO)
        truth = editor.truth
        chest = truth.pixel(truth.joints[1]["chest"])
        editor.page.mouse.click(*editor.client(chest))
        assert editor.ask("editor.selected") == 1
        assert editor.text == json.dumps(self.TWO)
        editor.drag_handle("left hand", (30, -60), person=1)
        after = editor.truth
        aim = truth.pixel(truth.handle("left hand", 1)) + (30, -60)
        assert after.pixel(after.handle("left hand", 1)) == pytest.approx(aim, abs=1.5)
        assert np.array_equal(turns_but(after), turns_but(truth))
        assert after.joints[0]["hips"] == pytest.approx(truth.joints[0]["hips"], abs=1e-4)

    def test_the_chosen_one_is_removed(self, opened):
        (editor,) = opened(self.TWO)
        editor.keys("p", "Delete")
        assert [person["position"] for person in editor.scene["people"]] == [[-0.5, 0, 0.98]]
        editor.keys("Delete")
        assert editor.scene["people"] == []
        expect(editor.part('button[title^="Remove"]')).to_be_disabled()


class TestKeys:
    def test_arrows_move_the_handle_that_h_chooses(self, editor: Editor):
        # head, left hand, left elbow, right hand.
        editor.keys("h", "h", "h", "h")
        assert editor.ask("editor.active") == "right hand"
        before = editor.truth
        editor.page.keyboard.press("ArrowUp")
        editor.page.keyboard.press("ArrowUp")
        after = editor.truth
        right, away, up = before.camera.rotation @ (after.handle("right hand") - before.handle("right hand"))
        assert (right, away, up) == pytest.approx((0, 0, 0.04), abs=0.003)

    def test_arrows_turn_the_camera_while_none_is_chosen(self, editor: Editor):
        editor.keys("h", "Escape", "ArrowLeft", "ArrowUp")
        assert (editor.scene["camera"]["yaw"], editor.scene["camera"]["pitch"]) == (15, 10)

    def test_single_keys(self, editor: Editor):
        editor.keys("e", "m", "+")
        scene = editor.scene
        assert scene["people"][0]["turn"] == 15
        assert scene["people"][0]["joints"] == {"right elbow": [40, 0, 0]}
        assert scene["camera"]["height"] == pytest.approx(2.3 / 1.1, abs=1e-3)

    def test_after_a_button_they_are_the_mannequins(self, editor: Editor):
        editor.press("Mirror")
        editor.page.keyboard.press("e")
        assert editor.scene["people"][0]["turn"] == 15
        editor.page.keyboard.press("Control+z")
        editor.page.keyboard.press("Control+z")
        assert editor.scene == SCENE
        assert editor.ask("editor.canRedo") is True

    def test_they_are_none_of_the_graphs(self, editor: Editor):
        # The front end's own Delete, Ctrl+Z and m (mute) act on the selected node.
        editor.page.evaluate("id => app.canvas.selectNode(app.graph.getNodeById(id))", editor.node)
        editor.keys("m", "a", "Delete", "Control+z", "Control+z", "Control+z")
        assert editor.scene == SCENE
        assert editor.ask("node.mode") == 0
        assert editor.page.evaluate("() => app.graph.nodes.length") == 1


class TestTouch:
    """Fingers, as Chromium's own touch events."""

    @staticmethod
    def touch(editor: Editor, *steps: list[np.ndarray]) -> None:
        """Fingers at pixels of the picture, step by step; then all are lifted."""
        session = editor.page.context.new_cdp_session(editor.page)
        for number, pixels in enumerate(steps):
            points = [
                dict(zip("xy", editor.client(pixel).tolist(), strict=True), id=n) for n, pixel in enumerate(pixels)
            ]
            kind = "touchMove" if number else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        session.detach()
        editor.page.wait_for_timeout(200)

    def test_a_finger_drags_a_hand(self, editor: Editor):
        before = editor.truth
        begin = before.pixel(before.handle("left hand"))
        # Beside it: a finger is wider than a mouse's point.
        finger = begin + (14, 0)
        self.touch(editor, [finger], [finger + (20, -30)], [finger + (40, -60)])
        after = editor.truth
        assert after.pixel(after.handle("left hand")) == pytest.approx(begin + (40, -60), abs=1.5)
        assert editor.scene["camera"] == SCENE["camera"]

    def test_two_fingers_zoom_and_pan(self, editor: Editor):
        before = editor.truth
        a, b = np.array([60.0, 100.0]), np.array([140.0, 100.0])
        self.touch(editor, [a, b], [a + (-40, 20), b + (40, 20)])
        assert editor.scene["camera"]["height"] == pytest.approx(2.3 / 2, abs=0.02)
        assert editor.scene["people"][0]["joints"] == SCENE["people"][0]["joints"]
        # What was between the fingers still is.
        assert editor.truth.pixel(before.place((100, 100))) == pytest.approx((100, 120), abs=2)


class TestPhoto:
    GREEN = (20, 200, 40)

    def corner(self, editor: Editor) -> tuple[int, ...]:
        """The colour in the upper left of the picture's frame."""
        editor.page.wait_for_timeout(300)
        box, _ = editor.frame()
        x, y = editor.client(np.array([WIDTH / 2 - 20, 12])) - (box["x"], box["y"])
        place = f"{x} * canvas.width / canvas.clientWidth, {y} * canvas.height / canvas.clientHeight, 1, 1"
        return tuple(
            editor.ask(
                f"(canvas => [...canvas.getContext('2d').getImageData({place}).data])(element.querySelector('canvas'))"
            )[:3]
        )

    def test_it_lies_behind_the_person_and_nowhere_else(self, editor: Editor, tmp_path):
        path = tmp_path / "photo.png"
        Image.new("RGB", (WIDTH, HEIGHT), self.GREEN).save(path)
        before = self.corner(editor)
        editor.part('input[type="file"]').set_input_files(path)
        assert self.corner(editor) == self.GREEN
        assert editor.scene == SCENE
        assert "photo" not in json.dumps(editor.page.evaluate("() => app.graph.serialize()")).lower()
        editor.drag_handle("left hand", (40, -60))
        assert self.corner(editor) == self.GREEN
        editor.press("A photo behind")
        assert self.corner(editor) == before

    def test_what_is_none_is_said(self, editor: Editor, tmp_path):
        path = tmp_path / "words.png"
        path.write_text("no picture")
        editor.part('input[type="file"]').set_input_files(path)
        editor.page.wait_for_timeout(300)
        assert editor.part(".mannequin-said").inner_text() == "words.png is no picture that this browser reads."
        assert editor.scene == SCENE


class TestSteps:
    def test_undo_and_redo_give_the_very_texts(self, editor: Editor):
        texts = [editor.text]
        for act in (lambda: editor.drag_handle("left hand", (40, -60)), lambda: editor.press("Mirror")):
            act()
            texts.append(editor.text)
        assert len(set(texts)) == 3
        editor.keys("Control+z")
        assert editor.text == texts[1]
        editor.press("Undo")
        assert editor.text == texts[0]
        expect(editor.part('button[title^="Undo"]')).to_be_disabled()
        editor.keys("Control+y")
        assert editor.text == texts[1]
        editor.keys("Control+Shift+z")
        assert editor.text == texts[2]
        expect(editor.part('button[title^="Redo"]')).to_be_disabled()

    def test_a_drag_is_one_step(self, editor: Editor):
        editor.drag_handle("left hand", (40, -60))
        editor.press("Undo")
        assert editor.scene == SCENE

    def test_a_new_step_after_an_undo_leaves_nothing_to_redo(self, editor: Editor):
        editor.press("Mirror")
        editor.press("Undo")
        editor.press("Turn the person to their left")
        expect(editor.part('button[title^="Redo"]')).to_be_disabled()
        editor.press("Undo")
        assert editor.scene == SCENE


class TestGraphs:
    def test_saved_and_opened_again_on_a_new_page(self, front: FrontEnd, editor: Editor):
        editor.drag_handle("left hand", (40, -60))
        text = editor.text
        saved = front.page.evaluate("() => JSON.parse(JSON.stringify(app.graph.serialize()))")
        (values,) = [one["widgets_values"] for one in saved["nodes"]]
        # The editor is none of the values: without it the file is the same.
        assert values == [text, WIDTH, HEIGHT, "keep", "error"]
        front.page.reload()
        front.page.wait_for_function("() => window.app?.vueAppReady && app.canvas && app.graph?.nodes.length > 0")
        assert front.show(saved).faults == []
        in_view(front.page)
        again = Editor(front.page, 1)
        assert again.text == text
        assert again.ask("editor.canUndo") is False
        again.drag_handle("right hand", (-30, -50))
        before, after = Truth.of(text), again.truth
        aim = before.pixel(before.handle("right hand")) + (-30, -50)
        assert after.pixel(after.handle("right hand")) == pytest.approx(aim, abs=1.5)
        assert after.turns[0]["left elbow"] == pytest.approx(before.turns[0]["left elbow"], abs=0.011)

    def test_a_copy_has_the_pose_and_goes_its_own_way(self, front: FrontEnd, editor: Editor):
        editor.press("Mirror")
        text = editor.text
        front.page.evaluate(
            """id => {
            app.canvas.selectNode(app.graph.getNodeById(id));
            app.canvas.copyToClipboard();
            app.canvas.graph_mouse = [600, 60];
            app.canvas.pasteFromClipboard();
        }""",
            editor.node,
        )
        front.page.wait_for_timeout(300)
        (number,) = front.page.evaluate(
            "id => app.graph.nodes.map(({ id }) => id).filter(other => other !== id)", editor.node
        )
        front.page.evaluate(
            "id => { app.graph.getNodeById(id).pos = [560, 60]; app.canvas.setDirty(true, true); }", number
        )
        front.page.wait_for_timeout(300)
        copy = Editor(front.page, number)
        assert copy.text == text
        assert copy.ask("editor.canUndo") is False
        copy.press("Turn the person to their left")
        assert copy.scene["people"][0]["turn"] == 25
        assert editor.text == text
        editor.press("Mirror")
        assert editor.scene["people"][0]["joints"] == {"left elbow": [40, 0, 0]}
        assert copy.scene["people"][0]["joints"] == {"right elbow": [40, 0, 0]}

    def test_two_nodes_do_not_disturb_each_other(self, opened):
        first, second = opened(SCENE, "")
        first.drag_handle("left hand", (40, -60))
        moved = first.text
        assert second.text == "" and second.ask("editor.canUndo") is False
        second.pose("Sitting: Upright")
        second.keys("Control+z")
        assert first.text == moved
        assert second.text == ""
        first.keys("Control+z")
        assert first.scene == SCENE
        assert second.ask("editor.canRedo") is True

    def test_a_node_that_is_removed_takes_its_editor_along(self, front: FrontEnd, opened):
        first, second = opened(SCENE, SCENE)
        front.page.evaluate("id => app.graph.remove(app.graph.getNodeById(id))", first.node)
        front.page.wait_for_timeout(300)
        assert front.page.locator(".mannequin-panel:visible").count() == 1
        second.press("Mirror")
        assert second.scene["people"][0]["joints"] == {"right elbow": [40, 0, 0]}


class TestWhatIsSaid:
    def test_a_text_that_is_none_is_a_sentence_and_can_be_undone(self, editor: Editor):
        editor.ask('(text.value = "{", text.callback?.("{"))')
        editor.page.wait_for_timeout(200)
        assert editor.part(".mannequin-said").inner_text().startswith("The text is no JSON")
        expect(editor.part('button[title^="Mirror"]')).to_be_disabled()
        editor.press("Undo")
        assert editor.scene == SCENE
        assert editor.part(".mannequin-said").inner_text() == ""

    def test_a_linked_pose_is_said(self, front: FrontEnd, editor: Editor):
        front.page.evaluate(
            """id => {
            const source = LiteGraph.createNode("MannequinPoseMannequin");
            app.graph.add(source);
            source.connect(0, app.graph.getNodeById(id), app.graph.getNodeById(id).findInputSlot("pose"));
        }""",
            editor.node,
        )
        front.page.wait_for_timeout(300)
        assert editor.part(".mannequin-said").inner_text().startswith("People take the poses of the link")

    def test_the_text_takes_no_room_until_it_is_asked_for(self, editor: Editor):
        bottom = editor.page.evaluate(
            """id => { const node = app.graph.getNodeById(id);
            return (node.pos[1] + node.size[1] + app.canvas.ds.offset[1]) * app.canvas.ds.scale; }""",
            editor.node,
        )
        box = editor.part("canvas").bounding_box()
        assert box["height"] > 430
        assert abs(box["y"] + box["height"] - bottom) < 60
        assert editor.page.locator("textarea:visible").count() == 0
        editor.press("Show or hide the text")
        editor.page.wait_for_timeout(300)
        area = editor.page.locator("textarea:visible")
        assert json.loads(area.input_value()) == SCENE
        text, panel = area.bounding_box(), editor.part("canvas").bounding_box()
        assert text["height"] > 30
        assert text["y"] + text["height"] <= panel["y"] or panel["y"] + panel["height"] <= text["y"]

    def test_a_small_node_has_room_for_all_of_it(self, front: FrontEnd, opened):
        small = node(1, json.dumps(SCENE)) | {"size": [240, 200]}
        (editor,) = shown(front, [small])
        for _ in range(2):
            bottom = editor.ask("node.pos[1] + node.size[1] + app.canvas.ds.offset[1]")
            box = editor.part("canvas").bounding_box()
            assert box["height"] > 80
            assert box["y"] + box["height"] <= bottom + 1
            editor.press("Show or hide the text")
            front.page.wait_for_timeout(300)


class TestQueued:
    """The node makes the picture that the editor shows."""

    TEXTS = (
        "",
        json.dumps(SCENE),
        '{"people": [{"joints": {"left hip": 70, "left knee": 60, "right shoulder": [20, 80, 0]}, "turn": -30,'
        ' "shape": {"sex": 0.9, "height": -0.6, "build": 0.5}, "clothes": {"shoes": "none"}},'
        ' {"position": [0.9, 0.4], "lift": 0.1, "shape": {"height": 0.7, "muscle": 0.8}}],'
        ' "camera": {"yaw": -25, "pitch": 12}}',
    )

    @pytest.mark.parametrize("text", TEXTS, ids=["empty", "placed", "two"])
    def test_keypoints_are_the_editors_joints_to_a_pixel(
        self, front: FrontEnd, server: Server, client: Client, opened, text
    ):
        (editor,) = opened(text)
        if text:
            hand = editor.handle("right hand")
            editor.drag(hand, hand + (25, -40))
        shown = np.array(
            editor.ask(
                f"""await (async () => {{
            const {{ posed }} = await import("/extensions/mannequin-pose/js/kinematics.js");
            const {{ looking, projected }} = await import("/extensions/mannequin-pose/js/camera.js");
            const {{ camera, people }} = editor.scene;
            const see = place => projected(camera, looking(camera), {{ width: {WIDTH}, height: {HEIGHT} }}, place);
            return people.map(figure => posed(editor.body, figure).joints.map(see).map(({{ x, y }}) => [x, y]));
        }})()"""
            )
        )
        people, mask = self.made(front, server, client)
        assert len(people) == len(shown)
        joint = {name: number for number, name in enumerate(body().names)}
        bones = ["wrist", *(f"{finger} {bone}" for finger in FINGERS for bone in (1, 2, 3))]
        for person, joints in zip(people, shown, strict=True):
            for side in SIDES:
                points = np.reshape(person[f"hand_{side}_keypoints_2d"], (-1, 3))
                # The others, tips, are places on the skin.
                points = points[[0, *(4 * finger + bone for finger in range(5) for bone in (1, 2, 3))]]
                for bone, point in zip(bones, points, strict=True):
                    assert point == pytest.approx([*joints[joint[f"{side} {bone}"]], 1], abs=1), (side, bone)
        assert overlap(mask, self.silhouette(editor)) > 0.95

    @staticmethod
    def made(front: FrontEnd, server: Server, client: Client) -> tuple[list[dict], np.ndarray]:
        """People of the node's POSE_KEYPOINT, and its mask."""
        prompt = front.page.evaluate("async () => (await app.graphToPrompt()).output")
        prompt |= {
            "pose": {"class_type": "MannequinSavePose", "inputs": {"pose": ["1", 0], "prefix": "poses/editor"}},
            "image": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 6]}},
            "mask": {"class_type": "PreviewImage", "inputs": {"images": ["image", 0]}},
        }
        (picture,) = client.images(client.run(prompt), "mask")
        newest = max((server.base / "output" / "poses").glob("editor*.json"), key=lambda path: path.stat().st_mtime_ns)
        pose = json.loads(newest.read_text(encoding="utf-8"))
        (frame,) = pose if isinstance(pose, list) else [pose]
        return frame["people"], np.asarray(Image.open(BytesIO(picture)).convert("L")) > 127

    @staticmethod
    def silhouette(editor: Editor) -> np.ndarray:
        """Where the editor drew anybody, in the size of the node's picture."""
        _, scale = editor.frame()
        drawn = editor.ask(
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


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())
