"""Whatever makes pictures of the targets: baselines, results made elsewhere, and trained models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from preprocessors.labels import LIP_20

from ..data.pictures import read_picture
from ..data.records import Record
from ..errors import TrainingError
from .protocols import Protocol as MetricProtocol
from .resampling import resized
from .seen import seen_in_source

#: How results of the published code are called: PCDMs' and MCLD's.
PATTERNS = ("{source}_to_{target}.png", "{source}_2_{target}.png")


class Predictor(Protocol):
    """Attributes:
    name: what tables call it, unless the command says otherwise.
    """

    name: str

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        """A picture uint8 ``[H, W, 3]`` for every pair (source, target), of the target's size.

        A pair's picture may not depend on the other pairs: runs go on where they were stopped.
        """


class CopySource:
    """Baseline: the source as it is, in the source's pose."""

    name = "copy of the source"

    def __init__(self, protocol: MetricProtocol) -> None:
        self.protocol = protocol

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        return [resized(source.image, target.image.shape[:2], self.protocol) for source, target in pairs]


class Target:
    """No baseline but the bound: the target itself, which shows what the metrics say of a perfect result."""

    name = "the target itself"

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        return [target.image for _, target in pairs]


class GarmentMean:
    """Baseline: the source's mean colour of every label, painted by the target's parsing.

    A label that the source does not show takes the mean colour of the source's person.
    """

    name = "garment means"

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        return [_painted(source, target) for source, target in pairs]


class Oracle:
    """No baseline but the bound: garment means, and over them the source's own pixels wherever it shows, by the true I,
    U, V of both, what the target shows. Nobody who sees the source alone can know more of the colours there, but for
    the light.
    """

    name = "the source by true IUV"

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        made = []
        for source, target in pairs:
            seen = seen_in_source(source, target)
            made.append(np.where(seen.mask[..., None], seen.warped, _painted(source, target)))
        return made


def _painted(source: Record, target: Record) -> np.ndarray:
    labels, wanted = parsing_of(source), parsing_of(target)
    everything = source.image.mean((0, 1))
    person = source.image[labels > 0].mean(0) if (labels > 0).any() else everything
    colours = np.empty((len(LIP_20), 3))
    for number in range(len(LIP_20)):
        own = source.image[labels == number]
        colours[number] = own.mean(0) if len(own) else person if number else everything
    return colours.round().astype(np.uint8)[wanted]


def parsing_of(record: Record) -> np.ndarray:
    labels = record.fields.get("parsing")
    if labels is None:
        raise TrainingError(
            f"The record '{record.name}' has no 'parsing', which says where garments are. Compute it once for the "
            "whole data set: python dev.py training preprocess SOURCE OUT --steps parsing"
        )
    return labels


class Folder:
    """Results made elsewhere, a file for each pair; pictures of another size are resized as the protocol has it.

    Args:
        folder: where the files are.
        protocol: for the resizing.
        pattern: file names, with ``{source}`` and ``{target}`` for the records' names; None tries :data:`PATTERNS`.

    Raises:
        TrainingError: there is no such folder, or the pattern names no pair.
    """

    def __init__(self, folder: Path, protocol: MetricProtocol, pattern: str | None = None) -> None:
        if not folder.is_dir():
            raise TrainingError(f"There is no folder {folder} with results.")
        self.name, self.folder, self.protocol = folder.name, folder, protocol
        self.patterns = (pattern,) if pattern else PATTERNS
        for wanted in self.patterns:
            _file_name(wanted, "source", "target")

    def predict(self, pairs: Sequence[tuple[Record, Record]]) -> list[np.ndarray]:
        return [
            resized(read_picture(self._file(source.name, target.name)), target.image.shape[:2], self.protocol)
            for source, target in pairs
        ]

    def _file(self, source: str, target: str) -> Path:
        tried = [self.folder / _file_name(pattern, source, target) for pattern in self.patterns]
        for file in tried:
            if file.is_file():
                return file
        raise TrainingError(
            f"{self.folder} has no result for the pair {source} → {target}: expected "
            f"{' or '.join(file.name for file in tried)}. Other names can be given with --pattern."
        )


def _file_name(pattern: str, source: str, target: str) -> str:
    try:
        name = pattern.format(source=source, target=target)
    except (KeyError, IndexError, ValueError) as error:
        raise TrainingError(
            f"The pattern '{pattern}' is not understood ({error}). Write a file name with {{source}} and {{target}}, "
            f"as in '{PATTERNS[0]}'."
        ) from error
    if "{target}" not in pattern:
        raise TrainingError(f"The pattern '{pattern}' has no {{target}}: every pair would have the same file.")
    return name
