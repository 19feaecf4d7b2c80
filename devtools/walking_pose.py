"""``python -m devtools.walking_pose``: write two steps of a walk, eight frames, to ``workflows/inputs``.

As Save Pose would write them: what the graph *pose_sequence* loads.
"""

import json
import sys
from typing import Any

import numpy as np

from preprocessors.body.library import person
from preprocessors.body.mannequin import mannequins
from preprocessors.body.points import frames
from preprocessors.body.pose import STANDING
from preprocessors.keypoints import to_pose_keypoint
from preprocessors.pose_json import write_pose

from .draw_demo import DEMO_SIZE
from .host import ROOT
from .say import say

FILE = ROOT / "workflows" / "inputs" / "mannequin_walk.json"
#: The poses of a walk, of which every second frame is the middle of two.
STEPS = ("Walking: Walking", "Walking: Passing")
#: Degrees that the walker is turned to their left, and where the camera stands still.
TURN = 35
BODY = "pose_keypoints_2d"
CAMERA = {"centre": [0, 0, 0.88], "height": 2.1}


def walk() -> list[dict[str, Any]]:
    """A person for every frame."""
    keys = [person(name, mirror)["joints"] for mirror in (False, True) for name in STEPS]
    result = []
    for number, here in enumerate(keys):
        result += [here, _between(here, keys[(number + 1) % len(keys)])]
    return [{"joints": joints, "turn": TURN} for joints in result]


def _between(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The middle of two poses; a joint that only one names stands at ease in the other."""
    both = [_triples(joints) for joints in (one, other)]
    return {
        name: np.mean([joints.get(name, STANDING.get(name, (0, 0, 0))) for joints in both], 0).round(1).tolist()
        for name in {**both[0], **both[1]}
    }


def _triples(joints: dict[str, Any]) -> dict[str, list[float]]:
    return {name: turn if isinstance(turn, list) else [turn, 0, 0] for name, turn in joints.items()}


def _body(frame: dict[str, Any]) -> dict[str, Any]:
    """A frame without hands, feet and faces, to a hundredth of a pixel."""
    people = [{BODY: np.round(one[BODY], 2).tolist()} for one in frame["people"]]
    return {**frame, "people": people}


def main() -> int:
    height, width = DEMO_SIZE["height"], DEMO_SIZE["width"]
    scenes = [json.dumps({"people": [someone], "camera": CAMERA}) for someone in walk()]
    pictures = [mannequins(scene, (height, width)).pictures[0] for scene in scenes]
    write_pose(FILE, [_body(frame) for frame in to_pose_keypoint(frames(pictures, "keep"))])
    say(f"{FILE}: {len(pictures)} frames, {FILE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
