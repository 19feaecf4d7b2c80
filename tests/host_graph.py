"""Parts of a graph computed in this process, to see what flows along its links."""

import functools
from typing import Any

import folder_paths
from mannequin.nodes import NODES
from mannequin.nodes.model_files import register_weights_folder

import nodes as host_nodes
from devtools.host import ROOT

OURS = {node.define_schema().node_id: node for node in NODES}


@functools.cache
def offer_files() -> None:
    """The example photos and the demo weights, where this process's nodes look for them."""
    folder_paths.set_input_directory(str(ROOT / "workflows" / "inputs"))
    register_weights_folder()


class HostGraph:
    """Nodes of a prompt as the host calls them, each once."""

    def __init__(self, prompt: dict[str, dict]) -> None:
        self.prompt, self._done = prompt, {}
        offer_files()

    def value(self, number: str, output: int = 0) -> Any:
        """What a node gives at one of its outputs."""
        if number not in self._done:
            node = self.prompt[number]
            inputs = {name: self.value(*it) if isinstance(it, list) else it for name, it in node["inputs"].items()}
            kind = node["class_type"]
            if kind in OURS:
                self._done[number] = OURS[kind].execute(**inputs).result
            else:
                made = host_nodes.NODE_CLASS_MAPPINGS[kind]()
                self._done[number] = getattr(made, made.FUNCTION)(**inputs)
        return self._done[number][output]
