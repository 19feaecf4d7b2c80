"""``python -m training.data.synthetic sheet OUT.png``: look at what the data set shows, and at what it knows."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from preprocessors.labels import PALETTE
from training.errors import TrainingError

from ..records import Record
from .people import BACKDROPS, SyntheticPeople

#: OpenPose-18's limbs, by number of its points.
LIMBS = (
    *((1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((0, 1), (0, 14), (14, 16), (0, 15), (15, 17)),
)
SEEN, HIDDEN, BOX = (80, 255, 120), (255, 150, 40), (255, 255, 255)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 2 where the arguments make no data set."""
    parser = argparse.ArgumentParser(
        prog="python -m training.data.synthetic", description="Synthetic people, the same for the same seed."
    )
    sheet = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "sheet", help="a contact sheet: a row for every outfit, a column for every view of it"
    )
    sheet.add_argument("out", type=Path, help="picture file to write, as sheet.png")
    sheet.add_argument(
        "--truth", action="store_true", help="under each picture its keypoints, parsing, IUV and texture map"
    )
    sheet.add_argument("--size", default="256x192", metavar="HxW", help="of every picture (default %(default)s)")
    sheet.add_argument("--identities", type=int, default=6, help="how many people (default %(default)s)")
    sheet.add_argument("--outfits", type=int, default=1, help="outfits of each (default %(default)s)")
    sheet.add_argument("--views", type=int, default=4, help="pictures of each outfit (default %(default)s)")
    sheet.add_argument("--backdrop", default="scenes", choices=BACKDROPS, help="behind them (default %(default)s)")
    sheet.add_argument("--split", default="train", choices=("train", "test"), help="(default %(default)s)")
    sheet.add_argument("--seed", type=int, default=0, help="of everything (default %(default)s)")
    sheet.add_argument("--device", default="cpu", help="where rays are cast: cpu or cuda:0 (default %(default)s)")
    chosen = parser.parse_args(arguments)
    if min(chosen.identities, chosen.outfits, chosen.views) < 1:
        parser.error("A sheet shows one identity, outfit and view at the least.")
    try:
        people = SyntheticPeople(
            split=chosen.split,
            seed=chosen.seed,
            identities=chosen.identities,
            outfits=chosen.outfits,
            views=chosen.views,
            size=chosen.size,
            backdrop=chosen.backdrop,
            device=chosen.device,
        )
        sheet = contact_sheet(people, chosen.truth)
        Image.fromarray(sheet).save(chosen.out)
    except (TrainingError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{len(people.names)} pictures in '{chosen.out}'\n")
    return 0


def contact_sheet(people: SyntheticPeople, truth: bool = False) -> np.ndarray:
    """Everyone in one picture, uint8 ``[rows · H, views · W, 3]``: a row an outfit, its truths below it if wanted."""
    records = people.render(people.names)
    rows = [records[start : start + people.views] for start in range(0, len(records), people.views)]
    pictures = [[truths(record) if truth else record.image for record in row] for row in rows]
    return np.concatenate([np.concatenate(row, 1) for row in pictures])


def truths(record: Record) -> np.ndarray:
    """A picture, then below each other its keypoints with the face's box, parsing, IUV and texture map."""
    parsing = np.array(PALETTE, np.uint8)[record.fields["parsing"]]
    iuv = record.fields["iuv"].copy()
    # 24 parts are told apart when they fill the channel.
    iuv[..., 0] *= 10
    height, width = record.image.shape[:2]
    laid_out = Image.fromarray(texture(record)).resize((width, width), Image.Resampling.BOX)
    return np.concatenate([record.image, skeleton(record), parsing, iuv, np.asarray(laid_out)])


def texture(record: Record) -> np.ndarray:
    """What the picture shows of clothes and skin, on MCLD's texture, uint8 ``[512, 512, 3]``."""
    from preprocessors.texture_map import charts, paint_gaps, scatter, to_texture

    atlas, _ = scatter(record.image, record.fields["iuv"])
    return to_texture(paint_gaps(atlas, charts())[0])


def skeleton(record: Record) -> np.ndarray:
    """The picture, darker, with limbs, points (green seen, orange hidden) and the face's box."""
    picture = Image.fromarray(record.image // 2)
    draw = ImageDraw.Draw(picture)
    points = record.fields["keypoints"]
    for first, second in LIMBS:
        if min(points[first, 2], points[second, 2]) > 0:
            draw.line([*points[first, :2].tolist(), *points[second, :2].tolist()], fill=(90, 150, 255))
    for x, y, seen in points.tolist():
        if seen:
            draw.ellipse([x - 1.5, y - 1.5, x + 1.5, y + 1.5], fill=SEEN if seen == 1 else HIDDEN)
    if "face_box" in record.fields:
        left, top, right, bottom = record.fields["face_box"].tolist()
        draw.rectangle([left, top, right - 1, bottom - 1], outline=BOX)
    return np.asarray(picture)


if __name__ == "__main__":
    sys.exit(main())
