"""Pictures of help pages, README and gallery: there, small, published, and what the nodes give today."""

import re
from fnmatch import fnmatch

import numpy as np
import pytest
from mannequin.nodes import NODES
from PIL import Image, ImageOps
from project import relative

from devtools import picture_graphs
from devtools.graph_drawing import Graph
from devtools.graph_format import ui_to_api
from devtools.host import ROOT
from devtools.page_pictures import FOLDER, named, needed, previewed, strips, wire
from devtools.picture_strips import CAPTION, GAP, SCALES, drawn, save_small
from devtools.picture_table import GRAPHS, STRIPS
from devtools.picture_wirings import WIRINGS

DOCS = ROOT / "web" / "docs"
PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)\s]+)\)")
PAGES = [DOCS / f"{node.__name__}.md" for node in NODES]
PICTURES = sorted(FOLDER.glob("*.jpg"))


def shown(path):
    """Files of a text's pictures. The host reads a help page's from its folder of pages, whatever the page's own is."""
    below = DOCS if DOCS in path.parents else path.parent
    return [(below / file).resolve() for _, file in PICTURE.findall(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_help_page_has_a_picture(page):
    pictures = shown(page)
    assert pictures and pictures == shown(DOCS / page.stem / "en.md")
    for file in pictures:
        assert file in PICTURES and file.stat().st_size <= 12_000


@pytest.mark.parametrize("file", PICTURES, ids=lambda file: file.stem)
class TestPicture:
    def test_it_shows_something(self, file):
        with Image.open(file) as picture:
            assert picture.format == "JPEG" and 160 <= picture.width <= 1000
            # Below the captions.
            pixels = np.asarray(picture.convert("L"), float)[CAPTION:]
        assert pixels.std() > 10
        # Nor is a quarter of it empty.
        assert min(part.std() for part in np.array_split(pixels, 4, axis=1)) > 5

    def test_it_is_drawn_by_the_command_and_shown_somewhere(self, file):
        assert file.stem in STRIPS.keys() | WIRINGS.keys()
        texts = [*PAGES, ROOT / "README.md", ROOT / "GALLERY.md"]
        assert any(file in shown(text) for text in texts)

    def test_it_is_published(self, file):
        left_out = (ROOT / ".comfyignore").read_text(encoding="utf-8").split()
        name = relative(file)
        assert not [line for line in left_out if name.startswith(line) or fnmatch(name, line)]


def test_every_picture_of_the_table_is_there():
    assert {file.stem for file in PICTURES} == STRIPS.keys() | WIRINGS.keys()
    assert not STRIPS.keys() & WIRINGS.keys()
    assert sum(file.stat().st_size for file in PICTURES) <= 500_000
    used = {shot.graph for strip in STRIPS.values() for shot in strip.shots}
    own = {name for name, draw in GRAPHS.items() if draw.__module__ == picture_graphs.__name__}
    assert own <= used <= GRAPHS.keys()


class TestGallery:
    text = (ROOT / "GALLERY.md").read_text(encoding="utf-8")

    def test_every_graph_has_a_row_with_a_picture(self):
        rows = re.findall(r"^\| `(\w+)` \| .+ \| !\[.+\]\((.+)\) \|$", self.text, re.MULTILINE)
        assert sorted(name for name, _ in rows) == sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
        assert all(file.endswith(f"/{name}.jpg") for name, file in rows)

    def test_its_pictures_exist(self):
        assert all(file.is_file() for file in shown(ROOT / "GALLERY.md"))

    def test_readme_leads_there_and_begins_with_results(self):
        text = (ROOT / "README.md").read_text(encoding="utf-8")
        assert "(GALLERY.md)" in text
        first = shown(ROOT / "README.md")[0]
        assert first == FOLDER / "methods.jpg" and first.stat().st_size <= 40_000
        assert text.index("methods.jpg") < 1500


class TestLayout:
    red, wide = Image.new("RGB", (50, 100), "red"), Image.new("RGB", (200, 100), "blue")

    def test_side_by_side_at_one_height_and_in_rows(self):
        strip = drawn([("", [self.red, self.red]), ("", [self.wide])], 50, 1000)
        assert strip.size == (25 + GAP + 25 + GAP + 100, 50 + CAPTION)
        assert strip.getpixel((10, CAPTION + 25)) == (255, 0, 0) and strip.getpixel((100, CAPTION + 25)) == (0, 0, 255)
        rows = drawn([("", [self.red, self.red]), ("", [self.wide])], 50, 110)
        assert rows.size == (100, 2 * (50 + CAPTION) + GAP)
        assert rows.getpixel((10, 2 * CAPTION + GAP + 75)) == (0, 0, 255)

    def test_rows_are_even(self):
        """Four of 25 do not fit into 100 with the gaps between them; three and one is not how they are broken."""
        assert drawn([("", [self.red])] * 4, 50, 100).size == (2 * 25 + GAP, 2 * (50 + CAPTION) + GAP)

    def test_a_caption_is_written_and_not_cut_off(self):
        strip = drawn([("a caption that is longer than its picture", [self.red])], 50, 1000)
        written = np.asarray(strip.convert("L"))[:CAPTION] < 128
        assert 100 < written.any(0).nonzero()[0].max() < strip.width - 1

    def test_the_best_that_fits(self, tmp_path):
        noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)

        def scaled(scale):
            return Image.fromarray(noise[: round(200 * scale)])

        file = tmp_path / "noise.jpg"
        large = save_small(scaled, file, 10**6)
        assert Image.open(file).height == 200
        small = save_small(scaled, file, large * 2 // 5)
        assert small == file.stat().st_size <= large * 2 // 5 and Image.open(file).height < 200
        with pytest.raises(ValueError, match="noise.jpg"):
            save_small(scaled, file, 100)


def test_places_in_a_graph_and_what_they_need(client):
    graph = Graph(client.object_info())
    photo = graph.add(0, "LoadImage", "Photo", image="mannequin_source.png")
    mask = graph.add(1, "MannequinCropFace", image=photo["IMAGE"])
    other = graph.add(1, "MannequinDetectPose", image=photo["IMAGE"])
    assert named(graph, "Photo") is named(graph, "LoadImage") is photo
    assert wire(graph, ("MannequinCropFace", "mask")) == mask["mask"]
    assert wire(graph, ("MannequinCropFace", "<image")) == photo["IMAGE"]
    number = previewed(graph, mask["mask"])
    prompt = needed(ui_to_api(graph.json(), graph.info), [number])
    types = {node["class_type"] for node in prompt.values()}
    assert types == {"LoadImage", "MannequinCropFace", "MaskToImage", "PreviewImage"}
    assert str(other.number) not in prompt


NAMES = ("retarget_pose", "densepose_mask", "texture_mask", "fit_image")


def test_what_stands_there_is_what_is_drawn_now(client):
    """A few that take no model; all of them are a matter of minutes."""
    made = list(strips(client, client.object_info(), NAMES))
    assert [name for name, _, _ in made] == list(NAMES)
    for name, draw, _ in made:
        with Image.open(FOLDER / f"{name}.jpg") as file:
            there = file.convert("RGB")
        # Which scale fits is a matter of the encoder's version.
        (now,) = (picture for picture in map(draw, SCALES) if picture.size == there.size)
        apart = np.abs(np.asarray(now, float) - np.asarray(there, float)).mean()
        mirrored = np.abs(np.asarray(now, float) - np.asarray(ImageOps.mirror(there), float)).mean()
        assert apart < 10 < mirrored, name
