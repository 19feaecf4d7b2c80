"""What the mannequin takes: drawing people, fitting them, and the file that is shipped."""

import argparse
import statistics
import sys
from collections.abc import Callable

from devtools.host import ROOT, import_host

import_host()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mannequin.preprocessors.body.camera import Camera, framing, looking  # noqa: E402
from mannequin.preprocessors.body.clothes import DEFAULTS, dressed  # noqa: E402
from mannequin.preprocessors.body.fitting import camera_for, fit  # noqa: E402
from mannequin.preprocessors.body.model import BODY, FILE, body  # noqa: E402
from mannequin.preprocessors.body.photo import fit_photos  # noqa: E402
from mannequin.preprocessors.body.points import frames  # noqa: E402
from mannequin.preprocessors.body.pose import STANDING, pose, turned  # noqa: E402
from mannequin.preprocessors.body.rendering import (  # noqa: E402
    Person,
    densepose,
    depth_image,
    mask,
    normal_image,
    parsing,
    render,
)
from mannequin.preprocessors.body.scene import read  # noqa: E402
from mannequin.preprocessors.skeleton import draw  # noqa: E402
from PIL import Image  # noqa: E402

from .measure import extra_peak_mib, interleaved  # noqa: E402
from .report import in_mib  # noqa: E402

PHOTO = ROOT / "workflows" / "inputs" / "mannequin_demo_pose.png"
POSE = STANDING | {
    "left shoulder": (50, 20, 0),
    "left elbow": (80, 0, 0),
    "right hip": (40, 0, 0),
    "right knee": (50, 0, 0),
}


def someone(across: float) -> Person:
    """Posed, shaped and dressed from the beginning, as a node does it."""
    shaped = body().shaped({"sex": 0.5, "height": 0.2})
    posed = pose(shaped, turned(shaped.body, POSE), (across, 0.0, 0.0))
    return Person(posed, dressed(shaped, DEFAULTS))


def maps(people: list[Person], camera: Camera) -> None:
    """Everything but the skeleton's picture."""
    pictures = [render(people, camera)]
    frames(pictures)
    for condition in (densepose, parsing, depth_image, normal_image, mask):
        condition(pictures)


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench mannequin", description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="704x512", help="height and width (default 704x512)")
    parser.add_argument("--rounds", type=int, default=7, help="times each is run (default 7)")
    arguments = parser.parse_args()
    size = tuple(int(side) for side in arguments.size.split("x"))
    one, three = [someone(0.0)], [someone(across) for across in (-0.8, 0.0, 0.8)]
    cameras = {len(people): _around(people, size) for people in (one, three)}
    pictures = [render(one, cameras[1])]
    bodies = frames(pictures)
    posed = one[0].posed
    pixels, _ = cameras[1].project(cameras[1].seen(posed.points()[BODY]))
    points = np.concatenate([pixels, np.ones((len(pixels), 1))], 1)
    lens = camera_for(posed.shaped, points[None], size)
    photo = torch.from_numpy(np.asarray(Image.open(PHOTO).convert("RGB").resize(size[::-1]), np.float32) / 255)[None]
    runs: dict[str, Callable[[], object]] = {
        "shape, pose and dress one": lambda: someone(0.0),
        "draw one: all maps and points": lambda: maps(one, cameras[1]),
        "draw three: all maps and points": lambda: maps(three, cameras[3]),
        "picture of the skeleton": lambda: draw(bodies, size[1], size[0]),
        "fit one to 18 points": lambda: fit(posed.shaped, points, lens),
        "fit one to a photo, pose alone": lambda: fit_photos(photo, read(""), shaped=False),
        "fit one to a photo, outline too": lambda: fit_photos(photo, read("")),
    }
    seconds = interleaved(runs, arguments.rounds)
    lines = [f"| {size[1]}×{size[0]} | ms, median | fastest | peak MiB |", "|---|---|---|---|"]
    for name, run in runs.items():
        peak = extra_peak_mib(run)
        median, least = 1000 * statistics.median(seconds[name]), 1000 * min(seconds[name])
        lines.append(f"| {name} | {median:.0f} | {least:.0f} | {in_mib(peak)} |")
    sys.stdout.write("\n".join([*lines, "", f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB", ""]))


def _around(people: list[Person], size: tuple[int, int]) -> Camera:
    return framing(np.concatenate([one.posed.points() for one in people]), looking(15), size)


if __name__ == "__main__":
    main()
