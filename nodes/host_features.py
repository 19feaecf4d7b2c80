"""What newer hosts show and older ones do not know: hidden widgets of experts, other words to find a node by."""

from dataclasses import fields
from typing import TypeVar

from comfy_api.latest import io

Input = TypeVar("Input", bound=io.Input)


def advanced(socket: Input) -> Input:
    """An input that few people change: newer front ends fold it away, older ones show it among the others.

    Older hosts' inputs have no argument for it, but tell the front end whatever else is written into them.
    """
    socket.extra_dict = {**(socket.extra_dict or {}), "advanced": True}
    return socket


def search_aliases(*words: str) -> dict[str, list[str]]:
    """Arguments of a schema by which the node is found under these words too; none where the host has no such thing."""
    known = any(field.name == "search_aliases" for field in fields(io.Schema))
    return {"search_aliases": list(words)} if known else {}
