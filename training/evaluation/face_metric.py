"""Whether the face is still the person's: likeness of insightface's vectors, as in MCLD's evaluation."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from preprocessors.antelopev2 import FaceAnalyser, load_analyser
from preprocessors.face_choice import choose

from ..data.records import Record
from .columns import Column, LeftOut

NAN = float("nan")
WITHOUT = LeftOut(
    "face similarity and distance",
    "Get buffalo_s.zip from the model zoo of insightface (github.com/deepinsight/insightface, for non-commercial "
    "research only), unpack it, pip install --no-deps insightface and pip install onnx onnxruntime "
    "opencv-python-headless scikit-image, and give the folder with --face-pack.",
)


class FaceLikeness:
    """Cosine and Euclidean distance of the largest face's vector, which is not normalised, to the target's and the
    source's, and whether the result shows a face where the target does.

    Undefined where either picture shows none: read the likeness together with the share that is found.
    """

    columns = (
        Column("face_similarity", "face similarity", "higher", 3),
        Column("face_distance", "face distance", "lower", 2),
        Column("face_similarity_source", "face similarity to the source", "higher", 3, shown=False),
        Column("face_distance_source", "face distance to the source", "lower", 2, shown=False),
        Column("face_found", "faces found, share", "higher", 3),
    )
    needs = "no face is found in the targets and the sources"
    batch = 0

    def __init__(self, analyser: FaceAnalyser) -> None:
        self.analyser = analyser
        self._known: dict[str, np.ndarray | None] = {}

    def measure(self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> list[dict[str, float]]:
        return [
            self._compare(self.vector(picture), self._of(source), self._of(target))
            for (source, target), picture in zip(pairs, made, strict=True)
        ]

    def vector(self, picture: np.ndarray) -> np.ndarray | None:
        """Of the largest face in a picture uint8 ``[H, W, 3]``, float32 ``[512]``; None where there is none."""
        pixels = torch.tensor(picture).float() / 255
        faces = choose(self.analyser.faces(pixels), "skip", "largest", 0)
        return self.analyser.embed(pixels, faces[0]).numpy() if faces else None

    def _of(self, record: Record) -> np.ndarray | None:
        if record.name not in self._known:
            self._known[record.name] = self.vector(record.image)
        return self._known[record.name]

    def _compare(
        self, made: np.ndarray | None, source: np.ndarray | None, target: np.ndarray | None
    ) -> dict[str, float]:
        similarity, distance = _likeness(made, target)
        similarity_source, distance_source = _likeness(made, source)
        return {
            "face_similarity": similarity,
            "face_distance": distance,
            "face_similarity_source": similarity_source,
            "face_distance_source": distance_source,
            "face_found": NAN if target is None else float(made is not None),
        }


def _likeness(one: np.ndarray | None, other: np.ndarray | None) -> tuple[float, float]:
    if one is None or other is None:
        return NAN, NAN
    cosine = float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
    return cosine, float(np.linalg.norm(one - other))


def load_face_metric(folder: Path) -> FaceLikeness:
    """With the pack of insightface's models in a folder.

    Raises:
        ConditionError: it lacks a model, or insightface is not installed.
    """
    return FaceLikeness(load_analyser(folder.name, folder))
