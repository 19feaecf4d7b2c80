"""What a run says of itself: a CSV file, and TensorBoard where it is installed."""

import csv
from collections.abc import Mapping
from pathlib import Path


class Log:
    """One row for every so many steps; a run that goes on from a checkpoint takes back what came after it.

    Args:
        folder: of the run; the files are ``log.csv`` and ``tensorboard/``.
        step: what came later is forgotten.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / "log.csv"
        self._rows = [row for row in read_log(self._path) if int(row["step"]) <= step]
        self._write_all()
        self._board = _tensorboard(folder / "tensorboard", step)

    def add(self, values: Mapping[str, float]) -> None:
        """A row; ``step`` is one of its values."""
        row = {name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in values.items()}
        self._rows.append(row)
        if len(self._rows) == 1 or list(self._rows[0]) != list(row):
            self._write_all()
        else:
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, list(row)).writerow(row)
        if self._board is not None:
            for name, value in values.items():
                if name != "step":
                    self._board.add_scalar(name, value, values["step"])

    def _write_all(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row)) or ["step"]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(self._rows)

    def close(self) -> None:
        """Everything is on the disk after this."""
        if self._board is not None:
            self._board.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """Complete rows of a log; a killed process may have left half a one."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and row.get("step", "").isdigit()]


def _tensorboard(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder, purge_step=step + 1)
