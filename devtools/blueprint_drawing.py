"""A drawn graph as one box: the front end's blueprints, which the host serves from ``subgraphs/``.

Photos that the graph loads become the box's inputs, pictures that it saves or previews its outputs, and what leads to
none of them stays out. The widgets that the box shows are inputs too, joined to those of the nodes inside: that is the
one way in which a widget of a box has a name of its own in every front end.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .graph_drawing import LINE, WIDTH
from .graph_format import input_kind, widget_names
from .server import PACK

#: Where a subgraph's links begin and end that come from outside.
INPUTS, OUTPUTS = -10, -20
LOADS, SHOWS = ("LoadImage",), ("SaveImage", "PreviewImage")
_NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_LINK = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")


@dataclass(frozen=True)
class Shown:
    """A widget of a node inside that the box shows; of several nodes of a type, the first's.

    Attributes:
        kind: the node's type.
        widget: the widget's name there.
        label: what the box calls it, where the widget's own name says too little.
    """

    kind: str
    widget: str
    label: str = ""

    @property
    def name(self) -> str:
        """Of the box's input."""
        return self.label.lower().replace(" ", "_") or self.widget


def blueprint(
    drawn: dict[str, Any], info: dict[str, dict], name: str, description: str, widgets: Sequence[Shown]
) -> dict[str, Any]:
    """A workflow of one node, in which the graph is.

    Args:
        drawn: the graph as the front end saves it.
        info: a server's ``/object_info``, for the widgets' kinds and places.
        name: of the box; it also makes its id, which is the same every time.
        widgets: what the box shows, in this order.

    Raises:
        ValueError: the graph has no such node, or takes a photo's mask, for which a box of pictures has no input, or
            two of the box's inputs have one name.
    """
    nodes = {node["id"]: node for node in drawn["nodes"]}
    links = [dict(zip(_LINK, link, strict=True)) for link in drawn["links"]]
    photos = [number for number, node in nodes.items() if node["type"] in LOADS]
    # What is saved comes first: it is what the box is for.
    shown = sorted(
        (n for n, node in nodes.items() if node["type"] in SHOWS), key=lambda n: nodes[n]["type"] != SHOWS[0]
    )
    kept = _leading_to(shown, links) - {*photos, *shown}
    links = [link for link in links if link["target_id"] in kept or link["target_id"] in shown]
    if any(link["origin_id"] in photos and link["origin_slot"] for link in links):
        raise ValueError(f"'{name}' takes the mask of a photo, and a blueprint has inputs for pictures alone.")
    inputs = [_socket(name, _word(nodes[photo], "image")) for photo in photos]
    outputs = [_socket(name, "image" if n == shown[0] else _word(nodes[n], "preview")) for n in shown]
    for link in links:
        if link["origin_id"] in photos:
            place = photos.index(link["origin_id"])
            inputs[place]["linkIds"].append(link["id"])
            link |= {"origin_id": INPUTS, "origin_slot": place}
        if link["target_id"] in shown:
            place = shown.index(link["target_id"])
            outputs[place]["linkIds"].append(link["id"])
            link |= {"target_id": OUTPUTS, "target_slot": place}
    inner = {number: _kept(nodes[number], links) for number in sorted(kept)}
    for widget in widgets:
        number = _first(list(inner.values()), widget.kind, name)
        inner[number] = _with_widget_inputs(inner[number], info[widget.kind], links)
        place = [entry["name"] for entry in inner[number]["inputs"]].index(widget.widget)
        entry = inner[number]["inputs"][place]
        entry["link"] = 1 + max(link["id"] for link in links)
        made = (entry["link"], INPUTS, len(inputs), number, place, entry["type"])
        links.append(dict(zip(_LINK, made, strict=True)))
        socket = _socket(name, widget.name, entry["type"]) | {"linkIds": [entry["link"]]}
        inputs.append(socket | ({"label": widget.label} if widget.label else {}))
    if len({entry["name"] for entry in inputs}) < len(inputs):
        raise ValueError(f"'{name}' has two inputs of one name: {', '.join(entry['name'] for entry in inputs)}.")
    inner = list(inner.values())
    left = min(node["pos"][0] for node in inner)
    right = max(node["pos"][0] for node in inner) + WIDTH
    identity = str(uuid.uuid5(_NAMES, f"{PACK}/{name}"))
    # Where front ends look for what the node library says of it: of the graph up to now, of the box later.
    said = {"BlueprintDescription": description}
    definition = {
        "id": identity,
        "version": 1,
        "state": {
            "lastGroupId": 0,
            "lastNodeId": max(kept),
            "lastLinkId": max(link["id"] for link in links),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": name,
        "inputNode": {"id": INPUTS, "bounding": [left - 250, 0, 160, 40 + LINE * len(inputs)]},
        "outputNode": {"id": OUTPUTS, "bounding": [right + 90, 0, 160, 40 + LINE * len(outputs)]},
        "inputs": inputs,
        "outputs": outputs,
        "widgets": [],
        "nodes": inner,
        "groups": [],
        "links": links,
        "extra": said,
        "category": "Mannequin",
        "description": description,
    }
    box = {
        "id": 1,
        "type": identity,
        "title": name,
        "pos": [0, 0],
        "size": [WIDTH + 60, 60 + LINE * (max(len(photos), len(outputs)) + len(widgets))],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [_of_box(entry, place >= len(photos)) for place, entry in enumerate(inputs)],
        "outputs": [{"name": each["name"], "type": each["type"], "links": []} for each in outputs],
        "properties": {"cnr_id": PACK},
        "widgets_values": [],
    }
    # Without an id of its own: a graph with the id of one of its boxes opens empty in newer front ends.
    return {
        "revision": 0,
        "last_node_id": max(kept),
        "last_link_id": max(link["id"] for link in links),
        "nodes": [box],
        "links": [],
        "groups": [],
        "definitions": {"subgraphs": [definition]},
        "config": {},
        "extra": said,
        "version": 0.4,
    }


def _leading_to(ends: list[int], links: list[dict[str, Any]]) -> set[int]:
    """The nodes that these come from, and themselves."""
    found, open_ = set(ends), list(ends)
    while open_:
        target = open_.pop()
        origins = {link["origin_id"] for link in links if link["target_id"] == target} - found
        found |= origins
        open_ += origins
    return found


def _kept(node: dict[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    """A node of the box; its outputs name the links that are left."""
    outputs = [
        entry | {"links": [k["id"] for k in links if (k["origin_id"], k["origin_slot"]) == (node["id"], place)]}
        for place, entry in enumerate(node["outputs"])
    ]
    return node | {"outputs": outputs}


def _with_widget_inputs(node: dict[str, Any], info: dict[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    """A node with an input for each of its widgets too, behind all others, as front ends have them.

    Links to it are moved along: a box is opened before the front end looks whether they still fit.
    """
    wired = {entry["name"]: entry for entry in node["inputs"] if "widget" in entry}
    inputs = [entry for entry in node["inputs"] if "widget" not in entry]
    for name in filter(None, widget_names(info)):
        made = {"name": name, "type": input_kind(info, name), "link": None, "widget": {"name": name}}
        inputs.append(wired.get(name, made))
    places = {entry["link"]: place for place, entry in enumerate(inputs) if entry["link"] is not None}
    for link in links:
        if link["target_id"] == node["id"]:
            link["target_slot"] = places[link["id"]]
    return node | {"inputs": inputs}


def _of_box(entry: dict[str, Any], is_widget: bool) -> dict[str, Any]:
    """An input of the box as the box itself has it."""
    shared = {key: entry[key] for key in ("name", "label", "type") if key in entry}
    return shared | {"link": None} | ({"widget": {"name": entry["name"]}} if is_widget else {})


def _first(nodes: list[dict[str, Any]], kind: str, name: str) -> int:
    """The number of the first node of a type."""
    for node in nodes:
        if node["type"] == kind:
            return node["id"]
    raise ValueError(f"'{name}' has no {kind} whose widget it could show.")


def _word(node: dict[str, Any], otherwise: str) -> str:
    """What a photo or a preview is called in its graph, as a socket is written."""
    return node.get("title", otherwise).lower()


def _socket(box: str, name: str, kind: str = "IMAGE") -> dict[str, Any]:
    """What goes into a box or comes out of it."""
    identity = str(uuid.uuid5(_NAMES, f"{PACK}/{box}/{name}"))
    return {"id": identity, "name": name, "type": kind, "linkIds": [], "pos": [0, 0]}
