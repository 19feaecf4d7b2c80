"""From the graph a person saves and shares to the one the server queues."""

from collections.abc import Iterator, Set
from typing import Any

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
#: Widgets the front end adds "fixed", "randomize", … behind by itself.
CONTROLLED = {"seed", "noise_seed"}
#: Settings of an input that make the front end add an upload button, which has a value too.
UPLOADS = {"image_upload", "video_upload", "animated_image_upload"}
#: Node modes: 2 is muted, 4 is bypassed.
MUTED, BYPASSED = 2, 4
#: Nodes that exist in the front end only.
NOTES, REROUTE, PRIMITIVE = {"Note", "MarkdownNote"}, "Reroute", "PrimitiveNode"


class Workflow:
    """A saved workflow, for questions about where an input's value comes from."""

    def __init__(self, saved: dict):
        self.nodes: dict[int, dict] = {node["id"]: node for node in saved["nodes"]}
        self.origins: dict[int, tuple[int, int]] = {}
        for link in saved.get("links", []):
            if isinstance(link, dict):
                self.origins[link["id"]] = (link["origin_id"], link["origin_slot"])
            else:
                self.origins[link[0]] = (link[1], link[2])

    def source(self, link: int | None) -> tuple[dict, int] | None:
        """The node and the output a link comes from, through bypassed nodes and reroutes; None from a muted one."""
        if link not in self.origins:
            return None
        number, slot = self.origins[link]
        node = self.nodes[number]
        if node.get("mode") == MUTED:
            return None
        if node["type"] == REROUTE:
            return self.source(node["inputs"][0].get("link"))
        if node.get("mode") == BYPASSED:
            return self.source(_bypass(node, slot))
        return node, slot


def _bypass(node: dict, slot: int) -> int | None:
    """The link a bypassed node passes on to an output: the input in the same place, else the first of the type."""
    kind = node["outputs"][slot]["type"]
    entries = node.get("inputs", [])
    for entry in [*entries[slot : slot + 1], *entries]:
        if entry["type"] == kind:
            return entry.get("link")
    return None


def widget_names(info: dict, shown: Set[str] = frozenset()) -> Iterator[str | None]:
    """Names of a node's widgets in the order of ``widgets_values``; None for one the front end adds.

    Args:
        info: the node's entry in ``/object_info``.
        shown: inputs that the saved node marks as widgets, for kinds of widget we do not know.
    """
    for group in ("required", "optional"):
        uploads = 0
        for name, (kind, *options) in info["input"].get(group, {}).items():
            settings = options[0] if options else {}
            known = isinstance(kind, list) or kind in WIDGET_TYPES
            if settings.get("forceInput") or not (known or name in shown):
                continue
            yield name
            if settings.get("control_after_generate") or (kind == "INT" and name in CONTROLLED):
                yield None
            uploads += any(settings.get(setting) for setting in UPLOADS)
        # The buttons stand behind the group.
        yield from [None] * uploads


def input_kind(info: dict, name: str) -> str:
    """The type of a node's input as a saved graph has it.

    Args:
        info: the node's entry in ``/object_info``.
    """
    kind = next(info["input"][group][name][0] for group in info["input"] if name in info["input"][group])
    return "COMBO" if isinstance(kind, list) else kind


def ui_to_api(workflow: dict, object_info: dict[str, dict]) -> dict[str, dict[str, Any]]:
    """A saved workflow (nodes, links, widgets_values) in the format of ``POST /prompt``.

    Raises:
        KeyError: node types the server does not know.
        ValueError: the workflow contains subgraphs, which this conversion does not open.
    """
    if workflow.get("definitions", {}).get("subgraphs"):
        raise ValueError("this workflow has subgraphs; unpack them before saving it")
    graph = Workflow(workflow)
    queued = [node for node in graph.nodes.values() if _is_queued(node)]
    unknown = sorted({node["type"] for node in queued} - object_info.keys())
    if unknown:
        raise KeyError(f"the server does not know {', '.join(unknown)}")
    return {str(node["id"]): _entry(node, object_info[node["type"]], graph) for node in queued}


def _is_queued(node: dict) -> bool:
    return node["type"] not in NOTES | {REROUTE, PRIMITIVE} and node.get("mode") not in (MUTED, BYPASSED)


def _entry(node: dict, info: dict, graph: Workflow) -> dict[str, Any]:
    entries = node.get("inputs", [])
    inputs = _widget_values(node, info, {entry["name"] for entry in entries if "widget" in entry})
    for entry in entries:
        found = graph.source(entry.get("link"))
        if found is None:
            continue
        origin, slot = found
        is_value = origin["type"] == PRIMITIVE
        inputs[entry["name"]] = origin["widgets_values"][0] if is_value else [str(origin["id"]), slot]
    title = node.get("title") or info["display_name"] or node["type"]
    return {"class_type": node["type"], "inputs": inputs, "_meta": {"title": title}}


def _widget_values(node: dict, info: dict, shown: set[str]) -> dict[str, Any]:
    values = node.get("widgets_values") or []
    if isinstance(values, dict):
        return dict(values)
    named = zip(widget_names(info, shown), values, strict=False)
    return {name: value for name, value in named if name is not None}
