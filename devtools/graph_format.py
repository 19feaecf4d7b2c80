"""From the graph a person saves and shares to the one the server queues."""

from collections.abc import Iterator
from typing import Any

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
#: Widgets the front end adds behind these by itself ("fixed", "randomize", …).
CONTROLLED = {"seed", "noise_seed"}
#: Node modes: 2 is muted, 4 is bypassed.
MUTED, BYPASSED = 2, 4
#: Nodes that exist in the front end only.
VIRTUAL = {"Note", "MarkdownNote"}


def widget_names(info: dict) -> Iterator[str | None]:
    """Names of a node's widgets in the order of ``widgets_values``; None for one the front end adds."""
    for group in ("required", "optional"):
        for name in info.get("input_order", {}).get(group, []):
            kind, *options = info["input"][group][name]
            settings = options[0] if options else {}
            if not (isinstance(kind, list) or kind in WIDGET_TYPES) or settings.get("forceInput"):
                continue
            yield name
            if settings.get("control_after_generate") or (kind == "INT" and name in CONTROLLED):
                yield None


def ui_to_api(workflow: dict, object_info: dict[str, dict]) -> dict[str, dict[str, Any]]:
    """A saved workflow (nodes, links, widgets_values) in the format of ``POST /prompt``.

    Raises:
        KeyError: a node type the server does not know.
    """
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link[0]: (link[1], link[2]) for link in workflow["links"]}

    def origin(link: int | None) -> list | None:
        """Where a link comes from, through bypassed nodes and reroutes."""
        if link not in links:
            return None
        number, slot = links[link]
        node = nodes[number]
        passes = node["type"] == "Reroute" or node.get("mode") == BYPASSED
        if not passes:
            return None if node.get("mode") == MUTED else [str(number), slot]
        kind = node["outputs"][slot]["type"]
        same = [entry for entry in node["inputs"] if entry["type"] in (kind, "*")]
        return origin(same[0].get("link")) if same else None

    prompt = {}
    for number, node in nodes.items():
        if node["type"] in VIRTUAL | {"Reroute"} or node.get("mode") in (MUTED, BYPASSED):
            continue
        info = object_info[node["type"]]
        values = zip(widget_names(info), node.get("widgets_values") or [], strict=False)
        inputs = {name: value for name, value in values if name is not None}
        for entry in node.get("inputs", []):
            source = origin(entry.get("link"))
            if source is not None:
                inputs[entry["name"]] = source
        prompt[str(number)] = {"class_type": node["type"], "inputs": inputs, "_meta": {"title": node.get("title", "")}}
    return prompt
