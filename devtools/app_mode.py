"""What a graph shows as an app: the front end's App mode (1.41 and newer) has a few widgets and the results alone.

It reads them from ``extra.linearData``: widgets as ``[node, widget, {"description": …}]`` in the order in which they
are shown, and the nodes whose pictures are the app's. Older front ends pass over it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph_drawing import Drawn

#: Widgets of every node of a type: what goes in. A title says which photo it is.
EVERY = {
    "LoadImage": ("image",),
    "MannequinLoadPose": ("saved_pose",),
    "MannequinPoseLibrary": ("pose",),
    "MannequinSwapTexture": ("parts",),
}
#: Of the first alone: in a graph of several stages the others follow from it.
FIRST = {"CLIPTextEncode": ("text",), "KSampler": ("seed", "steps"), "RandomNoise": ("noise_seed",)}
#: Nodes whose pictures are shown; the second kind where there is none of the first.
RESULTS = (("SaveImage", "SaveAnimatedWEBP"), ("PreviewImage",))


def app_mode(nodes: "list[Drawn]") -> dict[str, Any]:
    """``extra`` of a graph that has something to show as an app; empty for another."""
    seen: set[str] = set()
    inputs = []
    for node in nodes:
        widgets = EVERY.get(node.type) or (() if node.type in seen else FIRST.get(node.type, ()))
        seen.add(node.type)
        says = [{"description": node.title}] if node.title else []
        inputs += [[node.number, widget, *says] for widget in widgets if not isinstance(node.values.get(widget), tuple)]
    inputs.sort(key=lambda entry: _rank(nodes[entry[0] - 1]))
    shown = ([node.number for node in nodes if node.type in kinds] for kinds in RESULTS)
    outputs = next(filter(None, shown), [])
    return {"linearData": {"inputs": inputs, "outputs": outputs}} if inputs and outputs else {}


def _rank(node: "Drawn") -> int:
    """Photos of people come first, then poses, and last how it is sampled."""
    if node.type not in EVERY:
        return 2
    return int("pose" in f"{node.type} {node.title}".lower())
