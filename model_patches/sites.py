"""Names of the places in a Stable Diffusion UNet where attention can be patched, and the words that choose them.

A site is one transformer block, named as ComfyUI names it: SD1.5 has 16 (input 1, 2, 4, 5, 7, 8; middle 0; output
3–11), SDXL has 70 (several transformer blocks at one place, told apart by their index).
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from .errors import PatchError

PARTS = {
    "down": "input",
    "mid": "middle",
    "up": "output",
    "input": "input",
    "middle": "middle",
    "output": "output",
}

_WORD = re.compile(r"(?P<part>[a-z]+)(?:\s*(?P<first>\d+)(?:\s*-\s*(?P<last>\d+)|\.(?P<index>\d+))?)?")

SYNTAX = (
    "Write 'all', parts of the UNet ('down', 'mid', 'up'), or a list such as 'mid, output 3-8, input 4.0' "
    "(block number, and after a dot the transformer inside it)."
)


class Site(NamedTuple):
    """One transformer block: the part of the UNet, the block's number in it, the transformer's index in the block."""

    block: str
    number: int
    index: int

    @property
    def key(self) -> str:
        """The site's name in weight files: ``input_1_0``."""
        return f"{self.block}_{self.number}_{self.index}"

    def __str__(self) -> str:
        return f"{self.block} {self.number}.{self.index}"


def site_in_diffusers(part: str, level: int, layer: int, index: int, layers: int) -> Site:
    """ComfyUI's name of a transformer that diffusers knows by its place.

    Args:
        part: "down", "mid" or "up".
        level, layer: numbers of its block and of its attention in it; both 0 in the middle.
        layers: resnets of a down block. ComfyUI counts them and the downsampling, or the one more of an up block.
    """
    first = {"down": 1, "mid": 0, "up": 0}[part]
    return Site(PARTS[part], first + level * (layers + 1) + layer, index)


def parse_key(key: str) -> Site:
    """The inverse of :attr:`Site.key`."""
    block, number, index = key.split("_")
    return Site(block, int(number), int(index))


def select_sites(words: str, available: Iterable[Site]) -> tuple[Site, ...]:
    """The sites that a user's words name, in the UNet's order.

    Raises:
        PatchError: a word that names nothing in this model.
    """
    available = tuple(available)
    chosen: set[Site] = set()
    parts = [word.strip().lower() for word in words.split(",") if word.strip()]
    if not parts:
        raise PatchError(f"The list of sites is empty. {SYNTAX}")
    for word in parts:
        matched = set(available) if word == "all" else _matching(word, available)
        if not matched:
            present = ", ".join(sorted({f"{s.block} {s.number}" for s in available}, key=_natural))
            raise PatchError(f"'{word}' names no attention site of this model, which has {present}. {SYNTAX}")
        chosen |= matched
    return tuple(site for site in available if site in chosen)


def _matching(word: str, available: tuple[Site, ...]) -> set[Site]:
    match = _WORD.fullmatch(word)
    block = PARTS.get(match["part"]) if match else None
    if block is None:
        return set()
    sites = {site for site in available if site.block == block}
    if match["first"] is not None:
        first = int(match["first"])
        last = int(match["last"] or first)
        sites = {site for site in sites if first <= site.number <= last}
    if match["index"] is not None:
        sites = {site for site in sites if site.index == int(match["index"])}
    return sites


def _natural(name: str) -> tuple[str, int]:
    block, number = name.split()
    return block, int(number)
