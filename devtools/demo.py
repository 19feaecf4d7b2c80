"""``python dev.py demo``: the TruePose graph, as it is shared, in a real ComfyUI, with the pack's own weights."""

import argparse
import io
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .client import Client
from .environment import home_folder
from .graph_format import ui_to_api
from .host import ROOT
from .say import say
from .server import Server

PHOTOS = ROOT / "workflows" / "inputs"
GRAPH = ROOT / "workflows" / "truepose.json"
OUTPUT = home_folder(ROOT) / "demo"


def read_graph(client: Client, path: Path) -> dict:
    """A shared workflow in the format that the server queues."""
    return ui_to_api(json.loads(path.read_text(encoding="utf-8")), client.object_info())


def run_graph(client: Client, path: Path):
    """Queue a shared workflow, on a server that offers the example photos; the API graph and its result."""
    prompt = read_graph(client, path)
    return prompt, client.run(prompt)


def node_of(prompt: dict, type_: str, title: str = "") -> str:
    """Id of the one node of a type, and of a title where several have it."""
    return next(
        number
        for number, node in prompt.items()
        if node["class_type"] == type_ and (not title or node["_meta"]["title"] == title)
    )


def contact_sheet(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures side by side at one height, with captions."""
    height, caption = 352, 28
    scaled = [
        (title, picture.resize((round(picture.width * height / picture.height), height))) for title, picture in pictures
    ]
    sheet = Image.new("RGB", (sum(p.width for _, p in scaled), height + caption), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    left = 0
    for title, picture in scaled:
        sheet.paste(picture, (left, caption))
        pen.text((left + 6, 5), title, fill="black", font=font)
        left += picture.width
    return sheet


def main() -> int:
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"default: {OUTPUT}")
    output: Path = parser.parse_args().output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    say("Starting ComfyUI with the pack.")
    with Server() as server:
        say(
            f"  {server.url}, ready after {server.start_seconds:.0f} s; pack imported in {server.pack_import_seconds} s"
        )
        client = Client(server.url)
        say(f"Queueing {GRAPH.relative_to(ROOT)}.")

        def show(kind: str, data: dict) -> None:
            if kind == "executing" and data["node"] is not None:
                say(f"  {prompt[data['node']]['_meta']['title']}")
            elif kind == "progress" and data["max"] > 1:
                say(f"    {data['value']}/{data['max']}")

        prompt = read_graph(client, GRAPH)
        result = client.run(prompt, show)

        def picture(type_: str, title: str = "") -> Image.Image:
            return Image.open(io.BytesIO(client.images(result, node_of(prompt, type_, title))[0])).convert("RGB")

        made = picture("SaveImage")
        made.save(output / "truepose.png")
        sheet = contact_sheet(
            [
                ("source", Image.open(PHOTOS / "mannequin_demo_source.png").convert("RGB")),
                ("parsing", picture("MannequinPreviewParsing")),
                ("pose from", Image.open(PHOTOS / "mannequin_demo_pose.png").convert("RGB")),
                ("target pose", picture("PreviewImage")),
                ("result", made),
            ]
        )
        sheet.save(output / "contact_sheet.png")
    say(f"Done in {result.seconds:.0f} s. The weights are the pack's demo: 96×128 pixels, trained on synthetic people.")
    say(f"  result         {output / 'truepose.png'}")
    say(f"  contact sheet  {output / 'contact_sheet.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
