"""Anyone's folder of people: a sub-folder for each person, or files whose names begin with the person's."""

import re
from pathlib import Path

from ..errors import TrainingError
from .grouping import all_pairs
from .names import distinct_names
from .pictures import Fit, checked_fit, parse_size, pictures_in, read_picture
from .records import Record

#: What separates a person's name from the picture's.
SEPARATORS = re.compile(r"[_-]")


class FolderOfPeople:
    """All pictures of a folder, and all ordered pairs of each person's.

    Args:
        root: has a folder for each person; or pictures named ``anna_1.jpg``, where ``anna`` is the person: the name
            before its last ``_`` or ``-``. Both may be.
        size: of the records, height × width; None leaves pictures at their own, which training cannot batch.
        fit: how pictures of another aspect get that size: "pad", white beside them; "crop", their middle;
            or "squash".

    Raises:
        TrainingError: no two pictures of anybody, or two files that differ in their ending only.
    """

    def __init__(self, root: str | Path, size: str | None = None, fit: Fit = "pad") -> None:
        root, self.size, self.fit = Path(root), parse_size(size), checked_fit(fit)
        if not root.is_dir():
            raise TrainingError(f"There is no folder '{root}'.")
        found: list[tuple[str, str, Path]] = []
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")):
            for stem, file in pictures_in(folder).items():
                found.append((f"{folder.name}_{stem}", folder.name, file))
        for stem, file in pictures_in(root).items():
            places = [match.start() for match in SEPARATORS.finditer(stem)]
            if not places or not places[-1]:
                raise TrainingError(
                    f"'{file}' does not say who is in it. Name it like 'anna_1{file.suffix}', or put each person's "
                    "pictures into a folder of their own."
                )
            found.append((stem, stem[: places[-1]], file))
        names = distinct_names({file.relative_to(root).as_posix(): text for text, _, file in found})
        named = [(names[file.relative_to(root).as_posix()], person, file) for _, person, file in found]
        self._files = {name: file for name, _, file in named}
        self._people = {name: person for name, person, _ in named}
        self.names = list(self._files)
        self.pairs = all_pairs(self._people)
        if not self.pairs:
            raise TrainingError(
                f"'{root}' has {len(self.names)} pictures and no two of one person. Make a folder for each person with "
                "two pictures or more, in different poses."
            )

    def record(self, name: str) -> Record:
        """One picture."""
        person = self._people[name]
        return Record(name, person, person, read_picture(self._files[name], self.size, self.fit))
