"""The editor's panel of a person's shape and clothes, in the real front end: what it writes, draws and gives back."""

import json

import numpy as np
import pytest
from mannequin.preprocessors.body.clothes import DEFAULTS, DRESS, choices
from mannequin.preprocessors.body.mannequin import mannequins
from mannequin.preprocessors.body.model import body
from mannequin_editor import HEIGHT, SCENE, WIDTH, Editor, in_view, masked, node, overlap, shown
from playwright.sync_api import expect

from devtools.client import Client
from devtools.screenshot import FrontEnd

AXES = {
    "sex": ("man", "woman"),
    "height": ("short", "tall"),
    "build": ("slim", "heavy"),
    "muscle": ("little", "much"),
}
(PERSON,) = SCENE["people"]


def slider(editor: Editor, axis: str):
    return editor.part(f'.mannequin-wardrobe input[title^="{axis}"]')


def drawn_by_python(text: str) -> np.ndarray:
    (picture,) = mannequins(text, (HEIGHT, WIDTH)).pictures
    return picture.person >= 0


@pytest.fixture
def dressing(editor: Editor) -> Editor:
    """The editor with its panel open."""
    editor.press("Body:")
    editor.page.wait_for_timeout(300)
    return editor


class TestShape:
    def test_a_slider_is_an_axis_and_the_body_is_drawn_as_the_node_draws_it(self, dressing: Editor):
        for axis, (low, high) in AXES.items():
            expect(slider(dressing, axis)).to_have_attribute("title", f"{axis}: {low} to {high}")
            drawn = []
            for key, value in (("Home", -1), ("End", 1)):
                slider(dressing, axis).press(key)
                # Everything else stays: joints, hips, turn, camera.
                assert dressing.scene == SCENE | {"people": [PERSON | {"shape": {axis: value}}]}
                drawn.append(dressing.silhouette)
            little, much = (overlap(one, drawn_by_python(dressing.text)) for one in drawn)
            assert much > 0.95 and much > little + 0.01, axis
            dressing.press("Undo")
            assert dressing.scene["people"][0]["shape"] == {axis: -1}
            dressing.press("Undo")
            assert dressing.text == json.dumps(SCENE)

    def test_heavy_is_wider_by_as_much_as_in_the_nodes_picture(self, dressing: Editor):
        wide = {}
        for key in ("Home", "End"):
            slider(dressing, "build").focus()
            dressing.page.keyboard.press(key)
            row = int(dressing.truth.pixel(dressing.truth.joints[0]["waist"])[1])
            wide[key] = [int(picture[row].sum()) for picture in (dressing.silhouette, drawn_by_python(dressing.text))]
        (little, right), (much, righter) = wide.values()
        assert (little, much) == pytest.approx((right, righter), abs=4)
        assert much - little == pytest.approx(righter - right, abs=4) and much > little + 6

    def test_a_drag_is_one_step_and_the_drawing_follows_it(self, dressing: Editor):
        box = slider(dressing, "build").bounding_box()
        middle = box["y"] + box["height"] / 2
        before = dressing.silhouette
        dressing.page.mouse.move(box["x"] + box["width"] / 2, middle)
        dressing.page.mouse.down()
        dressing.page.mouse.move(box["x"] + 0.7 * box["width"], middle, steps=5)
        dressing.page.mouse.move(box["x"] + box["width"], middle, steps=5)
        assert dressing.text == json.dumps(SCENE)
        during = dressing.silhouette
        dressing.page.mouse.up()
        assert dressing.scene["people"][0]["shape"] == {"build": 1}
        right, wrong = (overlap(one, drawn_by_python(dressing.text)) for one in (during, before))
        assert right > wrong + 0.01
        dressing.press("Undo")
        assert dressing.text == json.dumps(SCENE)
        assert slider(dressing, "build").input_value() == "0"
        expect(dressing.part('button[title^="Undo"]')).to_be_disabled()

    def test_the_middle_is_not_written(self, opened):
        (editor,) = opened(SCENE | {"people": [PERSON | {"shape": {"build": 0.05, "sex": 0.333}}]})
        editor.press("Body:")
        assert editor.part(".mannequin-shape output").all_inner_texts() == ["0.33", "0.00", "0.05", "0.00"]
        slider(editor, "build").press("ArrowLeft")
        assert editor.scene["people"] == [PERSON | {"shape": {"sex": 0.333}}]
        slider(editor, "sex").press("Home")
        slider(editor, "sex").press("PageUp")
        assert -1 < editor.scene["people"][0]["shape"]["sex"] < 0

    def test_the_chosen_person_alone_is_shaped(self, opened):
        two = [{"position": [-0.5, 0, 0.98]}, {"position": [0.5, 0, 0.98], "shape": {"height": 0.5}}]
        (editor,) = opened(SCENE | {"people": two})
        editor.keys("p")
        editor.press("Body:")
        editor.page.wait_for_timeout(300)
        assert slider(editor, "height").input_value() == "0.5"
        slider(editor, "height").press("End")
        assert editor.scene["people"][1]["shape"] == {"height": 1}
        assert "shape" not in editor.scene["people"][0]


class TestClothes:
    def test_the_choices_are_the_bodys(self, dressing: Editor):
        for slot, cuts in choices(body()).items():
            wanted = dressing.part(f'.mannequin-wardrobe select[title="{slot}"]')
            assert wanted.locator("option").all_inner_texts() == cuts
            assert wanted.input_value() == DEFAULTS[slot]

    def test_a_skirt_is_drawn_and_worn_in_the_nodes_parsing(self, front: FrontEnd, client: Client, dressing: Editor):
        prompt = front.page.evaluate("async () => (await app.graphToPrompt()).output")
        skirt = {"class_type": "MannequinParsingMask", "inputs": {"parsing": ["1", 2], "labels": "skirt"}}
        assert not masked(client, prompt | {"skirt": skirt}, ["skirt", 0]).any()
        dressing.choose("bottom", "short skirt")
        assert dressing.scene == SCENE | {"people": [PERSON | {"clothes": {"bottom": "short skirt"}}]}
        assert overlap(dressing.silhouette, drawn_by_python(dressing.text)) > 0.95
        prompt = front.page.evaluate("async () => (await app.graphToPrompt()).output")
        seen = masked(client, prompt | {"skirt": skirt}, ["skirt", 0])
        # The node's skirt is within what the editor draws, and where legs alone were not.
        assert (seen & dressing.silhouette).sum() > 0.97 * seen.sum()
        assert (seen & ~drawn_by_python(json.dumps(SCENE))).sum() > 1000
        dressing.choose("bottom", "trousers")
        assert dressing.scene == SCENE

    def test_what_is_worn_is_drawn_as_the_node_draws_it(self, dressing: Editor):
        before = dressing.silhouette
        for slot, cut in (("bottom", "long skirt"), ("hair", "long"), ("coat", "coat")):
            dressing.choose(slot, cut)
            assert dressing.scene["people"][0]["clothes"] == {slot: cut}
            right, wrong = (overlap(one, drawn_by_python(dressing.text)) for one in (dressing.silhouette, before))
            assert right > 0.95 and right > wrong, cut
            dressing.press("Undo")
            assert dressing.text == json.dumps(SCENE)

    def test_bare_arms_are_seen(self, dressing: Editor):
        """Sleeves are too thin for an outline: cloth has its colour."""
        truth, colours = dressing.truth, []
        place = truth.pixel((truth.joints[0]["left shoulder"] + 2 * truth.joints[0]["left elbow"]) / 3)
        for cut in ("long sleeves", "sleeveless"):
            dressing.choose("top", cut)
            dressing.page.wait_for_timeout(300)
            box, _ = dressing.frame()
            x, y = dressing.client(place) - (box["x"], box["y"])
            at = f"{x} * canvas.width / canvas.clientWidth, {y} * canvas.height / canvas.clientHeight, 1, 1"
            pixel = f"[...canvas.getContext('2d').getImageData({at}).data]"
            colours.append(np.array(dressing.ask(f"(canvas => {pixel})(element.querySelector('canvas'))")[:3], int))
        assert np.abs(colours[0] - colours[1]).max() > 25

    def test_a_dress_is_one(self, dressing: Editor):
        dressing.choose("bottom", "short skirt")
        box = dressing.part('.mannequin-wardrobe input[type="checkbox"]')
        box.check()
        assert dressing.scene["people"][0]["clothes"] == {"bottom": "short skirt", "dress": True}
        (picture,) = mannequins(dressing.text, (HEIGHT, WIDTH)).pictures
        assert (picture.label == DRESS).sum() > 5000
        box.uncheck()
        assert dressing.scene["people"][0]["clothes"] == {"bottom": "short skirt"}


class TestPanel:
    def test_by_keys_alone(self, editor: Editor):
        page = editor.page
        editor.part('button[title^="Body"]').focus()
        page.keyboard.press("Enter")
        for key in ("Tab", "ArrowRight", "Delete", "Tab", "Tab", "Tab"):
            page.keyboard.press(key)
        assert editor.scene["people"] == [PERSON | {"shape": {"height": 0.05}}]
        assert editor.ask("document.activeElement.title") == "top"
        page.keyboard.press("ArrowUp")
        assert editor.scene["people"][0]["clothes"] == {"top": "short sleeves"}
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        assert editor.text == json.dumps(SCENE)
        page.keyboard.press("Control+Shift+z")
        assert editor.scene["people"] == [PERSON | {"shape": {"height": 0.05}}]
        page.keyboard.press("Escape")
        assert not editor.part(".mannequin-wardrobe").is_visible()
        expect(editor.part('button[title^="Body"]')).to_have_attribute("aria-expanded", "false")
        # The canvas has the keyboard again.
        page.keyboard.press("m")
        assert "right elbow" in editor.scene["people"][0]["joints"]

    def test_without_anybody_there_is_nothing_to_set(self, dressing: Editor):
        dressing.press("Remove")
        for part in dressing.part(".mannequin-wardrobe :is(input, select)").all():
            expect(part).to_be_disabled()

    @pytest.mark.parametrize("size", [[460, 860], [240, 200]], ids=["usual", "small"])
    def test_nothing_lies_over_another(self, front: FrontEnd, opened, size):
        (editor,) = shown(front, [node(1, json.dumps(SCENE)) | {"size": size}])
        editor.press("Body:")
        front.page.wait_for_timeout(400)
        in_view(front.page)
        parts = [
            part.bounding_box()
            for kind in (".mannequin-toolbar button:visible", ".mannequin-wardrobe :is(input, select)", "canvas")
            for part in editor.part(kind).all()
        ]
        for number, one in enumerate(parts):
            for other in parts[:number]:
                apart = [
                    one[at] + one[long] <= other[at] + 0.5 or other[at] + other[long] <= one[at] + 0.5
                    for at, long in (("x", "width"), ("y", "height"))
                ]
                assert any(apart), (one, other)
        bottom = editor.ask("node.pos[1] + node.size[1] + app.canvas.ds.offset[1]")
        assert parts[-1]["height"] > 80 and parts[-1]["y"] + parts[-1]["height"] <= bottom + 1
        cut = editor.part(".mannequin-wardrobe select").evaluate_all("all => all.map(one => one.clientWidth)")
        assert min(cut) > 30
