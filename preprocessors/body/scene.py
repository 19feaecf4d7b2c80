"""Scenes of mannequins as JSON, which nodes take and give: who stands where, in which pose, seen from where.

``{"version": 1, "people": [person, …], "camera": {…}}``; whatever is left out is as usual, and an empty text is one
person who stands and looks at the camera.

======== ==========================================================================================================
person
shape    ``sex`` (−1 man … 1 woman), ``height``, ``build`` (slim … heavy), ``muscle``: −1…1
joints   degrees by joint, a number (bend) or ``[bend, side, twist]``; joints that are not named stand at ease
position metres ``[to the picture's right, away]`` of the hips, or ``[right, away, up]``: how high their joint is, too
lift     metres of the lowest point above the floor; not with a position of three
turn     degrees; positive turns the person to their left
clothes  ``top``, ``coat``, ``bottom``, ``shoes``, ``hair``, each by name or "none"; ``dress`` true or false
camera
yaw      degrees; positive shows the left side of whoever faces it
pitch    degrees; positive looks down
roll     degrees
distance metres from what it looks at
centre   metres ``[x, y, z]``, what it looks at; left out, it is placed so that everybody fills the picture
height   metres the picture is high at the centre; with ``centre``
======== ==========================================================================================================
"""

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConditionError
from .camera import DISTANCE, Camera, framing, looking
from .clothes import checked, dressed
from .model import Shaped, body
from .pose import STANDING, Posed, clamped, pose, rotations, turned, turns_of
from .rendering import Person
from .rotations import matrices

VERSION = 1
MOST_PEOPLE = 16
#: Metres that anything may be away from the middle, and those the camera may be away.
FARTHEST, CAMERA_NEAREST, CAMERA_FARTHEST = 100.0, 1.0, 100.0
_PERSON = ("shape", "joints", "position", "lift", "turn", "clothes")
_CAMERA = ("yaw", "pitch", "roll", "distance", "centre", "height")


@dataclass(frozen=True, eq=False)
class Figure:
    """One person of a scene, as read.

    Attributes:
        turns: degrees within the joints' limits, ``[J, 3]``.
        place: x, y of the hips and the lowest point's height, metres.
        hips: height of the hips' joint, metres, where that is given instead of the lowest point's.
        turn: of the whole body about the vertical, degrees.
    """

    shape: dict[str, float]
    turns: np.ndarray
    place: tuple[float, float, float]
    turn: float
    outfit: dict[str, str]
    dress: bool
    hips: float | None = None

    def shaped(self) -> Shaped:
        """Their body at rest."""
        return body().shaped(self.shape)

    def person(self, posed: Posed | None = None) -> Person:
        """Them posed and dressed.

        Args:
            posed: their body in another pose, where it is; None is their own.
        """
        if posed is None:
            shaped = self.shaped()
            joints = rotations(shaped.body, self.turns)
            joints[0] = matrices(np.deg2rad([0, 0, self.turn])) @ joints[0]
            posed = pose(shaped, turns_of(shaped.body, joints), (self.place[0], self.place[1], self.hips or 0.0))
            if self.hips is None:
                posed = posed.moved([0, 0, self.place[2] - lowest(posed)])
        return Person(posed, dressed(posed.shaped, self.outfit, self.dress))


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene as read.

    Attributes:
        camera: what the JSON says of it.
        said: sentences on what is not shown as it was asked for.
    """

    figures: list[Figure]
    camera: dict[str, Any]
    said: list[str]

    def camera_of(self, people: Sequence[Person], size: tuple[int, int]) -> Camera:
        """The camera for a picture of this height and width."""
        given = self.camera
        rotation = looking(*(given.get(name, 0.0) for name in ("yaw", "pitch", "roll")))
        distance = given.get("distance", DISTANCE)
        if "centre" in given:
            scale = size[0] / given.get("height", 2.0)
            return Camera(rotation, np.array(given["centre"]), distance, scale, size)
        if not people:
            return Camera(rotation, np.array([0.0, 0.0, 1.0]), distance, size[0] / 2, size)
        everyone = np.concatenate([one.posed.skinned(one.dressed.rest)[_bodys()] for one in people])
        return framing(everyone, rotation, size, distance)


def lowest(posed: Posed) -> float:
    """Height of a body's lowest point, metres."""
    return float(posed.skinned(posed.shaped.vertices)[_bodys(), 2].min())


@functools.cache
def _bodys() -> np.ndarray:
    """Vertices of the bare body."""
    there = body()
    return np.unique(there.corner_vertex[there.faces[there.mesh == 0]])


def read(text: str) -> Scene:
    """A scene of its JSON.

    Raises:
        ConditionError: it is no JSON, or says something that is not known or possible.
    """
    try:
        scene = json.loads(text) if text.strip() else {}
    # Brackets nested a thousand deep are a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConditionError(
            f"The mannequin's text is no JSON ({error}). Empty it for one who stands, or copy the text that the node "
            "gives and change it."
        ) from error
    _known(scene, ("version", "people", "camera"), "The mannequin's text")
    version = scene.get("version", VERSION)
    if version != VERSION:
        raise ConditionError(
            f"The mannequin's text is of version {version}; this one reads version {VERSION}. Update Mannequin, or "
            f'set "version" to {VERSION} if the text keeps to it.'
        )
    people = scene.get("people", [{}])
    if not isinstance(people, list):
        raise ConditionError('The mannequin\'s "people" is no list: write [{}] for one person who stands.')
    if len(people) > MOST_PEOPLE:
        raise ConditionError(f"The mannequin's text has {len(people)} people; up to {MOST_PEOPLE} are drawn.")
    said: list[str] = []
    figures = [_figure(person, f"Person {number}", said) for number, person in enumerate(people, 1)]
    return Scene(figures, _camera(scene.get("camera", {})), said)


def write(figures: Sequence[Figure], posed: Sequence[Posed], camera: Camera | None = None, **angles: float) -> str:
    """The JSON of people in poses; everything that matters is in it, to a hundredth of a degree and a millimetre.

    Args:
        posed: of each figure.
        camera: where it was placed; None leaves that to the reader.
        angles: its yaw, pitch and roll, degrees.
    """
    there = body()
    people = []
    for figure, own in zip(figures, posed, strict=True):
        usual = turned(there, STANDING)
        joints = {
            name: [round(float(value), 2) for value in turn]
            for name, turn, standing in zip(there.names, own.turns, usual, strict=True)
            if np.abs(turn - standing).max() > 0.005
        }
        place = [round(float(value), 3) for value in own.origin[:2]]
        people.append(
            {
                "shape": figure.shape,
                "joints": joints,
                "position": place,
                "lift": round(lowest(own), 3),
                "clothes": figure.outfit | {"dress": figure.dress},
            }
        )
    scene: dict[str, Any] = {"version": VERSION, "people": people}
    if camera is not None:
        centre = [round(float(value), 4) for value in camera.centre]
        height = round(camera.size[0] / camera.scale, 4)
        scene["camera"] = {**angles, "distance": camera.distance, "centre": centre, "height": height}
    return json.dumps(scene)


def _figure(person: Any, who: str, said: list[str]) -> Figure:
    _known(person, _PERSON, who)
    shape = {name: _number(value, f"{who}'s {name}", -1, 1) for name, value in _table(person, "shape", who).items()}
    there = body()
    there.shaped({name: 0.0 for name in shape})
    joints = {name: _turn(value, f"{who}'s {name}") for name, value in _table(person, "joints", who).items()}
    turns, beyond = clamped(there, turned(there, STANDING | joints))
    said += [f"{who}: {sentence}" for sentence in beyond]
    position = person.get("position", [0, 0])
    high = isinstance(position, list) and len(position) == 3
    x, y, *hips = _numbers(position, 3 if high else 2, f"{who}'s position", FARTHEST)
    lift = _number(person.get("lift", 0), f"{who}'s lift", -FARTHEST, FARTHEST)
    clothes = dict(_table(person, "clothes", who))
    dress = clothes.pop("dress", False)
    if not isinstance(dress, bool):
        raise ConditionError(f'{who}\'s "dress" is {dress!r}; it is true or false.')
    turn = _number(person.get("turn", 0), f"{who}'s turn", -3600, 3600)
    return Figure(shape, turns, (x, y, lift), turn, checked(there, clothes), dress, *hips)


def _camera(camera: Any) -> dict[str, Any]:
    _known(camera, _CAMERA, "The camera")
    ranges = {"distance": (CAMERA_NEAREST, CAMERA_FARTHEST), "height": (0.01, FARTHEST)}
    result: dict[str, Any] = {
        name: _number(value, f"The camera's {name}", *ranges.get(name, (-3600, 3600)))
        for name, value in camera.items()
        if name != "centre"
    }
    if camera.get("centre") is not None:
        result["centre"] = _numbers(camera["centre"], 3, "The camera's centre", FARTHEST)
    return result


def _known(table: Any, names: Sequence[str], what: str) -> None:
    if not isinstance(table, dict):
        raise ConditionError(f"{what} is a {type(table).__name__}; an object with names, {{…}}, is needed.")
    unknown = sorted(set(table) - set(names))
    if unknown:
        raise ConditionError(f"{what} has no '{unknown[0]}'. It has {', '.join(names)}.")


def _table(person: dict, name: str, who: str) -> dict:
    table = person.get(name, {})
    if not isinstance(table, dict):
        raise ConditionError(f'{who}\'s "{name}" is no object: write {{"name": value, …}}.')
    return table


def _number(value: Any, what: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConditionError(f"{what} is {value!r}; a number is needed.")
    if not low <= value <= high:
        raise ConditionError(f"{what} is {value:g}; it goes from {low:g} to {high:g}.")
    return float(value)


def _numbers(values: Any, count: int, what: str, farthest: float) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) != count:
        raise ConditionError(f"{what} is {values!r}; {count} numbers in brackets are needed.")
    return tuple(_number(value, what, -farthest, farthest) for value in values)


def _turn(value: Any, what: str) -> tuple[float, float, float]:
    if isinstance(value, list):
        return _numbers(value, 3, what, 3600)
    return (_number(value, what, -3600, 3600), 0.0, 0.0)
