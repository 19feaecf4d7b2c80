"""Pose Mannequin's editor goes on from what came along a link: after a run it knows whom the node has drawn."""

import itertools
import json

import numpy as np
import pytest
from mannequin.preprocessors.pose_parts import ARRAYS
from mannequin_editor import SCENE, Editor, Truth, made, node, shown
from playwright.sync_api import expect

from devtools.client import Client
from devtools.screenshot import FrontEnd
from devtools.server import Server

#: Of the node's outputs.
KEYPOINTS, SKELETON, TEXT = 0, 3, 7
SITTING = {
    "version": 1,
    "people": [
        {
            "shape": {"sex": 0.8},
            "joints": {"left hip": 60, "left knee": 70, "right shoulder": [20, 60, 0], "right elbow": 50},
            "position": [0.05, 0],
            "clothes": {"bottom": "short skirt"},
        }
    ],
    "camera": {"distance": 5, "centre": [0, 0, 0.9], "height": 2.2},
}
#: What the host has in its cache it does not run again, nor tells the page of: each graph is another one.
TURNS = itertools.count(25)
TAKE = 'button[title^="Take pose"]'


def linked(front: FrontEnd, output: int, name: str) -> tuple[Editor, Editor]:
    """A node with SITTING whose output goes to an input of one with SCENE, and a picture of the latter."""
    (person,) = SITTING["people"]
    come = SITTING | {"people": [person | {"turn": next(TURNS)}]}
    first, second = shown(front, [node(1, json.dumps(come)), node(2, json.dumps(SCENE))])
    front.page.evaluate(
        """([output, name, skeleton]) => {
        const [first, second] = [1, 2].map(id => app.graph.getNodeById(id));
        first.connect(output, second, second.findInputSlot(name));
        const picture = LiteGraph.createNode("PreviewImage");
        app.graph.add(picture);
        picture.pos = [1080, 60];
        second.connect(skeleton, picture, 0);
    }""",
        [output, name, SKELETON],
    )
    return first, second


def ran(editor: Editor) -> None:
    """Run the graph from its page."""
    editor.page.evaluate("() => app.queuePrompt(0)")
    expect(editor.part(TAKE)).to_be_visible(timeout=60_000)
    editor.page.wait_for_timeout(300)


def unlink(editor: Editor, name: str) -> None:
    editor.ask(f"node.disconnectInput(node.findInputSlot('{name}'))")
    editor.page.wait_for_timeout(300)


def points(person: dict) -> np.ndarray:
    return np.reshape([value for key in ("pose_keypoints_2d", *ARRAYS) for value in person[key]], (-1, 3))


def same_to_a_pixel(one: dict, other: dict) -> None:
    one, other = points(one), points(other)
    assert np.array_equal(one[:, 2] > 0, other[:, 2] > 0) and (one[:, 2] > 0).sum() > 60
    assert np.abs(one[:, :2] - other[:, :2]).max() < 1


class TestPose:
    def test_the_text_taken_makes_the_keypoints_of_the_link(
        self, front: FrontEnd, server: Server, client: Client, opened
    ):
        _, editor = linked(front, KEYPOINTS, "pose")
        expect(editor.part(TAKE)).to_be_hidden()
        ran(editor)
        # Until it is taken nothing is changed.
        assert editor.text == json.dumps(SCENE)
        ((fitted,), _) = made(front, server, client, 2)
        editor.press("Take pose")
        assert editor.text == editor.ask("editor.result")
        assert "disconnect pose" in editor.part(".mannequin-said").inner_text()
        expect(editor.part(TAKE)).to_be_disabled()
        taken = editor.text
        assert Truth.of(taken).lows == pytest.approx([0], abs=0.002)
        editor.press("Undo")
        assert editor.text == json.dumps(SCENE)
        editor.press("Redo")
        unlink(editor, "pose")
        assert editor.part(".mannequin-said").inner_text() == ""
        ((again,), _) = made(front, server, client, 2)
        same_to_a_pixel(fitted, again)
        # And it goes on from there.
        editor.drag_handle("left hand", (20, -30))
        before, after = Truth.of(taken), editor.truth
        aim = before.pixel(before.handle("left hand")) + (20, -30)
        assert after.pixel(after.handle("left hand")) == pytest.approx(aim, abs=1.5)

    def test_a_run_without_links_has_nothing_to_take(self, front: FrontEnd, opened):
        _, editor = linked(front, KEYPOINTS, "pose")
        ran(editor)
        unlink(editor, "pose")
        # Who has disconnected it first can still take it.
        expect(editor.part(TAKE)).to_be_visible()
        front.page.evaluate("() => app.queuePrompt(0)")
        expect(editor.part(TAKE)).to_be_hidden(timeout=120_000)
        assert editor.text == json.dumps(SCENE)


class TestText:
    def test_the_scene_that_was_run_is_seen_and_taken(self, front: FrontEnd, server: Server, client: Client, opened):
        source, editor = linked(front, TEXT, "mannequin")
        own, come = Truth.of(json.dumps(SCENE)), source.truth
        assert editor.handle("left foot") == pytest.approx(own.pixel(own.handle("left foot")), abs=1)
        ran(editor)
        for name in ("head", "left foot", "right hand"):
            assert editor.handle(name) == pytest.approx(come.pixel(come.handle(name)), abs=1), name
        assert editor.text == json.dumps(SCENE)
        ((run,), _) = made(front, server, client, 2)
        editor.press("Take pose")
        assert "disconnect mannequin" in editor.part(".mannequin-said").inner_text()
        assert editor.scene["people"][0]["shape"] == {"sex": 0.8}
        assert editor.scene["people"][0]["clothes"]["bottom"] == "short skirt"
        unlink(editor, "mannequin")
        assert editor.handle("left foot") == pytest.approx(come.pixel(come.handle("left foot")), abs=1)
        ((again,), _) = made(front, server, client, 2)
        same_to_a_pixel(run, again)
        editor.press("Undo")
        assert editor.text == json.dumps(SCENE)

    def test_whoever_disconnects_without_taking_sees_the_nodes_own_text(self, front: FrontEnd, opened):
        _, editor = linked(front, TEXT, "mannequin")
        ran(editor)
        unlink(editor, "mannequin")
        own = Truth.of(json.dumps(SCENE))
        assert editor.handle("left foot") == pytest.approx(own.pixel(own.handle("left foot")), abs=1)
        assert editor.text == json.dumps(SCENE) and editor.ask("editor.canUndo") is False

    def test_what_is_changed_while_it_is_seen_is_taken_along(self, front: FrontEnd, opened):
        _, editor = linked(front, TEXT, "mannequin")
        ran(editor)
        editor.press("Mirror")
        assert editor.scene["people"][0]["joints"]["right hip"] == [60, 0, 0]
        assert editor.part(".mannequin-said").inner_text().startswith("The text comes along a link")
        editor.press("Undo")
        assert editor.text == json.dumps(SCENE)
