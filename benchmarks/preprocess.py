"""``python dev.py bench preprocess PHOTO…``: what the bundled preprocessors find in photos, how fast, in what memory.

Writes a picture for every photo with all that was found drawn into it: look at them.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devtools.host import import_host

import_host()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from mannequin.preprocessors.faces import find_faces  # noqa: E402
from mannequin.preprocessors.overlay import overlay  # noqa: E402
from mannequin.preprocessors.parsers import parse  # noqa: E402
from mannequin.preprocessors.people import detect_poses  # noqa: E402
from mannequin.preprocessors.skeleton import draw  # noqa: E402
from PIL import Image, ImageDraw, ImageOps  # noqa: E402

from devtools.environment import home_folder  # noqa: E402
from devtools.host import ROOT  # noqa: E402

from .measure import extra_peak_mib, timed  # noqa: E402
from .report import in_mib  # noqa: E402

SHEET_HEIGHT = 480


@dataclass(frozen=True)
class Row:
    """What was found in one photo, and what it took."""

    name: str
    size: str
    people: int
    keypoints: str
    labels: str
    faces: int
    milliseconds: dict[str, float]
    peak_mib: float | None

    def markdown(self) -> str:
        times = " / ".join(f"{value:.0f}" for value in self.milliseconds.values())
        peak = in_mib(self.peak_mib)
        cells = (self.name, self.size, self.people, self.keypoints, self.labels, self.faces, times, peak)
        return f"| {' | '.join(str(cell) for cell in cells)} |"


HEAD = (
    "| photo | size | people | keypoints seen, each | labels | faces | ms: pose / parsing / faces | peak MiB |\n"
    "|---|---|---|---|---|---|---|---|"
)


def look(path: Path, rounds: int, out: Path) -> Row:
    """Run every bundled preprocessor on a photo."""
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    image = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)[None]
    runs: dict[str, Callable[[], object]] = {
        "pose": lambda: detect_poses(image, "skip", "all"),
        "parsing": lambda: parse(image, None, "skip", "all"),
        "faces": lambda: find_faces(image[0]),
    }
    (frame,), parsing, faces = (run() for run in runs.values())
    milliseconds = {name: 1000 * statistics.median(timed(run) for _ in range(rounds)) for name, run in runs.items()}
    peak = extra_peak_mib(lambda: [run() for run in runs.values()])
    drawn = draw([frame], picture.width, picture.height)
    posed = torch.where((drawn > 0).any(-1, keepdim=True), drawn, image * 0.6)
    boxed = picture.copy()
    pen = ImageDraw.Draw(boxed)
    for face in faces:
        corners = torch.tensor([[0.0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) @ face.square.T
        pen.polygon([tuple(corner) for corner in corners.tolist()], outline="red", width=max(2, picture.height // 200))
        for x, y in face.points.tolist():
            radius = max(1, picture.height // 300)
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill="lime")
    sheet([picture, as_picture(posed), as_picture(overlay(image, parsing)), boxed]).save(out / f"{path.stem}.jpg")
    seen = ", ".join(str(int((person[:, 2] > 0).sum())) for person in frame.people) or "–"
    return Row(
        path.name,
        f"{picture.width}×{picture.height}",
        len(frame.people),
        seen,
        str(len(parsing.present())),
        len(faces),
        milliseconds,
        peak,
    )


def as_picture(image: torch.Tensor) -> Image.Image:
    return Image.fromarray((image[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy())


def sheet(pictures: list[Image.Image]) -> Image.Image:
    """Side by side, at one height."""
    scaled = [
        picture.resize((max(1, picture.width * SHEET_HEIGHT // picture.height), SHEET_HEIGHT)) for picture in pictures
    ]
    whole = Image.new("RGB", (sum(picture.width for picture in scaled), SHEET_HEIGHT))
    left = 0
    for picture in scaled:
        whole.paste(picture, (left, 0))
        left += picture.width
    return whole


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(prog="dev.py bench preprocess", description=__doc__.splitlines()[0])
    default = sorted((ROOT / "workflows" / "inputs").glob("*.*g"))
    parser.add_argument("photos", nargs="*", type=Path, default=default, help="default: the example photos")
    parser.add_argument("--rounds", type=int, default=3, help="times each is run (default 3)")
    folder = home_folder(ROOT) / "preprocess"
    parser.add_argument("--output", type=Path, default=folder, help=f"where pictures go; default: {folder}")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    sys.stdout.write(HEAD + "\n")
    for path in arguments.photos:
        sys.stdout.write(look(path, arguments.rounds, arguments.output).markdown() + "\n")
        sys.stdout.flush()
    sys.stdout.write(f"\nPictures: {arguments.output}\n")


if __name__ == "__main__":
    main()
