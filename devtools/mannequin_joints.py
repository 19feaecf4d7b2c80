"""``python -m devtools.mannequin_joints``: write what the browser needs of the baked body to ``web/js/body.json``.

Joints at rest and by shape, their axes and limits, how someone stands, what can be worn, and the library of poses; a
tenth of a micrometre or of a microradian is the last digit. A test holds the file against the body.
"""

import json
import sys
from typing import Any

from preprocessors.body.clothes import choices
from preprocessors.body.library import library
from preprocessors.body.model import body
from preprocessors.body.pose import STANDING
from preprocessors.body.scene import CAMERA_FARTHEST, CAMERA_NEAREST, FARTHEST, MOST_PEOPLE, VERSION, read

from .host import ROOT
from .say import say

FILE = ROOT / "web" / "js" / "body.json"


def joints() -> dict[str, Any]:
    """The file's content, see ``web/js/kinematics.js``."""
    there = body()
    rounded = lambda array: array.astype(float).round(7).tolist()  # noqa: E731
    return {
        "version": VERSION,
        "mostPeople": MOST_PEOPLE,
        "farthest": FARTHEST,
        "cameraDistance": [CAMERA_NEAREST, CAMERA_FARTHEST],
        "names": there.names,
        "parents": there.parents.tolist(),
        "joints": rounded(there.joints),
        "turning": rounded(there.turning),
        "limits": rounded(there.limits),
        "standing": {name: list(turn) for name, turn in STANDING.items()},
        "hips": round(float(read("").figures[0].person().posed.origin[2]), 4),
        "axes": there.axes,
        "terms": there.terms,
        "jointChanges": rounded(there.joint_changes),
        "clothes": choices(there),
        "poses": library(),
    }


def text() -> str:
    """It as JSON."""
    return json.dumps(joints(), separators=(",", ":")) + "\n"


def main() -> int:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
    say(f"{FILE}: {FILE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
