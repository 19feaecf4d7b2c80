"""Draws what help pages, README and gallery show: ``python -m devtools.page_pictures`` writes ``web/docs/pictures``.

Everything is run in a real ComfyUI, on the pack's own weights and the example photos. Nodes whose weights nobody may
bundle are shown in the front end, wired as they are used. Words behind it are the pictures that are drawn; without any,
all are.
"""

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from .client import Client
from .graph_drawing import Drawn, Graph
from .graph_format import ui_to_api
from .host import ROOT
from .picture_inputs import write_inputs
from .picture_strips import Place, Shot, Strip, drawn, save_small
from .picture_table import GRAPHS, STRIPS
from .picture_wirings import WIRINGS
from .say import say
from .screenshot import cut, open_front_end
from .server import Server

FOLDER = ROOT / "web" / "docs" / "pictures"
#: Width of a wiring's column of nodes, in pixels, and the most that a picture of several columns may have, in bytes.
COLUMN, WIRING_LIMIT = 230, 7_500


def named(graph: Graph, name: str) -> Drawn:
    """The node of a title, else the first of a type."""
    found = [node for node in graph.nodes if node.title == name] or [node for node in graph.nodes if node.type == name]
    return found[0]


def wire(graph: Graph, place: Place) -> tuple[Drawn, str]:
    """The link that a place means."""
    node, output = named(graph, place[0]), place[1]
    return node.values[output[1:]] if output.startswith("<") else node[output]


def previewed(graph: Graph, output: tuple[Drawn, str]) -> str:
    """Add a preview of an output; the number of the node that shows it."""
    node, name = output
    info = graph.info[node.type]
    if info["output"][info["output_name"].index(name)] == "MASK":
        output = graph.add(0, "MaskToImage", mask=output)["IMAGE"]
    return str(graph.add(0, "PreviewImage", images=output).number)


def needed(prompt: dict[str, dict], numbers: Iterable[str]) -> dict[str, dict]:
    """The part of a prompt that some of its nodes are made of."""
    waiting, kept = list(numbers), {}
    while waiting:
        number = waiting.pop()
        if number not in kept:
            kept[number] = prompt[number]
            waiting += [value[0] for value in prompt[number]["inputs"].values() if isinstance(value, list)]
    return kept


def run(client: Client, info: dict, shots: list[Shot]) -> Iterator[tuple[Shot, list[Image.Image]]]:
    """Pictures of shots of one graph with the same changes, from one run."""
    graph = GRAPHS[shots[0].graph](info)
    for node, inputs in shots[0].changes.items():
        named(graph, node).values.update(inputs)
    shown = [previewed(graph, wire(graph, shot.place)) for shot in shots]
    result = client.run(needed(ui_to_api(graph.json(), info), shown))
    for shot, number in zip(shots, shown, strict=True):
        files = client.images(result, number)
        yield shot, [Image.open(io.BytesIO(files[frame])).convert("RGB") for frame in shot.frames]


#: A picture at a scale.
Draw = Callable[[float], Image.Image]


def strips(client: Client, info: dict, names: Iterable[str]) -> Iterator[tuple[str, Draw, int]]:
    """Name, picture and limit of each strip; what several have in common is run once."""
    wanted: dict[str, Strip] = {name: STRIPS[name] for name in names}
    alike: dict[str, list[Shot]] = {}
    for strip in wanted.values():
        for shot in strip.shots:
            alike.setdefault(f"{shot.graph} {shot.changes}", []).append(shot)
    made = {}
    for key, shots in sorted(alike.items()):
        say(f"  {key}")
        made |= {id(shot): pictures for shot, pictures in run(client, info, shots)}
    for name, strip in wanted.items():
        cells = [(shot.caption, made[id(shot)]) for shot in strip.shots]
        yield name, partial(_scaled_strip, strip, cells), strip.limit


def _scaled_strip(strip: Strip, cells: list[tuple[str, list[Image.Image]]], scale: float) -> Image.Image:
    return drawn(cells, round(strip.height * scale), strip.width)


def wirings(server: Server, info: dict, names: list[str]) -> Iterator[tuple[str, Draw]]:
    """Name and picture of each small graph, as the front end shows it."""
    if not names:
        return
    with open_front_end(server.url, 1200, 700) as front_end:
        front_end.hide_menus()
        for name in names:
            graph = Graph(info)
            WIRINGS[name](graph)
            file = server.base / f"{name}.png"
            front_end.show(graph.json(), file, name)
            with Image.open(file) as view:
                shown = cut(view.convert("RGB"))
            columns = 1 + max(node.column for node in graph.nodes)
            yield name, partial(_scaled_to_width, shown, min(columns * COLUMN, shown.width))


def _scaled_to_width(shown: Image.Image, width: int, scale: float) -> Image.Image:
    width = round(width * scale)
    return shown.resize((width, round(shown.height * width / shown.width)), Image.Resampling.LANCZOS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="PICTURE", choices=[[], *STRIPS, *WIRINGS])
    parser.add_argument("--output", type=Path, default=FOLDER, help=f"default: {FOLDER}")
    arguments = parser.parse_args()
    names = arguments.names or [*STRIPS, *WIRINGS]
    arguments.output.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}
    with Server() as server:
        client = Client(server.url)
        write_inputs(server.base / "input")
        info = client.object_info()
        for name, draw, limit in strips(client, info, [name for name in names if name in STRIPS]):
            sizes[name] = save_small(draw, arguments.output / f"{name}.jpg", limit)
        for name, draw in wirings(server, info, [name for name in names if name in WIRINGS]):
            sizes[name] = save_small(draw, arguments.output / f"{name}.jpg", WIRING_LIMIT)
    say(f"{arguments.output}: {len(sizes)} pictures, {sum(sizes.values()) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
