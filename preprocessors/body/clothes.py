"""What the mannequin wears: an outline of clothes around the body, with the parsing's labels."""

from dataclasses import dataclass

import numpy as np

from ..errors import ConditionError
from ..labels import LIP_20
from .model import Body, Shaped
from .normals import vertex_normals

#: What an outfit is made of, what there is of each, and what is worn where nothing is said.
NOTHING = "none"
DEFAULTS = {"top": "long sleeves", "coat": NOTHING, "bottom": "trousers", "shoes": "shoes", "hair": "short"}
#: Garments over each other, from the skin outwards.
ORDER = ("hair", "bottom", "top", "coat", "shoes")
DRESS, LEFT_SHOE, RIGHT_SHOE = (LIP_20.index(name) for name in ("Dress", "Left-shoe", "Right-shoe"))


@dataclass(frozen=True, eq=False)
class Dressed:
    """A body at rest with clothes on; F' of the body's faces are there.

    Attributes:
        rest: vertices, off the skin where cloth lies, ``[V, 3]``.
        chosen: faces that are there, ``[F']``.
        layers: of the garments on the body's surface, outermost last: label by vertex ``[V]`` and cover ``[V]``.
        mesh_labels: labels of garments' own meshes by their number.
    """

    rest: np.ndarray
    chosen: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    mesh_labels: dict[int, int]


def choices(body: Body) -> dict[str, list[str]]:
    """What can be worn, by slot."""
    return {slot: [NOTHING, *(one["cut"] for one in body.garments if one["slot"] == slot)] for slot in DEFAULTS}


def checked(body: Body, wanted: dict[str, str]) -> dict[str, str]:
    """A whole outfit of what is named; the rest is as usual.

    Raises:
        ConditionError: no such garment.
    """
    there = choices(body)
    for slot, cut in wanted.items():
        if slot not in there:
            raise ConditionError(f"'{slot}' is nothing the mannequin can wear. It wears {', '.join(there)}.")
        if cut not in there[slot]:
            raise ConditionError(f"There is no {slot} '{cut}'. There is {', '.join(there[slot])}.")
    return DEFAULTS | wanted


def dressed(shaped: Shaped, outfit: dict[str, str], dress: bool = False) -> Dressed:
    """Someone in clothes.

    Args:
        outfit: a whole one, see :func:`checked`.
        dress: whether top and skirt are one garment.
    """
    body = shaped.body
    worn = {one["slot"]: (number, one) for number, one in enumerate(body.garments) if outfit[one["slot"]] == one["cut"]}
    off = np.zeros(len(body.vertices), np.float32)
    meshes, layers, labels = [0], [], {}
    for slot in ORDER:
        if slot not in worn:
            continue
        number, one = worn[slot]
        label = DRESS if dress and slot in ("top", "bottom") else one["label"]
        if (body.mesh == number + 1).any():
            meshes.append(number + 1)
            labels[number + 1] = label
        cover = body.covers[number]
        if (cover > 0).any():
            off = np.maximum(off, np.where(cover > 0, body.offsets[number], 0))
            layers.append((_sided(body, label), cover))
    chosen = np.flatnonzero(np.isin(body.mesh, meshes))
    rest = shaped.vertices
    if off.any():
        corners = body.corner_vertex[body.faces[body.mesh == 0]]
        rest = rest + off[:, None] * vertex_normals(rest, corners)
    return Dressed(rest, chosen, layers, labels)


def _sided(body: Body, label: int) -> np.ndarray:
    if label != LEFT_SHOE:
        return np.full(len(body.vertices), label, np.uint8)
    return np.where(body.vertices[:, 0] > 0, LEFT_SHOE, RIGHT_SHOE).astype(np.uint8)
