"""Graphs as they stand in files."""

import json

from devtools.graph_files import write_graph


def test_numbers_stand_on_one_line(tmp_path):
    graph = {"pos": [1, -2.5], "links": [[1, 2, "IMAGE"]], "text": "[ 1, 2 ] and [\n 1\n]", "small": [1e-05], "no": []}
    write_graph(tmp_path / "graph.json", graph)
    text = (tmp_path / "graph.json").read_text(encoding="utf-8")
    assert json.loads(text) == graph
    assert '\n "pos": [1, -2.5],\n' in text and text.endswith("}\n")
