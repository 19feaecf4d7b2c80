"""Poses by name: ``poses.json`` beside this file has categories, and of each pose the joints and where it turns.

Joints are as a scene's JSON has them (see :mod:`.scene`); those that are not named stand at ease.
"""

import functools
import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("poses.json")
#: Between a category and a name.
BETWEEN = ": "
_SIDES = {"left": "right", "right": "left"}


@functools.cache
def library() -> dict[str, dict[str, dict[str, Any]]]:
    """Every pose by category and name: ``joints``, and ``turn`` in degrees where it is seen from elsewhere."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def names() -> list[str]:
    """Of all poses, with their category."""
    return [f"{category}{BETWEEN}{name}" for category, poses in library().items() for name in poses]


def person(name: str, mirror: bool = False, turn: float = 0.0) -> dict[str, Any]:
    """Someone in a pose, as a scene's JSON has them.

    Args:
        name: one of :func:`names`.
        mirror: left and right change places.
        turn: degrees more to the person's left.

    Raises:
        KeyError: there is no such pose.
    """
    category, _, own = name.partition(BETWEEN)
    pose = library()[category][own]
    joints, turned = dict(pose["joints"]), pose.get("turn", 0)
    if mirror:
        joints, turned = dict(map(_mirrored, joints.items())), -turned
    return {"joints": joints, "turn": (turned + turn + 180) % 360 - 180}


def _mirrored(joint: tuple[str, Any]) -> tuple[str, Any]:
    """The same numbers left and right are the same gesture; in the middle, side and twist go to the left."""
    name, turn = joint
    side, _, part = name.partition(" ")
    if side in _SIDES:
        return f"{_SIDES[side]} {part}", turn
    return name, [turn[0], -turn[1], -turn[2]] if isinstance(turn, list) else turn
