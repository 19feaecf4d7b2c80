"""Talking to a ComfyUI server as its front end does: HTTP for questions, a websocket for what happens."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websocket

#: What ``on_event`` is given: the message's type and its data.
OnEvent = Callable[[str, dict], None]


class PromptRefused(RuntimeError):
    """The server did not accept the graph. ``errors`` maps node ids to the sentences about them."""

    def __init__(self, answer: dict):
        self.errors = {
            node: [f"{error['message']}: {error['details']}" for error in report["errors"]]
            for node, report in answer.get("node_errors", {}).items()
        }
        detail = answer.get("error", {})
        super().__init__(f"{detail.get('message', 'refused in part:')} {detail.get('details', '')} {self.errors}")


class PromptFailed(RuntimeError):
    """A node raised while the graph ran."""

    def __init__(self, node_id: str, node_type: str, message: str):
        self.node_id, self.node_type, self.message = node_id, node_type, message
        super().__init__(f"node {node_id} ({node_type}): {message}")


class PromptInterrupted(RuntimeError):
    """The graph was interrupted."""


@dataclass
class Result:
    """A finished prompt.

    Attributes:
        outputs: what each output node gave the front end, by node id (``images``, ``text``, …).
        progress: every step told, as node id, value, maximum.
    """

    prompt_id: str
    outputs: dict[str, dict[str, Any]]
    seconds: float
    progress: list[tuple[str, int, int]] = field(default_factory=list)


class Client:
    """One front end's connection."""

    def __init__(self, url: str, timeout: float = 600):
        self.url = url
        self.timeout = timeout
        self.id = uuid.uuid4().hex

    def get(self, path: str, **query: str) -> bytes:
        suffix = f"?{urllib.parse.urlencode(query)}" if query else ""
        with urllib.request.urlopen(f"{self.url}{path}{suffix}", timeout=self.timeout) as answer:
            return answer.read()

    def post(self, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            return json.loads(answer.read() or b"{}")

    def object_info(self) -> dict[str, dict]:
        return json.loads(self.get("/object_info"))

    def history(self, prompt_id: str) -> dict:
        return json.loads(self.get(f"/history/{prompt_id}")).get(prompt_id, {})

    def interrupt(self) -> None:
        """Ask the running prompt to stop; it does so at its next step or node."""
        self.post("/interrupt", {})

    def free(self) -> None:
        """Ask the server to unload all models and forget all results."""
        self.post("/free", {"unload_models": True, "free_memory": True})

    def forget_history(self) -> None:
        """Let the server let go of the prompts that are over: it keeps the graphs of ten thousand."""
        self.post("/history", {"clear": True})

    def upload(self, picture: Path) -> str:
        """Put a picture into the server's input folder; the name to load it by."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{picture.name}"\r\n\r\n'
        tail = f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\ntrue\r\n--{boundary}--\r\n'
        request = urllib.request.Request(
            f"{self.url}/upload/image",
            head.encode() + picture.read_bytes() + tail.encode(),
            {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        with urllib.request.urlopen(request, timeout=self.timeout) as answer:
            return json.loads(answer.read())["name"]

    def queue(self, prompt: dict) -> str:
        """Queue a graph in API format; its id.

        Raises:
            PromptRefused: the server found a fault in the graph. Where another branch is sound it runs that one.
        """
        try:
            answer = self.post("/prompt", {"prompt": prompt, "client_id": self.id})
        except urllib.error.HTTPError as error:
            if error.code != 400:
                raise
            raise PromptRefused(json.loads(error.read())) from error
        if answer.get("node_errors"):
            raise PromptRefused(answer)
        return answer["prompt_id"]

    def run(self, prompt: dict, on_event: OnEvent = lambda kind, data: None) -> Result:
        """Queue a graph and wait for its end.

        Raises:
            PromptRefused, PromptFailed, PromptInterrupted: what became of it.
            TimeoutError: the server said nothing for ``timeout`` seconds.
            ConnectionError: the server died.
        """
        socket = websocket.create_connection(
            f"{self.url.replace('http', 'ws', 1)}/ws?clientId={self.id}", timeout=self.timeout
        )
        try:
            started = time.monotonic()
            prompt_id = self.queue(prompt)
            progress = _follow(socket, prompt_id, on_event)
            seconds = time.monotonic() - started
        except websocket.WebSocketTimeoutException as error:
            raise TimeoutError(f"nothing heard from the server for {self.timeout} s") from error
        except websocket.WebSocketConnectionClosedException as error:
            raise ConnectionError(f"the server at {self.url} went away while the graph ran") from error
        finally:
            socket.close()
        return Result(prompt_id, self.history(prompt_id).get("outputs", {}), seconds, progress)

    def images(self, result: Result, node_id: str) -> list[bytes]:
        """The pictures a node has saved, as files."""
        return [
            self.get("/view", filename=image["filename"], subfolder=image["subfolder"], type=image["type"])
            for image in result.outputs.get(node_id, {}).get("images", [])
        ]


def _follow(socket: websocket.WebSocket, prompt_id: str, on_event: OnEvent) -> list[tuple[str, int, int]]:
    progress = []
    while True:
        message = socket.recv()
        if isinstance(message, bytes):
            continue
        event = json.loads(message)
        kind, data = event["type"], event["data"]
        if data.get("prompt_id") not in (None, prompt_id):
            continue
        on_event(kind, data)
        if kind == "progress":
            progress.append((data["node"], data["value"], data["max"]))
        elif kind == "execution_error":
            raise PromptFailed(data["node_id"], data["node_type"], data["exception_message"])
        elif kind == "execution_interrupted":
            raise PromptInterrupted(f"interrupted at node {data['node_id']} ({data['node_type']})")
        elif kind == "executing" and data["node"] is None:
            # Comes after the result has been entered into the history; execution_success comes before.
            return progress
