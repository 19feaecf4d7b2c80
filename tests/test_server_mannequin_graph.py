"""Pose Mannequin's editor in a graph: saved, copied and removed with its node, what it says, what the node makes."""

import json

import numpy as np
import pytest
from mannequin.preprocessors.body.model import body
from mannequin_editor import FINGERS, HEIGHT, SCENE, SIDES, WIDTH, Editor, Truth, in_view, made, node, overlap, shown
from playwright.sync_api import expect

from devtools.client import Client
from devtools.screenshot import FrontEnd
from devtools.server import Server


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
        people, mask = made(front, server, client)
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
        assert overlap(mask, editor.silhouette) > 0.95
