"""The field's tables: pairs, and OpenPose's points, as the data sets of pose transfer hand them down.

They come from Zhu et al., "Progressive Pose Attention Transfer" (PATN, 2019), and DPTN, PIDM, CFLD and MCLD use them.
"""

import csv
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import TrainingError

#: OpenPose's points.
POINTS = 18
#: What the tables write for a coordinate of a point that is not seen.
MISSING = -1


class Row(NamedTuple):
    """A pair and the line of its table, which messages name."""

    line: int
    source: str
    target: str


def read_pairs(file: Path) -> list[Row]:
    """Pairs of a table with the columns ``from`` and ``to``; names without their ending.

    Raises:
        TrainingError: there are no such columns, or a line is broken.
    """
    with _opened(file) as lines:
        rows = csv.reader(lines)
        header = [column.strip() for column in next(rows, [])]
        if not {"from", "to"} <= set(header):
            raise TrainingError(
                f"'{file}' begins with '{','.join(header)[:60]}'; a table of pairs begins with 'from,to'. Download it "
                "again."
            )
        columns = header.index("from"), header.index("to")
        pairs = []
        for row in rows:
            cells = [row[column].strip() if column < len(row) else "" for column in columns]
            if not any(row):
                continue
            if not all(cells):
                raise TrainingError(
                    f"'{file}', line {rows.line_num}: '{','.join(row)[:80]}' is no pair. Two names with a comma are "
                    "expected: download the table again, or delete the line."
                )
            pairs.append(Row(rows.line_num, *(Path(cell).stem for cell in cells)))
    return pairs


def read_pair_list(file: Path) -> list[Row]:
    """Pairs of PCDMs' JSON list of ``source_image`` and ``target_image``; their numbers stand for lines.

    Raises:
        TrainingError: it is something else.
    """
    with _opened(file) as text:
        try:
            entries = json.load(text)
        except ValueError as error:
            raise TrainingError(f"'{file}' is no JSON ({error}). Download it again.") from error
    try:
        return [
            Row(number, Path(entry["source_image"]).stem, Path(entry["target_image"]).stem)
            for number, entry in enumerate(entries, 1)
        ]
    except (TypeError, KeyError) as error:
        raise TrainingError(
            f"'{file}' has entries without source_image and target_image; a list of such pairs is expected, as PCDMs "
            "publishes it. Download it again."
        ) from error


def read_points(file: Path) -> dict[str, np.ndarray]:
    """OpenPose's points of a table ``name:keypoints_y:keypoints_x``, by the pictures' names without ending.

    Returns:
        float32 ``[18, 3]``: x, y in pixels of the size the table was made at, and 1 seen, 0 missing (−1 in the table).

    Raises:
        TrainingError: a line is broken.
    """
    points: dict[str, np.ndarray] = {}
    with _opened(file) as lines:
        for number, line in enumerate(lines, 1):
            name, *columns = (cell.strip() for cell in line.strip().split(":"))
            if name in ("", "name"):
                continue
            try:
                y, x = (np.asarray(json.loads(column), np.float32) for column in columns)
                if y.shape != (POINTS,) or x.shape != (POINTS,) or not np.isfinite([x, y]).all():
                    raise ValueError(f"{y.shape} and {x.shape} are no {POINTS} numbers each")
            except (ValueError, TypeError) as error:
                raise TrainingError(
                    f"'{file}', line {number}: the points of '{name[:80]}' cannot be read ({error}). "
                    f"'name: [{POINTS} y]: [{POINTS} x]' is expected: download the table again, or delete the line."
                ) from error
            points[Path(name).stem] = seen_points(x, y, (x != MISSING) & (y != MISSING))
    return points


def seen_points(x: np.ndarray, y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """float32 ``[18, 3]`` of what is seen; zeros where it is not."""
    return np.stack([x * seen, y * seen, seen], 1).astype(np.float32)


def scaled(points: np.ndarray, made_at: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Points ``[18, 3]`` in a picture of another height and width: the picture was stretched."""
    (old_height, old_width), (height, width) = made_at, size
    return points * np.array([width / old_width, height / old_height, 1], np.float32)


def read_list(file: Path) -> list[str]:
    """Names of a ``.lst`` file, one picture a line, without their ending."""
    with _opened(file) as lines:
        return [Path(line.strip()).stem for line in lines if line.strip()]


def _opened(file: Path):
    try:
        return file.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise TrainingError(f"'{file}' cannot be opened ({error.strerror}).") from error
