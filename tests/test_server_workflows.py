"""Saved workflows: our conversion to the server's format, and what the real front end makes of the same file."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from devtools.client import Client
from devtools.graph_format import BYPASSED, MUTED, ui_to_api, widget_names
from devtools.host import ROOT
from devtools.screenshot import FrontEnd

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))
PHOTO = "mannequin_source.png"


def slot(name: str, kind: str, link: int | None, widget: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link} | ({"widget": {"name": name}} if widget else {})


def out(name: str, kind: str, *links: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "links": list(links)}


def node(number: int, kind: str, inputs: list, outputs: list, values: list, mode: int = 0) -> dict[str, Any]:
    place = {"pos": [300 * (number % 4), 350 * (number // 4)], "size": [240, 200], "flags": {}, "order": number}
    graph = {"inputs": inputs, "outputs": outputs, "widgets_values": values, "properties": {}}
    return {"id": number, "type": kind, "mode": mode} | place | graph


@pytest.fixture
def workflow() -> dict[str, Any]:
    """Everything that makes a saved graph differ from the queued one.

    An upload button, a value from a primitive node, a reroute, a bypassed node, a muted branch, a note, and a seed with
    the widget that the front end puts behind it.
    """
    nodes = [
        node(1, "LoadImage", [], [out("IMAGE", "IMAGE", 1), out("MASK", "MASK")], [PHOTO, "image"]),
        node(
            2,
            "ImageScale",
            [slot("image", "IMAGE", 1), slot("width", "INT", 7, widget=True)],
            [out("IMAGE", "IMAGE", 2)],
            ["lanczos", 128, 256, "disabled"],
        ),
        node(3, "Reroute", [slot("", "*", 2)], [out("", "IMAGE", 3)], []),
        node(4, "ImageBlur", [slot("image", "IMAGE", 3)], [out("IMAGE", "IMAGE", 4, 5)], [3, 1.0], BYPASSED),
        node(5, "SaveImage", [slot("images", "IMAGE", 4)], [], ["shared"]),
        node(6, "ImageInvert", [slot("image", "IMAGE", 5)], [out("IMAGE", "IMAGE", 6)], [], MUTED),
        node(7, "PreviewImage", [slot("images", "IMAGE", 6)], [], [], MUTED),
        node(8, "Note", [], [], ["A note."]),
        node(9, "PrimitiveNode", [], [out("INT", "INT", 7) | {"widget": {"name": "width"}}], [192, "fixed"]),
        node(10, "RandomNoise", [], [out("NOISE", "NOISE")], [42, "randomize"]),
    ]
    links = [
        [1, 1, 0, 2, 0, "IMAGE"],
        [2, 2, 0, 3, 0, "IMAGE"],
        [3, 3, 0, 4, 0, "IMAGE"],
        [4, 4, 0, 5, 0, "IMAGE"],
        [5, 4, 0, 6, 0, "IMAGE"],
        [6, 6, 0, 7, 0, "IMAGE"],
        [7, 9, 0, 2, 1, "INT"],
    ]
    return {"version": 0.4, "last_node_id": 10, "last_link_id": 7, "nodes": nodes, "links": links, "groups": []}


def test_saved_graph_in_the_servers_format(client: Client, workflow: dict):
    prompt = ui_to_api(workflow, client.object_info())
    assert {number: entry["inputs"] for number, entry in prompt.items()} == {
        "1": {"image": PHOTO},
        "2": {"upscale_method": "lanczos", "width": 192, "height": 256, "crop": "disabled", "image": ["1", 0]},
        "5": {"filename_prefix": "shared", "images": ["2", 0]},
        "10": {"noise_seed": 42},
    }


def test_saved_graph_runs(client: Client, workflow: dict):
    result = client.run(ui_to_api(workflow, client.object_info()))
    assert len(client.images(result, "5")) == 1


def test_links_as_objects_are_read_too(client: Client, workflow: dict):
    info = client.object_info()
    expected = ui_to_api(workflow, info)
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    workflow["links"] = [dict(zip(names, link, strict=True)) for link in workflow["links"]]
    assert ui_to_api(workflow, info) == expected


def test_unknown_types_are_all_named(client: Client, workflow: dict):
    workflow["nodes"][0]["type"], workflow["nodes"][4]["type"] = "NotHere", "NorThis"
    with pytest.raises(KeyError, match="NorThis, NotHere"):
        ui_to_api(workflow, client.object_info())


def test_subgraphs_are_refused_in_a_sentence(client: Client, workflow: dict):
    workflow["definitions"] = {"subgraphs": [{"id": "x"}]}
    with pytest.raises(ValueError, match="subgraphs"):
        ui_to_api(workflow, client.object_info())


def test_front_end_queues_the_same(front_end: FrontEnd, client: Client, workflow: dict):
    findings = front_end.show(workflow)
    assert findings.faults == []
    assert findings.prompt == ui_to_api(workflow, client.object_info())


def test_front_end_shows_what_is_broken(front_end: FrontEnd, workflow: dict, tmp_path: Path):
    broken = copy.deepcopy(workflow)
    broken["nodes"][4]["type"] = "NotHere"
    broken["nodes"][0]["widgets_values"][0] = "gone.png"
    broken["nodes"][1]["inputs"][0]["link"] = None
    broken["links"][0][2] = 1
    findings = front_end.show(broken, tmp_path / "broken.png")
    assert findings.unknown == ["5 NotHere"]
    assert findings.lost_links == ["1 from 1 LoadImage MASK to 2 ImageScale slot 0"]
    assert findings.unconnected == ["2 ImageScale image"]
    assert findings.bad_values == ["1 LoadImage image = gone.png"]
    assert any("NotHere" in text for text in findings.dialogs)
    assert (tmp_path / "broken.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_shared_workflow_opens_without_a_fault(front_end: FrontEnd, client: Client, path: Path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    findings = front_end.show(workflow)
    assert findings.faults == []
    assert findings.prompt == ui_to_api(workflow, client.object_info())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_as_an_app_it_shows_every_photo_and_result(client: Client, path: Path):
    """In the form that App mode reads: it drops an entry without a word where a node has no such widget."""
    workflow, info = json.loads(path.read_text(encoding="utf-8")), client.object_info()
    shown, nodes = workflow["extra"]["linearData"], {node["id"]: node for node in workflow["nodes"]}
    for number, widget, *config in shown["inputs"]:
        entry = nodes[number]
        assert widget in set(widget_names(info[entry["type"]]))
        assert widget not in {wired["name"] for wired in entry["inputs"] if wired["link"]}
        assert config == ([{"description": entry["title"]}] if "title" in entry else [])
    photos = {number for number, entry in nodes.items() if entry["type"] == "LoadImage"}
    assert photos == {number for number, widget, *_ in shown["inputs"] if widget == "image"}
    results = {number for number, entry in nodes.items() if entry["type"] == "SaveImage"}
    assert shown["outputs"] and results <= set(shown["outputs"]) <= nodes.keys()
    # Among what samples, a seed of the first.
    assert path.stem == "preprocess" or {"seed", "noise_seed"} & {widget for _, widget, *_ in shown["inputs"]}
