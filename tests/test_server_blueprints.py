"""Blueprints: a graph in one box, as the host serves it and the real front end opens, queues and unpacks it."""

import io
import json
from typing import Any

import pytest
from PIL import Image

from devtools.blueprint_drawing import Shown
from devtools.client import Client
from devtools.draw_blueprints import BLUEPRINTS, drawn
from devtools.graph_format import ui_to_api
from devtools.host import ROOT
from devtools.screenshot import FrontEnd

FOLDER = ROOT / "subgraphs"
TRUEPOSE = "Pose Transfer (TruePose)"
SHOWS = ("SaveImage", "PreviewImage")
#: One box for each photo behind it, and one for each picture before it.
_CONNECT = """([photos, shown]) => {
  const box = app.graph.nodes[0]
  photos.forEach((photo, place) => {
    const node = LiteGraph.createNode('LoadImage')
    app.graph.add(node)
    node.widgets.find(widget => widget.name === 'image').value = photo
    node.connect(0, box, place)
  })
  for (let place = 0; place < shown; place++) {
    const node = LiteGraph.createNode('PreviewImage')
    app.graph.add(node)
    box.connect(place, node, 0)
  }
}"""
_WIDGETS = """() => app.graph.nodes.find(n => n.isSubgraphNode?.()).widgets.map(
  widget => ({ label: widget.label ?? widget.name, value: widget.value })
)"""
_SET = "([place, value]) => { app.graph.nodes.find(n => n.isSubgraphNode?.()).widgets[place].value = value }"
_UNPACK = "() => app.graph.unpackSubgraph(app.graph.nodes.find(n => n.isSubgraphNode?.()))"
_PROMPT = "async () => (await app.graphToPrompt()).output"
_SAVE = "() => JSON.parse(JSON.stringify(app.graph.serialize()))"


def comes_from(prompt: dict[str, dict], value: Any) -> Any:
    """A value, and for a wire the whole graph behind it, whatever its nodes' numbers are."""
    if isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt:
        node = prompt[str(value[0])]
        inputs = {name: comes_from(prompt, given) for name, given in sorted(node["inputs"].items())}
        return [node["class_type"], inputs, value[1]]
    return value


def pictures(prompt: dict[str, dict]) -> list[Any]:
    """Of every picture that a prompt shows, where it comes from."""
    shown = [comes_from(prompt, node["inputs"]["images"]) for node in prompt.values() if node["class_type"] in SHOWS]
    return sorted(shown, key=json.dumps)


def photos_of(prompt: dict[str, dict], graph: dict[str, Any]) -> list[str]:
    return [prompt[str(node["id"])]["inputs"]["image"] for node in graph["nodes"] if node["type"] == "LoadImage"]


@pytest.mark.parametrize("name", BLUEPRINTS)
class TestBlueprint:
    def test_the_file_is_what_is_drawn_and_the_host_serves_it(self, client: Client, name: str):
        shared = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        assert shared == drawn(name, client.object_info()), "Run python -m devtools.draw_blueprints."
        # Newer front ends keep widgets by graphs' ids: one id for the graph and its box, and the box is empty.
        assert shared.get("id") != shared["definitions"]["subgraphs"][0]["id"]
        served = {entry["name"]: number for number, entry in json.loads(client.get("/global_subgraphs")).items()}
        assert json.loads(json.loads(client.get(f"/global_subgraphs/{served[name]}"))["data"]) == shared

    def test_it_queues_its_graph_in_the_box_and_unpacked(self, front_end: FrontEnd, client: Client, name: str):
        info = client.object_info()
        graph = BLUEPRINTS[name].graph(info).json()
        prompt = ui_to_api(graph, info)
        box = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        findings = front_end.show(box)
        # A checkpoint that the box shows is not on this server, as in the graph; there its node says where it is from.
        assert [*findings.unknown, *findings.lost_links, *findings.dialogs, *findings.errors] == []
        front_end.page.evaluate(_CONNECT, [photos_of(prompt, graph), len(box["nodes"][0]["outputs"])])
        assert pictures(front_end.page.evaluate(_PROMPT)) == pictures(prompt)
        front_end.page.evaluate(_UNPACK)
        assert pictures(front_end.page.evaluate(_PROMPT)) == pictures(prompt)

    def test_the_widgets_it_shows_are_those_of_the_nodes_inside(self, front_end: FrontEnd, name: str):
        """Under a label each; what is changed is queued, saved, there again when it is opened, and unpacked."""
        widgets = BLUEPRINTS[name].widgets
        front_end.show(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        shown = front_end.page.evaluate(_WIDGETS)
        assert [entry["label"] for entry in shown] == [widget.label or widget.widget for widget in widgets]
        assert len({entry["label"] for entry in shown}) == len(shown)
        expected = []
        for place, (widget, entry) in enumerate(zip(widgets, shown, strict=True)):
            assert inside(front_end)[widget.kind][widget.widget] == entry["value"]
            expected.append(changed(entry["value"]))
            front_end.page.evaluate(_SET, [place, expected[-1]])
        assert queued(front_end, widgets) == expected
        saved = front_end.page.evaluate(_SAVE)
        front_end.show(json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")))
        assert queued(front_end, widgets) != expected
        front_end.show(saved)
        assert [entry["label"] for entry in front_end.page.evaluate(_WIDGETS)] == [entry["label"] for entry in shown]
        assert [entry["value"] for entry in front_end.page.evaluate(_WIDGETS)] == expected
        assert queued(front_end, widgets) == expected
        front_end.page.evaluate(_UNPACK)
        assert queued(front_end, widgets) == expected


def changed(value: Any) -> Any:
    """Another value of a widget; a file's name is left, as there is no other."""
    if isinstance(value, str):
        return value if value.endswith(".safetensors") else f"{value}, changed"
    return value + 1


def inside(front_end: FrontEnd) -> dict[str, dict[str, Any]]:
    """By node type, what the first node of it would be queued with."""
    return {node["class_type"]: node["inputs"] for node in reversed(values(front_end))}


def queued(front_end: FrontEnd, widgets: list[Shown]) -> list[Any]:
    nodes = inside(front_end)
    return [nodes[widget.kind][widget.widget] for widget in widgets]


def values(front_end: FrontEnd) -> list[dict[str, Any]]:
    """The nodes that would be queued, in order of their numbers in the box."""
    prompt = front_end.page.evaluate(_PROMPT)
    return [prompt[number] for number in sorted(prompt, key=lambda number: int(number.rpartition(":")[2]))]


def test_the_box_makes_the_picture_of_its_graph(front_end: FrontEnd, client: Client):
    info = client.object_info()
    graph = BLUEPRINTS[TRUEPOSE].graph(info).json()
    prompt = ui_to_api(graph, info)
    sampler = next(node for node in prompt.values() if node["class_type"] == "KSampler")
    sampler["inputs"]["steps"] = 2
    box = front_end.show(json.loads((FOLDER / f"{TRUEPOSE}.json").read_text(encoding="utf-8")))
    assert box.nodes == 1
    front_end.page.evaluate(_CONNECT, [photos_of(prompt, graph), 1])
    front_end.page.evaluate(_SET, [BLUEPRINTS[TRUEPOSE].widgets.index(Shown("KSampler", "steps")), 2])
    boxed = front_end.page.evaluate(_PROMPT)
    assert shown_by(client, boxed, "PreviewImage") == shown_by(client, prompt, "SaveImage")


def shown_by(client: Client, prompt: dict[str, dict], kind: str) -> bytes:
    """The pixels of the picture that the only node of a type shows."""
    (number,) = (number for number, node in prompt.items() if node["class_type"] == kind)
    (picture,) = client.images(client.run(prompt), number)
    return Image.open(io.BytesIO(picture)).tobytes()
