"""Blueprints: a graph in one box, as the host serves it and the real front end opens, queues and unpacks it."""

import io
import json
from typing import Any

import pytest
from PIL import Image

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
_WIDGETS = "() => app.graph.nodes.find(n => n.isSubgraphNode?.()).widgets.map(w => [w.name, w.value])"
_SET = "([place, value]) => { app.graph.nodes.find(n => n.isSubgraphNode?.()).widgets[place].value = value }"
_UNPACK = "() => app.graph.unpackSubgraph(app.graph.nodes.find(n => n.isSubgraphNode?.()))"
_PROMPT = "async () => (await app.graphToPrompt()).output"


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
        box = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        front_end.show(box)
        shown = front_end.page.evaluate(_WIDGETS)
        assert len(shown) == len(BLUEPRINTS[name].widgets)
        for place, ((kind, widget), (_, value)) in enumerate(zip(BLUEPRINTS[name].widgets, shown, strict=True)):
            inside = {node["class_type"]: node["inputs"] for node in reversed(values(front_end))}
            assert inside[kind][widget] == value
            if isinstance(value, (int, float)):
                front_end.page.evaluate(_SET, [place, value + 1])
                inside = {node["class_type"]: node["inputs"] for node in reversed(values(front_end))}
                assert inside[kind][widget] == value + 1


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
    front_end.page.evaluate(_SET, [BLUEPRINTS[TRUEPOSE].widgets.index(("KSampler", "steps")), 2])
    boxed = front_end.page.evaluate(_PROMPT)
    assert shown_by(client, boxed, "PreviewImage") == shown_by(client, prompt, "SaveImage")


def shown_by(client: Client, prompt: dict[str, dict], kind: str) -> bytes:
    """The pixels of the picture that the only node of a type shows."""
    (number,) = (number for number, node in prompt.items() if node["class_type"] == kind)
    (picture,) = client.images(client.run(prompt), number)
    return Image.open(io.BytesIO(picture)).tobytes()
