"""Market-1501 (Zheng et al., 2015): people seen by six cameras, 128×64, with the pairs and points of pose transfer."""

import re
from pathlib import Path

from ..errors import TrainingError
from .grouping import all_pairs
from .pictures import parse_size, pictures_in, read_picture
from .records import Pair, Record
from .tables import read_pairs, read_points, scaled

#: Height and width of the pictures, and of the tables' points.
SIZE = (128, 64)
#: Folders of each split; the gallery of re-identification is the test split's folder.
SPLITS = {
    "train": ("bounding_box_train", "train"),
    "test": ("bounding_box_test", "test"),
    "query": ("query",),
    "gallery": ("bounding_box_test", "test"),
}
#: ``0002_c1s1_000451_03``: person, camera and sequence, frame, box.
NAME = re.compile(r"(?P<person>-1|\d{4})_c\ds\d_\d{6}_\d\d")
#: People that are none: boxes that show nobody, and people who are not followed.
NOBODY = ("-1", "0000")


class Market1501:
    """A split of Market-1501; what shows nobody in particular is left out, but of the gallery.

    Args:
        root: the folder with ``bounding_box_train``, and mostly ``market-pairs-train.csv`` and
            ``market-annotation-train.csv``. Without pairs, all ordered pairs of a person's pictures are taken.
        split: "train" or "test"; for re-identification "query", and "gallery", which is "test" with its junk ("-1") and
            distractors ("0000"), which are their identities.
        size: to stretch pictures to, height × width; None leaves them at 128×64.

    Raises:
        TrainingError: files are missing or broken.
    """

    def __init__(self, root: str | Path, split: str = "train", size: str | None = None) -> None:
        if split not in SPLITS:
            raise TrainingError(f"Market-1501 has no split '{split}'. Give split= and one of {', '.join(SPLITS)}.")
        root, self.size = Path(root), parse_size(size)
        folders = [root / name for name in SPLITS[split]]
        folder = next((folder for folder in folders if folder.is_dir()), None)
        if folder is None:
            raise TrainingError(
                f"'{root}' has no folder {' or '.join(folder.name for folder in folders)}. Unpack "
                "Market-1501-v15.09.15.zip and give the folder it makes."
            )
        named = NAME.fullmatch if split == "gallery" else _person
        self._files = {name: file for name, file in pictures_in(folder).items() if named(name)}
        if not self._files:
            raise TrainingError(
                f"'{folder}' has no picture of Market-1501, whose names are like '0002_c1s1_000451_03.jpg'. Unpack the "
                "archive again."
            )
        self.names = list(self._files)
        pairs, points = (root / f"market-{kind}-{split}.csv" for kind in ("pairs", "annotation"))
        people = {name: person for name in self.names if (person := _person(name))}
        self.pairs = self._pairs(pairs) if pairs.is_file() else all_pairs(people)
        self._points = read_points(points) if points.is_file() else {}

    def record(self, name: str) -> Record:
        """One picture with everything known of it."""
        image = read_picture(self._files[name], self.size)
        fields = {}
        if name in self._points:
            fields["keypoints"] = scaled(self._points[name], SIZE, image.shape[:2])
        person = NAME.fullmatch(name)["person"]
        return Record(name, person, person, image, fields)

    def _pairs(self, table: Path) -> list[Pair]:
        pairs = []
        for line, *names in read_pairs(table):
            strange = [name for name in names if not NAME.fullmatch(name)]
            if strange:
                raise TrainingError(
                    f"'{table}', line {line}: '{strange[0]}' is no name of Market-1501; one like "
                    "'0002_c1s1_000451_03.jpg' is expected. Download the table again, or delete the line."
                )
            people = [_person(name) for name in names]
            if None in people:
                continue
            missing = [name for name in names if name not in self._files]
            if missing or people[0] != people[1]:
                wrong = f"there is no picture '{missing[0]}'" if missing else f"{' and '.join(people)} are two people"
                raise TrainingError(
                    f"'{table}', line {line}: {wrong}. The table is of another split, or broken: download it again."
                )
            pairs.append(Pair(*names))
        return pairs


def _person(name: str) -> str | None:
    """The person's number; None of junk, distractors, and names of another kind."""
    parts = NAME.fullmatch(name)
    return parts["person"] if parts and parts["person"] not in NOBODY else None
