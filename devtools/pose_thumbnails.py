"""``python -m devtools.pose_thumbnails``: draw the library of poses to ``web/js/poses.jpg``, which the editor shows.

A picture of each, in the library's order, row after row; sizes are those that ``web/js/gallery.js`` has.
"""

import json
import sys

import numpy as np
from PIL import Image

from preprocessors.body.library import names, person
from preprocessors.body.mannequin import mannequins
from preprocessors.body.rendering import mask, normal_image

from .host import ROOT
from .say import say

FILE = ROOT / "web" / "js" / "poses.jpg"
WIDTH, HEIGHT, COLUMNS = 64, 88, 10
#: Drawn so many times larger, then made smaller.
OVER = 3
LIGHT = np.array([-0.35, 0.5, 0.79])
BACKGROUND, DARK, BRIGHT = 43, 70, 245


def picture(name: str) -> Image.Image:
    """A pose, lit from above."""
    made = mannequins(json.dumps({"people": [person(name)]}), (HEIGHT * OVER, WIDTH * OVER)).pictures
    normals = normal_image(made)[0].numpy() * 2 - 1
    lit = DARK + (BRIGHT - DARK) * (normals @ LIGHT).clip(0, 1)
    grey = np.where(mask(made)[0].numpy() > 0.5, lit, BACKGROUND).astype(np.uint8)
    return Image.fromarray(grey).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def sheet() -> Image.Image:
    """All of them."""
    everything = names()
    result = Image.new("L", (WIDTH * COLUMNS, HEIGHT * -(-len(everything) // COLUMNS)), BACKGROUND)
    for number, name in enumerate(everything):
        row, column = divmod(number, COLUMNS)
        result.paste(picture(name), (column * WIDTH, row * HEIGHT))
    return result


def main() -> int:
    sheet().save(FILE, quality=82, optimize=True)
    say(f"{FILE}: {len(names())} poses, {FILE.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
