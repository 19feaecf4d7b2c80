"""Results kept in a folder, so that an evaluation goes on where it was stopped."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..data import atomic
from ..data.pictures import read_picture
from ..data.records import Record
from ..errors import TrainingError
from .predictors import PATTERNS, Predictor

#: The file that says what made a folder's pictures.
LABEL = "made_by.json"


class KeptPictures:
    """A predictor whose pictures are written to a folder, and read from there where they are already.

    Args:
        predictor: whose.
        folder: for its pictures alone; made if need be.
        made_by: everything the pictures depend on, of JSON's types.

    Raises:
        TrainingError: the folder's pictures were made by something else.
    """

    def __init__(self, predictor: Predictor, folder: Path, made_by: Mapping[str, Any]) -> None:
        self.name, self.predictor, self.folder = predictor.name, predictor, folder
        folder.mkdir(parents=True, exist_ok=True)
        atomic.clear(folder)
        label = folder / LABEL
        if label.is_file():
            _check(label, made_by)
        elif any(folder.glob("*.png")):
            raise TrainingError(f"{folder} has pictures and no {LABEL} that says what made them. Empty it first.")
        else:
            atomic.write(folder, label, (json.dumps(made_by, indent=2) + "\n").encode())

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        files = [self.folder / PATTERNS[0].format(source=source.name, target=target.name) for source, target in pairs]
        missing = [(pair, file) for pair, file in zip(pairs, files, strict=True) if not file.is_file()]
        made = self.predictor.predict([pair for pair, _ in missing]) if missing else []
        for (_, file), picture in zip(missing, made, strict=True):
            # Elsewhere first: a stopped run leaves no half picture, and two at once do not mix theirs.
            unfinished = atomic.temporary_in(self.folder)
            Image.fromarray(picture).save(unfinished, format="PNG")
            atomic.place(unfinished, file)
        return [read_picture(file) for file in files]


def _check(label: Path, made_by: Mapping[str, Any]) -> None:
    try:
        before = json.loads(label.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{label} cannot be read ({error}). Delete the folder {label.parent}.") from error
    if before != dict(made_by):
        different = sorted(key for key in {*before, *made_by} if before.get(key) != made_by.get(key))
        raise TrainingError(
            f"The pictures in {label.parent} were made otherwise: {', '.join(different)} differ. Choose another --out, "
            "another --name, or delete that folder."
        )


def folder_name(name: str) -> str:
    """A predictor's name as that of a folder."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "results"
