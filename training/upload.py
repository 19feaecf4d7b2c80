"""``python -m training.upload RUN_WEIGHTS FOLDER --name NAME --address URL --licence NAME``: all that one uploads.

FOLDER gets ``NAME.safetensors`` in half precision (as ``training.release`` makes it), a model card ``README.md``,
``SHA256SUMS``, and ``models.json``, the entry by which graphs offer the download (``properties.models``). ``--graph``
writes copies of graphs that have it: their nodes that name the file.
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from model_patches.weight_kinds import recognise
from model_patches.weight_kinds.header import HeaderError, read_header

from .data.atomic import PARTIAL
from .errors import TrainingError
from .model_card import CardFile, card
from .published_files import sha256
from .release import release
from .sampling import METHOD_KEY, OPTIONS_KEY

#: Where the nodes look for it.
DIRECTORY = "mannequin"


def upload(options: argparse.Namespace) -> list[Path]:
    """Make the folder; what it holds now.

    Raises:
        TrainingError: the weights cannot be read or are no method's, or a file to be quoted is not there.
    """
    recipe, table, about = (_text(path) for path in (options.recipe, _table(options.evaluation), options.about))
    graphs = {path.name: _graph(path) for path in options.graph}
    file = options.folder / f"{options.name}.safetensors"
    size = release(options.weights, file)
    # What releasing needs is empty now, and nothing to upload; another release may be using it.
    with contextlib.suppress(OSError):
        (options.folder / PARTIAL).rmdir()
    with safe_open(file, "pt") as opened:
        header = opened.metadata() or {}
    described = CardFile(file.name, size, sha256(file), _node(file))
    entry = {
        "name": file.name,
        "url": f"{options.address.rstrip('/')}/resolve/main/{file.name}",
        "directory": DIRECTORY,
        "hash": described.sha256,
        "hash_type": "SHA256",
    }
    method, own = header.get(METHOD_KEY, ""), json.loads(header.get(OPTIONS_KEY, "{}"))
    text = card(described, method, own, options.licence, options.base, about, recipe, table)
    texts = {
        "README.md": text,
        "SHA256SUMS": f"{described.sha256}  {file.name}\n",
        "models.json": json.dumps([entry], indent=1) + "\n",
    }
    for name, graph in graphs.items():
        texts[name] = json.dumps(offering(graph, entry, name), indent=1, ensure_ascii=False) + "\n"
    for name, content in texts.items():
        (options.folder / name).write_text(content, encoding="utf-8")
    return [file, *(options.folder / name for name in texts)]


def offering(graph: dict[str, Any], entry: dict[str, str], name: str) -> dict[str, Any]:
    """A graph, changed, whose nodes that name the entry's file offer it for download.

    Raises:
        TrainingError: none of them does; ``name`` is the graph's file.
    """
    naming = [node for node in _nodes(graph) if entry["name"] in (node.get("widgets_values") or ())]
    if not naming:
        raise TrainingError(
            f"No node of '{name}' names '{entry['name']}'. Choose it in the graph's loader and save the graph, or take "
            "--name from there."
        )
    for node in naming:
        properties = node.setdefault("properties", {})
        others = [each for each in properties.get("models", []) if each.get("name") != entry["name"]]
        properties["models"] = [*others, entry]
    return graph


def _nodes(graph: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Those of a graph, and of the boxes in it."""
    for part in (graph, *graph.get("definitions", {}).get("subgraphs", [])):
        yield from part.get("nodes", [])


def _node(file: Path) -> str:
    """Display name of the node that loads a file."""
    try:
        header = read_header(file)
    except HeaderError as error:
        raise TrainingError(f"'{file}' cannot be read: {error}") from error
    kind = recognise(header.state, header.metadata)
    if kind is None:
        raise TrainingError(f"'{file.name}' is no weight file of a method: take weights.safetensors of a run's folder.")
    return kind.node


def _table(folder: Path | None) -> Path | None:
    return None if folder is None else folder / "compact.md"


def _text(path: Path | None) -> str:
    try:
        return "" if path is None else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"'{path}' cannot be read: {error}") from error


def _graph(path: Path) -> dict[str, Any]:
    try:
        graph = json.loads(_text(path))
    except ValueError as error:
        raise TrainingError(f"'{path}' is no JSON: {error}") from error
    if not isinstance(graph, dict) or not isinstance(graph.get("nodes"), list):
        raise TrainingError(f"'{path}' is no graph as the front end saves it: it has no list of nodes.")
    return graph


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.upload", description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, metavar="RUN_WEIGHTS", help="weights.safetensors of a run")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what is uploaded")
    parser.add_argument("--name", required=True, help="of the file, without its ending")
    parser.add_argument("--address", required=True, metavar="URL", help="of the hub's repository it goes to")
    parser.add_argument("--licence", required=True, metavar="NAME", help="as hubs have it: apache-2.0, openrail, …")
    parser.add_argument("--base", metavar="NAME", help="the model that training began from")
    parser.add_argument("--about", type=Path, metavar="FILE", help="Markdown: data, limits, whom to ask")
    parser.add_argument("--recipe", type=Path, metavar="FILE", help="the run's recipe, quoted")
    parser.add_argument("--evaluation", type=Path, metavar="DIR", help="of training.evaluate; its table is quoted")
    parser.add_argument("--graph", type=Path, action="append", default=[], metavar="FILE", help="to offer it in")
    try:
        made = upload(parser.parse_args(arguments))
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path}\n" for path in made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
