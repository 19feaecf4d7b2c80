"""The harness the other tests lean on, against a real ComfyUI process: what it runs, tells and reports."""

import io
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest
from PIL import Image

from devtools.client import Client, PromptFailed, PromptInterrupted, PromptRefused
from devtools.host import ROOT
from devtools.server import PACK, Server, ServerError, free_port

RED = 0xFF0000


def image(width: int = 64, height: int = 32, color: int = RED) -> dict[str, Any]:
    return {"class_type": "EmptyImage", "inputs": {"width": width, "height": height, "batch_size": 1, "color": color}}


def save(source: str, kind: str = "PreviewImage") -> dict[str, Any]:
    extra = {"filename_prefix": "harness"} if kind == "SaveImage" else {}
    return {"class_type": kind, "inputs": {"images": [source, 0], **extra}}


def opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture)).convert("RGB")


def test_object_info_has_core_nodes(client: Client):
    info = client.object_info()
    assert {"KSampler", "LoadImage", "EmptyImage", "SaveImage"} <= info.keys()


def test_pack_is_imported(server: Server):
    assert server.pack_import_seconds is not None
    assert (server.base / "custom_nodes" / PACK / "__init__.py").is_file()


@pytest.mark.parametrize("kind", ["SaveImage", "PreviewImage"])
def test_picture_comes_back(client: Client, kind: str):
    result = client.run({"a": image(), "b": save("a", kind)})
    (picture,) = client.images(result, "b")
    assert opened(picture).size == (64, 32)
    assert opened(picture).getpixel((5, 5)) == (255, 0, 0)


def test_uploaded_picture_is_loaded(client: Client, tmp_path):
    photo = tmp_path / "uploaded photo.png"
    Image.new("RGB", (24, 40), "lime").save(photo)
    name = client.upload(photo)
    load = {"class_type": "LoadImage", "inputs": {"image": name}}
    result = client.run({"a": load, "b": save("a")})
    assert opened(client.images(result, "b")[0]).getpixel((3, 3)) == (0, 255, 0)


def test_events_arrive_in_order(client: Client):
    events: list[tuple[str, dict]] = []
    # A colour of its own, since the server executes only what has changed.
    client.run({"a": image(color=0x00FF01), "b": save("a")}, lambda kind, data: events.append((kind, data)))
    kinds = [kind for kind, _ in events]
    assert kinds.index("execution_start") < kinds.index("executing") < kinds.index("execution_success")
    assert [data["node"] for kind, data in events if kind == "executing"] == ["a", "b", None]


def test_second_run_is_answered_from_the_cache(client: Client):
    prompt = {"a": image(color=0x00FF02), "b": save("a")}
    executed: list[str] = []
    for _ in range(2):
        result = client.run(prompt, lambda kind, data: executed.append(data["node"]) if kind == "executing" else None)
        assert len(client.images(result, "b")) == 1
    assert executed == ["a", "b", None, None]


def test_history_tells_success(client: Client):
    result = client.run({"a": image(), "b": save("a")})
    status = client.history(result.prompt_id)["status"]
    assert status["completed"]
    assert status["status_str"] == "success"


def test_unknown_prompt_has_no_history(client: Client):
    assert client.history("unknown") == {}


def test_invalid_value_is_refused(client: Client):
    prompt = {"a": image(width=-3), "b": save("a")}
    with pytest.raises(PromptRefused, match="width") as refused:
        client.run(prompt)
    assert refused.value.errors.keys() == {"a"}


def test_unknown_node_is_refused(client: Client):
    with pytest.raises(PromptRefused, match="NoSuchNode"):
        client.run({"a": {"class_type": "NoSuchNode", "inputs": {}}, "b": save("a")})


def test_failing_node_is_named(client: Client):
    replace = {"string": "x", "regex_pattern": "(", "replace": ""}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["bad", 0]}}
    with pytest.raises(PromptFailed, match="unterminated subpattern") as failed:
        client.run({"bad": {"class_type": "RegexReplace", "inputs": replace}, "b": show})
    assert (failed.value.node_id, failed.value.node_type) == ("bad", "RegexReplace")


def test_interrupt_stops_and_the_server_goes_on(client: Client):
    blurs = {
        str(n): {"class_type": "ImageBlur", "inputs": {"image": [str(n - 1), 0], "blur_radius": 15, "sigma": 5.0}}
        for n in range(1, 40)
    }
    prompt = {"0": image(1024, 1024, color=0x00FF03), **blurs, "save": save("39")}
    started: list[str] = []

    def interrupt_third(kind: str, data: dict) -> None:
        if kind == "executing":
            started.append(data["node"])
            if len(started) == 3:
                client.interrupt()

    with pytest.raises(PromptInterrupted):
        client.run(prompt, interrupt_third)
    assert "save" not in started
    assert len(client.images(client.run({"a": image(), "b": save("a")}), "b")) == 1


def test_free_is_accepted(client: Client):
    client.free()
    result = client.run({"a": image(), "b": save("a")})
    assert len(client.images(result, "b")) == 1


def test_server_that_dies_while_starting_shows_its_log():
    with pytest.raises(ServerError, match="no-such-option"), Server(extra=("--no-such-option",)):
        pass


def test_server_ends_with_its_parent():
    """Killed outright, a test run leaves no server behind."""
    code = "import os\nfrom devtools.server import Server\nprint(Server().__enter__().url, flush=True)\nos._exit(1)\n"
    parent = subprocess.run([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    url = parent.stdout.strip()
    assert url.startswith("http://127.0.0.1:")
    deadline = time.monotonic() + 20
    with pytest.raises(OSError):
        while time.monotonic() < deadline:
            urllib.request.urlopen(url, timeout=5).close()
            time.sleep(0.2)


def test_free_port_can_be_listened_on():
    assert 1024 <= free_port() < 65536
