"""``python dev.py demo``: graphs of all five methods on the pack's own weights, in a real ComfyUI."""

import argparse
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .client import Client
from .environment import home_folder
from .graph_format import ui_to_api
from .host import ROOT
from .say import say
from .server import Server

PHOTOS = ROOT / "workflows" / "inputs"
GRAPHS = {
    "truepose": "TruePose",
    "mcld_demo": "MCLD",
    "pcdms_demo": "PCDMs",
    "reposedm": "RePoseDM",
    "imagpose": "IMAGPose",
}
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


def show_graph(client: Client, name: str) -> Callable[..., Image.Image]:
    """Queue a shared graph and tell how it goes; what gives the picture of a node, by its type and title."""
    say(f"Queueing workflows/{name}.json.")
    prompt = read_graph(client, ROOT / "workflows" / f"{name}.json")

    def show(kind: str, data: dict) -> None:
        if kind == "executing" and data["node"] is not None:
            say(f"  {prompt[data['node']]['_meta']['title']}")
        elif kind == "progress" and data["max"] > 1:
            say(f"    {data['value']}/{data['max']}")

    result = client.run(prompt, show)
    say(f"  {result.seconds:.0f} s")

    def picture(type_: str, title: str = "") -> Image.Image:
        return Image.open(io.BytesIO(client.images(result, node_of(prompt, type_, title))[0])).convert("RGB")

    return picture


def photo(name: str) -> Image.Image:
    return Image.open(PHOTOS / f"mannequin_demo_{name}.png").convert("RGB")


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
        of = {name: show_graph(client, name) for name in GRAPHS}
        made = {title: of[name]("SaveImage") for name, title in GRAPHS.items()}
        sheet = contact_sheet(
            [
                ("source", photo("source")),
                ("parsing", of["truepose"]("MannequinPreviewParsing")),
                ("texture map", of["mcld_demo"]("PreviewImage", "Texture map")),
                ("pose from", photo("pose")),
                ("target pose", of["truepose"]("PreviewImage")),
                ("source, warped", of["reposedm"]("PreviewImage", "The source, warped")),
                *made.items(),
            ]
        )
    files = {title: output / f"{name}.png" for name, title in GRAPHS.items()}
    for title, file in files.items():
        made[title].save(file)
    files["contact sheet"] = output / "contact_sheet.png"
    sheet.save(files["contact sheet"])
    say("Done. The weights are the pack's demo: 96×128 pixels, trained on synthetic people.")
    for title, file in files.items():
        say(f"  {title:<14} {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
