#!/usr/bin/env python3
"""Queue a graph of this folder on a running ComfyUI, without a browser and with Python's own library alone.

    python run.py truepose.json "Source.image=me.png" "Target pose.image=you.png" KSampler.seed=7

Every TITLE.INPUT=VALUE changes an input of the nodes of that title; where VALUE is a file, it is uploaded. Results are
saved here. The server is http://127.0.0.1:8188, or what the environment variable COMFYUI says.
"""

import json
import os
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

SERVER = os.environ.get("COMFYUI", "http://127.0.0.1:8188")


def ask(path: str, body: bytes | None = None, kind: str = "application/json") -> bytes:
    try:
        return urlopen(Request(SERVER + path, body, {"Content-Type": kind})).read()
    except HTTPError as error:
        sys.exit(f"{path}: {error.read().decode()}")


def upload(file: Path) -> str:
    head = f'--mannequin\r\nContent-Disposition: form-data; name="image"; filename="{file.name}"\r\n\r\n'
    body = head.encode() + file.read_bytes() + b"\r\n--mannequin--\r\n"
    return json.loads(ask("/upload/image", body, "multipart/form-data; boundary=mannequin"))["name"]


def change(graph: dict, place: str, text: str) -> None:
    title, _, name = place.rpartition(".")
    nodes = [node["inputs"] for node in graph.values() if node["_meta"]["title"] == title and name in node["inputs"]]
    if not nodes:
        titles = ", ".join(sorted({node["_meta"]["title"] for node in graph.values()}))
        sys.exit(f"No node '{title}' has an input '{name}'. There is {titles}.")
    value = upload(Path(text)) if Path(text).is_file() else text
    for inputs in nodes:
        inputs[name] = value if isinstance(inputs[name], str) else json.loads(value)


def main(file: str, *changes: str) -> None:
    graph = json.loads(Path(file).read_text(encoding="utf-8"))
    for text in changes:
        change(graph, *text.split("=", 1))
    queued = json.loads(ask("/prompt", json.dumps({"prompt": graph}).encode()))
    if queued.get("node_errors"):
        # The server makes what does not need the broken nodes: not what was asked for.
        sys.exit(json.dumps(queued["node_errors"], ensure_ascii=False, indent=1))
    number = queued["prompt_id"]
    while not (history := json.loads(ask(f"/history/{number}"))):
        time.sleep(0.5)
    for kind, told in history[number]["status"]["messages"]:
        if kind == "execution_error":
            sys.exit(told["exception_message"])
    images = [image for output in history[number]["outputs"].values() for image in output.get("images", ())]
    saved = [image for image in images if image["type"] == "output"]
    if not saved:
        sys.exit("The server has made these very pictures before, and makes none twice. Change a seed.")
    for image in saved:
        Path(image["filename"]).write_bytes(ask(f"/view?{urlencode(image)}"))
        sys.stdout.write(f"{image['filename']}\n")


if __name__ == "__main__":
    main(*sys.argv[1:]) if sys.argv[1:] else sys.exit(__doc__)
