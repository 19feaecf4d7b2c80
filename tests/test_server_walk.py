"""The pack as a new user meets it: installed as it is published, in the real front end, in English and in Japanese.

Set ``MANNEQUIN_WALK`` to a folder to keep a picture of the page after each step.
"""

import io
import json
import os
import shutil
from pathlib import Path

import pytest
from new_user import STEP_MS, User
from PIL import Image

from devtools.browser import NoBrowser, ensure_chromium
from devtools.client import Client
from devtools.draw_blueprints import BLUEPRINTS
from devtools.graph_format import ui_to_api
from devtools.host import ROOT
from devtools.screenshot import open_front_end
from devtools.server import PACK, Server

WALK_VARIABLE = "MANNEQUIN_WALK"
INPUTS = ROOT / "workflows" / "inputs"
TRUEPOSE = json.loads((ROOT / "workflows" / "truepose.json").read_text(encoding="utf-8"))
BOX = "Pose Transfer (TruePose)"
BLUEPRINTS_FOLDER = "Subgraph Blueprints"


@pytest.fixture(scope="module")
def published():
    """A server as on the day of the installation."""
    try:
        ensure_chromium()
    except NoBrowser as error:
        pytest.skip(str(error))
    with Server(published=True) as running:
        yield running


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return Path(os.environ.get(WALK_VARIABLE) or tmp_path_factory.mktemp("walk"))


@pytest.fixture(scope="module", params=["en", "ja"])
def user(request, published, pictures):
    with open_front_end(published.url, settings={"Comfy.Locale": request.param}) as front:
        user = User(front, Client(published.url), pictures / request.param)
        user.language = request.param
        yield user
        assert not [error for error in user.errors if "mannequin" in error.lower()]


@pytest.fixture
def words(user):
    """The pack's in the page's language."""
    folder = ROOT / "locales" / user.language
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json")}


def test_what_is_published_is_installed(published):
    place = published.base / "custom_nodes" / PACK
    assert not place.is_symlink() and (place / "weights" / "models" / "demo_truepose.safetensors").is_file()
    assert not [name for name in ("tests", "training", "devtools", "dev.py", ".git") if (place / name).exists()]


def test_a_template_is_found_opened_and_run(published, user):
    """It brings its photos, which nobody has put into the input folder."""
    cards = user.templates(PACK)
    shared = {f"template-workflow-{path.stem}" for path in (ROOT / "workflows").glob("*.json")}
    assert set(cards.evaluate_all("cards => cards.map(card => card.dataset.testid)")) == shared
    assert user.loaded(cards.locator("img"))
    user.look("templates")
    # More come as one scrolls down.
    cards.last.scroll_into_view_if_needed()
    assert user.loaded(cards.last.locator("img"))
    user.look("more templates")
    user.choose_template("truepose", len(TRUEPOSE["nodes"]))
    for number, name in photos_of(TRUEPOSE).items():
        assert user.picture(number).tobytes() == Image.open(INPUTS / name).tobytes()
        assert (published.base / "input" / name).read_bytes() == (INPUTS / name).read_bytes()
    user.look("truepose")
    user.run()
    (save,) = user.nodes("SaveImage")
    picture = user.picture(save["id"])
    user.look("its picture")
    assert picture.tobytes() == made(user.client).tobytes()


def test_its_nodes_are_called_in_the_users_language(user, words):
    user.open_template(PACK, "truepose", len(TRUEPOSE["nodes"]))
    titled = {node["id"]: node["title"] for node in TRUEPOSE["nodes"] if "title" in node}
    ours = user.nodes("Mannequin")
    assert len(ours) == sum(node["type"].startswith("Mannequin") for node in TRUEPOSE["nodes"])
    for node in ours:
        said = words["nodeDefs"][node["type"]]
        assert node["title"] == titled.get(node["id"], said["display_name"])
        names = {name: entry.get("name", name) for name, entry in said["inputs"].items()}
        for name, label in [*node["inputs"], *node["widgets"]]:
            assert label == names.get(name, label), (node["type"], name)
        assert node["least"][0] <= node["size"][0], f"{node['title']} is wider than the graph has room for"


def shown_in_time(user, node, photo: Image.Image) -> bool:
    """Whether a node comes to show a photo; until it is loaded it shows the one before."""
    for _ in range(STEP_MS // 100):
        if user.picture(node).tobytes() == photo.tobytes():
            return True
        user.page.wait_for_timeout(100)
    return False


def test_a_blueprint_is_placed_connected_and_run(user, tmp_path):
    mine = []
    for name in photos_of(TRUEPOSE).values():
        mine.append(tmp_path / f"my_{user.language}_{name}")
        shutil.copy(INPUTS / name, mine[-1])
    user.new_graph()
    library = user.library()
    library.get_by_text(BLUEPRINTS_FOLDER, exact=True).click()
    user.page.get_by_text(BOX, exact=True).hover()
    user.page.get_by_text(BLUEPRINTS[BOX].description).wait_for()
    user.look("blueprints")
    shown = library.inner_text().splitlines()
    assert set(BLUEPRINTS) <= set(shown)
    box = user.place(BOX, (900, 200))
    user.library()
    (node,) = user.nodes()
    assert node["box"] and node["title"] == BOX
    assert [label for _, label in node["widgets"]] == [
        widget.label or widget.widget for widget in BLUEPRINTS[BOX].widgets
    ]
    user.look("a box")
    source = user.search("LoadImage", (300, 200))
    user.look("a photo")
    pose = user.search("LoadImage", (300, 540))
    for node, photo in zip((source, pose), mine, strict=True):
        user.upload(node, "upload", photo)
        assert shown_in_time(user, node, Image.open(photo))
    user.connect(source, box, 0)
    user.connect(pose, box, 1)
    user.look("connected")
    save = user.search("SaveImage", (1270, 200))
    user.connect(box, save, 0)
    user.run()
    picture = user.picture(save)
    user.look("the box's picture")
    assert picture.tobytes() == made(user.client).tobytes()


def test_the_menu_and_a_help_page(user, words):
    user.new_graph()
    library = user.library()
    library.get_by_text("Mannequin", exact=True).click()
    categories = words["main"]["nodeCategories"]
    # The host has categories of the same names.
    patch = library.get_by_role("treeitem", name="Mannequin").get_by_text(categories["Patch"], exact=True)
    patch.wait_for()
    user.look("categories")
    assert set(categories.values()) <= set(library.inner_text().splitlines())
    patch.click()
    name = words["nodeDefs"]["MannequinApplyHPFA"]["display_name"]
    placed = user.place(name, (900, 300))
    user.library()
    page = user.help(placed)
    picture = page.locator("img")
    assert user.loaded(picture) and picture.get_attribute("src").endswith("/pictures/apply_hpfa.jpg")
    user.look("help")
    assert name in page.inner_text()


def test_a_pose_file_is_brought_and_a_users_own_file_is_left(published, user):
    input_folder = published.base / "input"
    mine = (INPUTS / "mannequin_source.png").read_bytes()
    (input_folder / "mannequin_demo_source.png").write_bytes(mine)
    graph = json.loads((ROOT / "workflows" / "pose_sequence.json").read_text(encoding="utf-8"))
    user.open_template(PACK, "pose_sequence", len(graph["nodes"]))
    (pose,) = user.nodes("MannequinLoadPose")
    user.page.wait_for_function(
        "number => app.graph.getNodeById(number).widgets[0].options.values.includes('mannequin_walk.json')",
        arg=pose["id"],
    )
    assert (input_folder / "mannequin_walk.json").read_bytes() == (INPUTS / "mannequin_walk.json").read_bytes()
    assert (input_folder / "mannequin_demo_source.png").read_bytes() == mine
    shutil.copy(INPUTS / "mannequin_demo_source.png", input_folder)


def photos_of(graph: dict) -> dict[int, str]:
    """Of a saved graph, by the numbers of their nodes."""
    return {node["id"]: node["widgets_values"][0] for node in graph["nodes"] if node["type"] == "LoadImage"}


def made(client: Client) -> Image.Image:
    """What the server makes of the graph for programs."""
    prompt = ui_to_api(TRUEPOSE, client.object_info())
    (save,) = (number for number, node in prompt.items() if node["class_type"] == "SaveImage")
    (picture,) = client.images(client.run(prompt), save)
    return Image.open(io.BytesIO(picture))
