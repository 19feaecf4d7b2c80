"""A store's people with DensePose from no network: of the mannequin that takes the pose of their keypoints or photo.

What the nodes Pose Mannequin and Fit Body give, for data sets without a DensePose, and to measure what it costs.
"""

from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from preprocessors.body.mannequin import mannequins
from preprocessors.body.photo import fit_photos
from preprocessors.body.rendering import densepose
from preprocessors.body.scene import read
from preprocessors.keypoints import Frame, to_pose_keypoint

from ..errors import TrainingError
from .records import Record, everybody
from .store import StoredPeople

Textures = Literal["anew", "kept"]
By = Literal["keypoints", "photo"]
#: What is made of DensePose.
_OF_SURFACES = ("texture", "texture_latent", "texture_clip")


class FittedPeople:
    """A store's records with ``iuv`` of a fitted mannequin in the place of what they had.

    Args:
        root: of a store with keypoints.
        textures: what was made of the former DensePose is left out and to be computed "anew", or "kept": then a pair's
            target alone is a mannequin's.
        by: what is fitted: the store's keypoints, in the mannequin's own shape, or the photo, outline and all.

    Raises:
        TrainingError: an option is none of those.
    """

    def __init__(self, root: str | Path, textures: Textures = "anew", by: By = "keypoints") -> None:
        for name, value, known in (("textures", textures, get_args(Textures)), ("by", by, get_args(By))):
            if value not in known:
                raise TrainingError(f"{name} is {value!r}; it is one of {', '.join(known)}.")
        self._by: By = by
        self._people, self._dropped = StoredPeople(root), _OF_SURFACES if textures == "anew" else ()
        self.names, self.pairs = self._people.names, self._people.pairs
        self.complete_fields = (self._people.complete_fields - {*self._dropped}) | {"iuv"}

    def record(self, name: str) -> Record:
        """One picture."""
        whole = self._people.record(name)
        fields = {field: value for field, value in whole.fields.items() if field not in self._dropped}
        return Record(name, whole.identity, whole.outfit, whole.image, fields | {"iuv": fitted_iuv(whole, self._by)})


def fitted_iuv(record: Record, by: By = "keypoints") -> np.ndarray:
    """I, U and V uint8 ``[H, W, 3]`` of a mannequin in everybody's pose; nothing where too few joints are known.

    Raises:
        TrainingError: by keypoints, and nothing is known of who is in the picture.
    """
    if by == "photo":
        image = torch.from_numpy(record.image)[None].float() / 255
        return densepose(fit_photos(image, read(""), on_no_person="skip").pictures).iuv[0].numpy()
    people = everybody(record)
    if people is None:
        raise TrainingError(f"The record '{record.name}' has no 'keypoints'. Compute them first.")
    height, width = record.image.shape[:2]
    frame = Frame(torch.tensor(people, dtype=torch.float32), width, height)
    made = mannequins("", (height, width), to_pose_keypoint([frame]), "skip")
    return densepose(made.pictures).iuv[0].numpy()
