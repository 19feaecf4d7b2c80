"""A graph written as code, in the form in which the front end saves one.

Sockets and widgets come from a running server's ``/object_info``, so that a graph never disagrees with its nodes.
"""

from dataclasses import dataclass, field
from typing import Any

from .app_mode import app_mode
from .downloads import SHA256
from .graph_format import WIDGET_TYPES, input_kind, widget_names
from .server import PACK

COLUMN, WIDTH, LINE, GAP = 390, 290, 22, 70
NOTE = "MarkdownNote"
HUB = "https://huggingface.co"


@dataclass
class Drawn:
    """A node in a graph; ``node["name"]`` is the output of that name, for another node's input."""

    number: int
    type: str
    column: int
    values: dict[str, Any]
    title: str | None = None
    models: list[dict[str, str]] = field(default_factory=list)

    def __getitem__(self, output: str) -> "tuple[Drawn, str]":
        return self, output


def from_hub(repository: str, file: str, directory: str, name: str | None = None) -> list[dict[str, str]]:
    """``models`` of a node: what the front end offers to download, into which models folder, and under what name.

    With the file's hash, where a public source states one.
    """
    known = SHA256.get(f"{repository}/{file}")
    place = {"name": name or file, "url": f"{HUB}/{repository}/resolve/main/{file}", "directory": directory}
    return [place | ({"hash": known, "hash_type": "SHA256"} if known else {})]


class Graph:
    """Nodes in columns, from left to right as data flows."""

    def __init__(self, info: dict[str, dict]):
        self.info = info
        self.nodes: list[Drawn] = []

    def add(self, column: int, type: str, title: str | None = None, models=(), **values: Any) -> Drawn:
        node = Drawn(len(self.nodes) + 1, type, column, values, title, list(models))
        self.nodes.append(node)
        return node

    def note(self, column: int, text: str) -> None:
        self.add(column, NOTE, text=text)

    def json(self) -> dict:
        """The workflow as the front end saves it."""
        links: list[list] = []
        drawn = {node.number: self._node(node, links) for node in self.nodes}
        for link in links:
            drawn[link[1]]["outputs"][link[2]]["links"].append(link[0])
        bottoms: dict[int, int] = {}
        for node in self.nodes:
            entry = drawn[node.number]
            entry["pos"] = [node.column * COLUMN, bottoms.get(node.column, 0)]
            bottoms[node.column] = entry["pos"][1] + entry["size"][1] + GAP
        return {
            "last_node_id": len(self.nodes),
            "last_link_id": len(links),
            "nodes": list(drawn.values()),
            "links": links,
            "groups": [],
            "config": {},
            "extra": app_mode(self.nodes),
            "version": 0.4,
        }

    def _node(self, node: Drawn, links: list[list]) -> dict:
        entry: dict[str, Any] = {"id": node.number, "type": node.type, "flags": {}, "order": node.number - 1, "mode": 0}
        if node.title:
            entry["title"] = node.title
        if node.type == NOTE:
            size = [WIDTH, 60 + LINE * (len(node.values["text"]) // 34 + node.values["text"].count("\n"))]
            text = [node.values["text"]]
            return entry | {"size": size, "inputs": [], "outputs": [], "properties": {}, "widgets_values": text}
        info = self.info[node.type]
        inputs = []
        names = list(widget_names(info))
        wired = [(name, input_kind(info, name)) for name in names if isinstance(node.values.get(name), tuple)]
        for name, kind in [*self._sockets(info), *wired]:
            origin = node.values.get(name)
            link = None
            if isinstance(origin, tuple):
                source, output = origin
                slot = self.info[source.type]["output_name"].index(output)
                link = len(links) + 1
                links.append([link, source.number, slot, node.number, len(inputs), kind])
            # A widget that takes its value from a node.
            shown = {"widget": {"name": name}} if (name, kind) in wired else {}
            inputs.append({"name": name, "type": kind, "link": link} | shown)
        outputs = [
            {"name": name, "type": kind, "links": []}
            for name, kind in zip(info["output_name"], info["output"], strict=True)
        ]
        values = {name: value for name, value in node.values.items() if not isinstance(value, tuple)}
        widgets = ["fixed" if name is None else values.get(name, self._default(info, name)) for name in names]
        properties: dict[str, Any] = {"Node name for S&R": node.type}
        if node.type.startswith("Mannequin"):
            properties["cnr_id"] = PACK
        if node.models:
            properties["models"] = node.models
        rows = max(len(inputs), len(outputs)) + len(widgets) + (9 if node.type in ("LoadImage", "SaveImage") else 0)
        height = 40 + LINE * rows + (200 if node.type in ("MannequinPreviewParsing", "PreviewImage") else 0)
        return entry | {
            "size": [WIDTH, height],
            "inputs": inputs,
            "outputs": outputs,
            "properties": properties,
            "widgets_values": widgets,
        }

    @staticmethod
    def _sockets(info: dict) -> list[tuple[str, str]]:
        return [
            (name, info["input"][group][name][0])
            for group in ("required", "optional")
            for name in info.get("input_order", {}).get(group, [])
            if isinstance(info["input"][group][name][0], str) and info["input"][group][name][0] not in WIDGET_TYPES
        ]

    @staticmethod
    def _default(info: dict, name: str) -> Any:
        kind, *rest = next(info["input"][group][name] for group in info["input"] if name in info["input"][group])
        settings = rest[0] if rest else {}
        options = kind if isinstance(kind, list) else settings.get("options")
        return settings.get("default", options[0] if options else None)
