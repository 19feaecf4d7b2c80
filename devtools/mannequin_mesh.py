"""``python -m devtools.mannequin_mesh``: write the body that the editor draws to ``web/js/mesh.json``.

A sixth of the baked body's vertices and triangles between them, with what is known of those vertices: bones, shapes,
and how far off the skin clothes lie; and the skirts and the hair that are meshes of their own. Numbers are
little-endian, in base64. A test holds the file against the body.
"""

import argparse
import base64
import json
import sys

import numpy as np

from preprocessors.body.clothes import DEFAULTS
from preprocessors.body.model import OFFSET, body
from preprocessors.body.pose import STANDING, clamped, pose, turned

from .host import ROOT
from .say import say
from .simplify import simplified

FILE = ROOT / "web" / "js" / "mesh.json"
VERTICES = 2300
BONES = 4
#: Of each garment's own mesh.
GARMENT_VERTICES = 140
#: Metres of one in the file.
PLACE = 1 / 20000
#: A finger is thin and a face is looked at: an error there counts for more.
_COUNTS = {"finger": 12.0, "thumb": 12.0, "toes": 4.0, "wrist": 4.0, "head": 8.0}
_BOTH = ("left", "right")
#: Poses that the triangles must look well in, besides standing.
_POSES = (
    {},
    {f"{side} {joint}": bend for side in _BOTH for joint, bend in {"hip": 95, "knee": 110, "elbow": 100}.items()},
    {
        f"{side} {joint}": turn
        for side in _BOTH
        for joint, turn in {"shoulder": (10, 115, 0), "hip": (30, 50, 0)}.items()
    },
    {"waist": 40, "chest": 20, "neck": 30, "head": 20}
    | {
        f"{side} {name} finger {bone}": 70
        for side in _BOTH
        for name in ("index", "middle", "ring", "little")
        for bone in (1, 2)
    },
)


def chosen() -> tuple[np.ndarray, np.ndarray]:
    """The vertices that are drawn and triangles between them; it takes a minute."""
    there = body()
    faces = there.corner_vertex[there.faces[there.mesh == 0]]
    shaped = there.shaped({})
    posed = []
    for named in _POSES:
        turns = {name: (turn if isinstance(turn, tuple) else (turn, 0, 0)) for name, turn in named.items()}
        turns, _ = clamped(there, turned(there, STANDING | turns))
        posed.append(pose(shaped, turns).skinned(shaped.vertices))
    main = there.bones[np.arange(len(there.bones)), there.weights.argmax(1)]
    counts = np.array([next((by for word, by in _COUNTS.items() if word in name), 1.0) for name in there.names])
    importance = counts[main]
    # What reaches farthest of every bone says how large the body is, where it stands and how it is framed.
    used = np.unique(faces)
    for joint in range(len(there.names)):
        own = used[main[used] == joint]
        for axis in range(3) if len(own) else ():
            importance[own[[there.vertices[own, axis].argmin(), there.vertices[own, axis].argmax()]]] = np.inf
    return simplified(np.stack(posed), faces, VERTICES, importance)


def text(kept: np.ndarray, faces: np.ndarray) -> str:
    """The file's content, see ``web/js/mesh.js``."""
    there = body()
    offsets = np.where(there.covers[:, kept] > 0, there.offsets[:, kept], 0)
    content = {
        "vertices": _packed(kept, "<u2"),
        **_mesh(kept, faces),
        "offsets": _packed(np.rint(offsets / OFFSET), "u1"),
        "offset": OFFSET,
        "garments": [[one["slot"], one["cut"]] for one in there.garments],
        "outfit": DEFAULTS,
        "own": [{"garment": number} | _mesh(*garment(number)) for number in _with_meshes()],
    }
    return json.dumps(content, separators=(",", ":")) + "\n"


def garment(number: int) -> tuple[np.ndarray, np.ndarray]:
    """The vertices that are drawn of a garment's own mesh, and triangles between them."""
    there = body()
    faces = there.corner_vertex[there.faces[there.mesh == number + 1]]
    # Where it is open is settled by the pixel in the node; here a triangle is there or not.
    faces = faces[there.mesh_cover[faces].mean(1) >= 0]
    importance = np.ones(len(there.vertices))
    return simplified(there.vertices[None], faces, GARMENT_VERTICES, importance)


def _with_meshes() -> list[int]:
    """Numbers of the garments that have a mesh of their own."""
    return [int(number) - 1 for number in np.unique(body().mesh) if number]


def _mesh(kept: np.ndarray, faces: np.ndarray) -> dict:
    """What is known of vertices of the body, and triangles between them."""
    there = body()
    order = np.argsort(-there.weights[kept], 1)[:, :BONES]
    weights = np.take_along_axis(there.weights[kept], order, 1)
    weights = np.rint(weights / weights.sum(1, keepdims=True) * 65535)
    changes = there.changes[:, kept]
    units = np.abs(changes).max((1, 2)) / 127
    return {
        "faces": _packed(faces, "<u2"),
        "places": _packed(np.rint(there.vertices[kept] / PLACE), "<i2"),
        "changes": _packed(np.rint(changes / units[:, None, None]), "i1"),
        "bones": _packed(np.take_along_axis(there.bones[kept], order, 1), "u1"),
        "weights": _packed(weights, "<u2"),
        "units": {"place": PLACE, "changes": [float(f"{unit:.6g}") for unit in units]},
    }


def read() -> tuple[np.ndarray, np.ndarray]:
    """The vertices and triangles of the file."""
    content = json.loads(FILE.read_text(encoding="utf-8"))
    kept, faces = (np.frombuffer(base64.b64decode(content[name]), "<u2").astype(int) for name in ("vertices", "faces"))
    return kept, faces.reshape(-1, 3)


def _packed(values: np.ndarray, kind: str) -> str:
    limits = np.iinfo(kind)
    assert values.min() >= limits.min and values.max() <= limits.max
    return base64.b64encode(np.ascontiguousarray(values.astype(kind)).tobytes()).decode("ascii")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="the file's triangles, with what is known of the body now")
    kept, faces = read() if parser.parse_args().keep else chosen()
    FILE.write_text(text(kept, faces), encoding="utf-8")
    say(f"{FILE}: {len(kept)} vertices, {len(faces)} triangles, {FILE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
