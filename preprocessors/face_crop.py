"""Crops of faces: a square around each, upright or as the photo stands."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from .face_choice import OnNoFace, choose
from .face_square import covered, cut, enlarged
from .faces import Face, find_faces
from .images import check_image, square_around

OnSeveral = Literal["largest", "most central", "all", "error"]


def crop_square_of(face: Face, margin: float, align: bool) -> Tensor:
    """Affine map ``[2, 3]`` from the crop (x, y in 0–1) to pixels of the picture.

    Args:
        margin: room on every side, as a share of the face's size.
        align: turned with the head, so that the eyes are level; else as the photo stands.
    """
    square = face.square if align else square_around(face.centre, face.extent, 0.0)
    return enlarged(square, 1 + 2 * margin)


def crop_face(picture: Tensor, face: Face, margin: float, size: int, align: bool) -> Tensor:
    """One face of a picture ``[H, W, 3]``, as ``[size, size, 3]``; black where the photo ends.

    Args:
        margin: room on every side, as a share of the face's size.
        align: turned with the head, so that the eyes are level; else as the photo stands.
    """
    return cut(picture, crop_square_of(face, margin, align), size).clamp(0, 1)


def crop_faces(
    image: Tensor,
    on_no_face: OnNoFace = "error",
    on_several: OnSeveral = "largest",
    margin: float = 0.5,
    size: int = 512,
    align: bool = True,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Tensor, Tensor]:
    """The faces of an IMAGE ``[B, H, W, C]`` in 0–1 that count.

    Args:
        on_no_face: raise, or give a black crop.
        on_several: which faces count.
        margin: room on every side, as a share of the face's size.
        size: of the crops, in pixels.
        align: turned with the head, so that the eyes are level; else as the photo stands.
        progress: called after every picture.

    Returns:
        Crops ``[N, size, size, 3]``, one a picture and with ``"all"`` one a face; and where in each picture its faces
        are, boolean ``[B, H, W]``: boxes without the margin.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    crops, masks = [], []
    for number, picture in enumerate(check_image(image)):
        faces = choose(find_faces(picture), on_no_face, on_several, number)
        crops += [crop_face(picture, face, margin, size, align) for face in faces] or [torch.zeros(size, size, 3)]
        mask = torch.zeros(picture.shape[:2], dtype=torch.bool)
        for face in faces:
            mask |= covered(crop_square_of(face, 0.0, align), face.size)
        masks.append(mask)
        progress()
    return torch.stack(crops), torch.stack(masks)
