"""Pose Mannequin's editor in the real front end: gestures, keys, buttons, a photo behind it, steps back.

What is right is asked of the body's own Python (:mod:`preprocessors.body`), which reads the node's text.
"""

import json

import numpy as np
import pytest
from mannequin.preprocessors.body.library import library
from mannequin.preprocessors.body.model import body
from mannequin.preprocessors.body.pose import STANDING
from mannequin_editor import HEIGHT, SCENE, SIDES, WIDTH, Editor, Truth, turns_but
from PIL import Image
from playwright.sync_api import expect


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
