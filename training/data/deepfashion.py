"""DeepFashion In-Shop (Liu et al., 2016) with the splits of pose transfer, as CFLD, PCDMs and MCLD lay it out.

=============== ============================================ ==================== ====================================
whose           pairs                                        pictures             what else is known
=============== ============================================ ==================== ====================================
CFLD and before fasion-resize-pairs-train.csv (or fashion-…) train_highres, train fasion-resize-annotation-train.csv
MCLD            train.csv, here or in data                   train                train_densepose, train_texture,
                                                                                  train_face
PCDMs           train_data.json                              train_lst_512_png, … normalized_pose_txt
=============== ============================================ ==================== ====================================

and the same with ``test``. Pictures may also lie as an archive unpacks: ``WOMEN/Dresses/id_…/…jpg``.

Points of the tables are those of 256×176. The high-resolution pictures and those resized from them, whether they kept
their aspect or were stretched to squares, show just that. The archive ``img``, and folders made of it, have squares of
256 with 40 white columns at either side: these are cut off, and what is left is 256×176.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import TrainingError
from .pictures import check_files, parse_size, pictures_in, read_map, read_picture
from .records import Pair, Record
from .tables import POINTS, Row, read_list, read_pair_list, read_pairs, read_points, scaled, seen_points

#: Pairs of the official splits.
OFFICIAL_PAIRS = {"train": 101_966, "test": 8_570}
#: Height and width at which the tables' points were made.
POINTS_SIZE = (256, 176)
#: Each bar of ``img``'s squares, as a share of the width.
BAR = 40 / 256
#: How many pictures of a folder are looked at for bars, in what share of the width, which no JPEG block shares with the
#: photo, and from which value on they are white.
LOOKED_AT, SURELY_BAR, WHITE = 32, 32 / 256, 245
#: A name's parts: gender, category, item, outfit, and the view's number and name.
NAME = re.compile(
    r"fashion(?P<gender>MEN|WOMEN)(?P<kind>.+)id(?P<item>\d{8})(?P<outfit>\d\d)_(?P<number>\d)(?P<view>\w+)"
)
#: Where pictures may lie, the best first; ``{}`` is the split.
FOLDERS = ("{}_highres", "{}", "{}_lst_512_png", "{}_lst_256_png", "train_all_png", "all_data_png")
ARCHIVES = ("", "img_highres", "img", "fashion")
PAIR_TABLES = (
    *("fasion-resize-pairs-{}.csv", "fashion-resize-pairs-{}.csv"),
    *("{}.csv", "data/{}.csv", "deepfashion_utils/{}.csv", "{}_data.json"),
)
POINT_TABLES = ("fasion-resize-annotation-{}.csv", "fashion-resize-annotation-{}.csv")
LISTS = ("{}.lst", "data/{}.lst", "deepfashion_utils/{}.lst")
POSE_TEXTS = "normalized_pose_txt"


class DeepFashion:
    """A split of DeepFashion In-Shop.

    Args:
        root: the folder with the tables and the folders of pictures.
        split: "train" or "test".
        size: to stretch pictures to, height × width; None leaves them at their own.
        check_counts: raise where the split has not its official number of pairs.

    Attributes:
        complete_fields: what is absent where the folders have it not: faces that were not seen.

    Raises:
        TrainingError: files are missing, broken, or not the official ones.
    """

    def __init__(
        self, root: str | Path, split: str = "train", size: str | None = None, check_counts: bool = True
    ) -> None:
        if split not in OFFICIAL_PAIRS:
            raise TrainingError(f"DeepFashion has no split '{split}'. Give split=train or split=test.")
        self.root, self.split, self.size = Path(root), split, parse_size(size)
        table = self._first(PAIR_TABLES)
        if table is None:
            looked = ", ".join(name.format(split) for name in PAIR_TABLES)
            raise TrainingError(
                f"'{root}' has no table of pairs; one of {looked} is expected. They come with the code of CFLD (from "
                "DPTN), MCLD and PCDMs; put one into that folder."
            )
        rows = read_pair_list(table) if table.suffix == ".json" else read_pairs(table)
        if check_counts and len(rows) != OFFICIAL_PAIRS[split]:
            raise TrainingError(
                f"'{table}' has {len(rows):,} pairs; the official {split} split has {OFFICIAL_PAIRS[split]:,}. "
                "Download it again, or set check_counts=false to go on with these."
            )
        self.pairs = [Pair(row.source, row.target) for row in rows]
        self.names = self._names(table, rows)
        self._files = self._pictures()
        self._bar = BAR if _have_bars([self._files[name] for name in self.names]) else 0
        self._points = read_points(points) if (points := self._first(POINT_TABLES)) else {}
        folders = {"iuv": f"{split}_densepose", "texture": f"{split}_texture", "face": f"{split}_face"}
        self._folders = {field: self.root / name for field, name in folders.items() if (self.root / name).is_dir()}
        self.complete_fields = frozenset(self._folders) & {"face"}

    def record(self, name: str) -> Record:
        """One picture with everything known of it."""
        parts = NAME.fullmatch(name)
        image = read_picture(self._files[name], self.size, sides=self._bar)
        identity = f"{parts['gender']}-{parts['kind']}-id{parts['item']}"
        return Record(name, identity, f"{identity}-{parts['outfit']}", image, self._fields(name, image.shape[:2]))

    def _fields(self, name: str, size: tuple[int, int]) -> dict[str, np.ndarray]:
        fields = {}
        points = self._points_of(name, size)
        if points is not None:
            fields["keypoints"] = points
        files = {field: folder / f"{name}.png" for field, folder in self._folders.items()}
        if "iuv" in files and files["iuv"].is_file():
            # OpenCV wrote I, U, V as blue, green, red.
            fields["iuv"] = read_map(files["iuv"], size, self._bar)[..., ::-1].copy()
        if "texture" in files and files["texture"].is_file():
            fields["texture"] = read_picture(files["texture"])
        if "face" in files and (face := files["face"].with_suffix(".npy")).is_file():
            fields["face"] = np.load(face).astype(np.float32).reshape(-1)
        return fields

    def _points_of(self, name: str, size: tuple[int, int]) -> np.ndarray | None:
        if name in self._points:
            return scaled(self._points[name], POINTS_SIZE, size)
        text = self.root / POSE_TEXTS / f"{name}.txt"
        if not text.is_file():
            return None
        try:
            values = np.array([line.split() for line in text.read_text().splitlines() if line.strip()], np.float32)
            x, y = values.reshape(POINTS, 2).T
        except ValueError as error:
            raise TrainingError(f"'{text}' has not {POINTS} lines 'x y' ({error}). Unpack it again.") from error
        # Zero is what OpenPose's files have for points that are not seen, −1 what DWPose's have.
        seen = (x >= 0) & (y >= 0) & ((x > 0) | (y > 0))
        return scaled(seen_points(x, y, seen), (1, 1), size)

    def _names(self, table: Path, rows: list[Row]) -> list[str]:
        """Every picture of the split, those without a pair included: FID compares with all of them."""
        listed = read_list(file) if (file := self._first(LISTS)) else []
        names = dict.fromkeys(listed)
        for row in rows:
            for name in (row.source, row.target):
                if not NAME.fullmatch(name):
                    raise TrainingError(
                        f"'{table}', line {row.line}: '{name}' is no name of DeepFashion's; one like "
                        "'fashionWOMENBlouses_Shirtsid0000337203_3back.jpg' is expected. Download the table again."
                    )
                names[name] = None
        return [name for name in names if NAME.fullmatch(name)]

    def _pictures(self) -> dict[str, Path]:
        folders = [self.root / name.format(self.split) for name in FOLDERS]
        for folder in folders:
            if folder.is_dir() and (files := pictures_in(folder)):
                check_files(self.names, files, f"'{folder}'")
                return files
        for archive in (self.root / name for name in ARCHIVES):
            if (archive / "WOMEN").is_dir():
                files = {name: archive / _place(name) for name in self.names}
                there = {name: file for name, file in files.items() if file.is_file()}
                check_files(self.names, there, f"'{archive}' (MEN and WOMEN)")
                return there
        raise TrainingError(
            f"'{self.root}' has no pictures; they are expected in {', '.join(folder.name for folder in folders)}, or "
            "in MEN and WOMEN as img_highres.zip unpacks. Its password comes from DeepFashion's maintainers."
        )

    def _first(self, names: tuple[str, ...]) -> Path | None:
        """The first of some files that is there; ``{}`` in a name is the split."""
        files = (self.root / name.format(self.split) for name in names)
        return next((file for file in files if file.is_file()), None)


def _have_bars(files: Sequence[Path]) -> bool:
    """Whether all of some pictures, spread over a folder, are squares with white bars.

    A stretched picture on white may look so; not all do: there are close-ups, floors and shadows.
    """
    looked_at = files[:: max(1, len(files) // LOOKED_AT)]
    return bool(looked_at) and all(_has_bars(read_picture(file)) for file in looked_at)


def _has_bars(picture: np.ndarray) -> bool:
    height, width = picture.shape[:2]
    bar = max(1, round(width * SURELY_BAR))
    return height == width and all(side.min() >= WHITE for side in (picture[:, :bar], picture[:, -bar:]))


def _place(name: str) -> Path:
    """Where the archive has a picture: ``WOMEN/Blouses_Shirts/id_00003372/03_3_back.jpg``."""
    parts = NAME.fullmatch(name)
    file = f"{parts['outfit']}_{parts['number']}_{parts['view']}.jpg"
    return Path(parts["gender"], parts["kind"], f"id_{parts['item']}", file)
