"""What a data set is: people's pictures with what is known of each, and the pairs to learn from.

A :class:`Record` is one picture. A :class:`People` gives records by name, and the pairs (source, target) of one person
in two poses. What a data set does not know of its pictures (a parsing, say) is computed once by
``python -m training.preprocess`` and stored beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import TrainingError

#: Everything a record can hold besides its picture. Arrays; units and shapes:
#:
#: ============== ============================================================================================
#: parsing        uint8 ``[H, W]``, labels of :mod:`preprocessors.labels`, 0 = background
#: iuv            uint8 ``[H, W, 3]``, DensePose's I in 0–24, U and V times 255
#: keypoints      float32 ``[18, 3]``, OpenPose-18 in pixels of the picture: x, y, and 1 seen, 0.5 hidden, 0 missing
#: people         float32 ``[P, 18, 3]``, everybody's keypoints, where the picture may show several people or nobody
#: face_box       float32 ``[4]``, left, top, right, bottom in pixels; absent where no face is seen
#: face           float32 ``[D]``, identity embedding, not normalised; absent where no face is seen
#: texture        uint8 ``[S, S, 3]``, the texture map
#: latent         float32 ``[C, h, w]``, the picture in the UNet's scale
#: texture_latent float32 ``[C, h, w]``, the texture map in the UNet's scale
#: joint_latent   float32 ``[C, h, 2w]``, the picture with black beside it in the UNet's scale
#: pose_latent    float32 ``[C, h, w]``, the picture's drawn pose in the UNet's scale
#: views_latent   float32 ``[C, 2h, 2w]``, the picture in the first of 2×2 tiles, the others black, in the UNet's scale
#: large_latent   float32 ``[C, 2h, 2w]``, the picture at twice its sides in the UNet's scale
#: coarse         uint8 ``[H, W, 3]``, what another model made of the picture's person, from another picture of theirs
#: coarse_latent  float32 ``[C, h, w]``, that in the UNet's scale
#: dino           float16 ``[257, D]``, DINOv2's tokens of the picture
#: caption        uint8 ``[N]``, what the picture shows in words, in UTF-8
#: clip           float32 ``[D]``, CLIP embedding of the picture
#: texture_clip   float32 ``[D]``, CLIP embedding of the texture map
#: regions        float32 ``[labels, D]``, CLIP embedding of every label's crop; zeros where a label is absent
#: ============== ============================================================================================
FIELDS = (
    "parsing",
    "iuv",
    "keypoints",
    "people",
    "face_box",
    "face",
    "texture",
    "latent",
    "texture_latent",
    "joint_latent",
    "pose_latent",
    "views_latent",
    "large_latent",
    "coarse",
    "coarse_latent",
    "dino",
    "caption",
    "clip",
    "texture_clip",
    "regions",
)


@dataclass(frozen=True, eq=False)
class Record:
    """One picture of a person.

    Attributes:
        name: unique in its data set; letters of any script, digits, ``_`` and ``-``.
        identity: who it is. Splits never share one.
        outfit: what they wear; pairs share it.
        image: uint8 ``[H, W, 3]``, RGB.
        fields: what else is known, by the names of :data:`FIELDS`.
    """

    name: str
    identity: str
    outfit: str
    image: np.ndarray
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)


def everybody(record: Record) -> np.ndarray | None:
    """Keypoints ``[P, 18, 3]`` of everybody in a picture; None where nothing is known of them."""
    people, alone = record.fields.get("people"), record.fields.get("keypoints")
    if people is not None:
        return people
    return None if alone is None else alone[None][: int(alone[:, 2].any())]


def largest(people: np.ndarray) -> np.ndarray:
    """Keypoints ``[18, 3]`` of whoever of ``[P, 18, 3]`` has the longest diagonal; zeros where there is nobody."""
    if not len(people):
        return np.zeros((18, 3), np.float32)
    return max(people, key=lambda points: float(np.linalg.norm(np.ptp(points[points[:, 2] > 0, :2], 0))))


def from_text(text: str) -> np.ndarray:
    """A caption as a field, uint8 ``[N]``."""
    return np.array(list(text.encode()), np.uint8)


def caption_of(record: Record) -> str:
    """What a picture shows in words.

    Raises:
        TrainingError: the data set does not know it.
    """
    caption = record.fields.get("caption")
    if caption is None:
        raise TrainingError(
            f"The record '{record.name}' has no caption. Make the data set of a folder that has them: python dev.py "
            "training preprocess captioned:FOLDER OUT"
        )
    return caption.tobytes().decode()


class Pair(NamedTuple):
    """Names of the picture that is given and of the one that is wanted."""

    source: str
    target: str


class People(Protocol):
    """A split of a data set."""

    names: Sequence[str]
    pairs: Sequence[Pair]

    def record(self, name: str) -> Record:
        """One picture with everything known of it; the same whenever it is asked for."""
