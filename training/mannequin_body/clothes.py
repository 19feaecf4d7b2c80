"""What the mannequin can wear: the synthetic people's own garments, in a few cuts."""

from dataclasses import dataclass

import numpy as np

from preprocessors.labels import LIP_20

from ..data.synthetic.bodies import Bodies
from ..data.synthetic.charts import Charts
from ..data.synthetic.figure import dress
from ..data.synthetic.garments import shells
from ..data.synthetic.shell import BOTTOM, COAT, FAR, HAIR, SHOE, SKIN, TOP, Shell
from ..data.synthetic.wardrobe import Cloth, Identity, Outfit

PLAIN = dict(
    hem=0.02,
    neck=(0.09, 0.06),
    sleeve=0.97,
    top_loose=0.012,
    waist=0.28,
    leg=0.97,
    leg_loose=0.012,
    skirt=None,
    flare=1.35,
    coat=None,
    boots=0.03,
    dress=False,
)
#: Slot, cut, and what of the outfit makes it; a mesh of its own where it is a skirt or long hair.
CUTS = (
    ("top", "sleeveless", TOP, {"sleeve": -0.05}),
    ("top", "short sleeves", TOP, {"sleeve": 0.26}),
    ("top", "long sleeves", TOP, {}),
    ("coat", "coat", COAT, {"coat": (0.97, -0.1, 0.07)}),
    ("bottom", "shorts", BOTTOM, {"leg": 0.35}),
    ("bottom", "trousers", BOTTOM, {}),
    ("bottom", "short skirt", BOTTOM, {"skirt": 0.32, "leg": None}),
    ("bottom", "long skirt", BOTTOM, {"skirt": 0.72, "leg": None}),
    ("shoes", "shoes", SHOE, {}),
    ("shoes", "boots", SHOE, {"boots": 0.25}),
    ("hair", "short", HAIR, {}),
    ("hair", "long", HAIR, {"hair_length": 0.18}),
)
_GREY = np.full(3, 128.0)


@dataclass(frozen=True, eq=False)
class Garment:
    """One cut.

    Attributes:
        slot, cut: what of an outfit it is, and its name there.
        cover: of the body's vertices, positive where it lies, ``[V]``.
        offset: metres off the body, ``[V]``.
        label: its parsing label's number; 0 where every face has its own.
        mesh: what does not follow the body's surface, or None.
    """

    slot: str
    cut: str
    cover: np.ndarray
    offset: np.ndarray
    label: int
    mesh: Shell | None


def garments(bodies: Bodies, charts: Charts, rest: dict) -> list[Garment]:
    """All cuts, on the canonical body."""
    return [_garment(bodies, charts, rest, *cut) for cut in CUTS]


def skin_labels(bodies: Bodies, charts: Charts) -> np.ndarray:
    """Parsing labels of the bare body's faces, ``[F]``."""
    (shell,) = [shell for shell in _worn(bodies, charts, {}) if shell.material == SKIN]
    return shell.label


def _worn(bodies: Bodies, charts: Charts, changes: dict) -> list[Shell]:
    hair_length = changes.get("hair_length")
    cloth = Cloth(np.zeros((1, 1, 3), np.uint8))
    changes = {name: value for name, value in changes.items() if name != "hair_length"}
    outfit = Outfit(**{**PLAIN, **changes}, top_cloth=cloth, bottom_cloth=cloth, coat_cloth=cloth, shoe=_GREY)
    person = Identity({}, {}, _GREY, _GREY, _GREY, _GREY, 1.0, hair_length, 0.015, 0.018)
    return shells(bodies.surface, charts, person, outfit, bodies.model.bone_labels)


def _garment(bodies: Bodies, charts: Charts, rest: dict, slot: str, cut: str, material: int, changes: dict) -> Garment:
    surface = bodies.surface
    own = [shell for shell in _worn(bodies, charts, changes) if shell.material == material]
    cover, offset = np.full(len(surface.vertices), -FAR, np.float32), np.zeros(len(surface.vertices), np.float32)
    label, mesh = 0, None
    for shell in own:
        if shell.vertices is not None:
            mesh = shell
            continue
        used = np.unique(shell.faces)
        figure = dress(bodies, rest, [shell])
        cover[used] = shell.cover[used]
        offset[used] = ((figure.rest - surface.vertices[used]) * surface.normals[used]).sum(1)
        label = 0 if slot == "shoes" else int(shell.label[0])
    return Garment(slot, cut, cover, offset.clip(0, None), label or _number(slot, mesh), mesh)


def _number(slot: str, mesh: Shell | None) -> int:
    return int(mesh.label[0]) if mesh is not None else LIP_20.index("Left-shoe") if slot == "shoes" else 0
