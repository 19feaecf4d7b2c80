"""What happens when a picture shows no face, or several: an option, never a crash."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from .errors import ConditionError

OnNoFace = Literal["error", "skip"]


class Found(Protocol):
    """A face, whoever found it.

    Attributes:
        box: ``[4]``: left, top, right, bottom in pixels.
        size: height and width of the picture.
    """

    @property
    def box(self) -> Tensor: ...

    @property
    def size(self) -> tuple[int, int]: ...


AnyFace = TypeVar("AnyFace", bound=Found)


def choose(faces: Sequence[AnyFace], on_no_face: OnNoFace, on_several: str, number: int) -> list[AnyFace]:
    """Which faces of a picture count.

    Args:
        on_no_face: raise, or give an empty list.
        on_several: ``"largest"``, ``"most central"``, ``"all"`` or ``"error"``.
        number: the picture's place in the batch, for the error.

    Raises:
        ConditionError: what the options ask for.
    """
    if not faces and on_no_face == "error":
        raise ConditionError(
            f"No face was found in picture {number + 1} of the batch. Take a photo in which the face is visible, not "
            "from behind and not upside down, or set on_no_face to 'skip'."
        )
    if len(faces) > 1 and on_several == "error":
        raise ConditionError(
            f"{len(faces)} faces were found in picture {number + 1} of the batch. Crop the photo to one, or set "
            "on_several to 'largest'."
        )
    if on_several == "largest":
        return sorted(faces, key=lambda face: -_area(face.box))[:1]
    if on_several == "most central":
        return sorted(faces, key=_off_centre)[:1]
    return list(faces)


def _area(box: Tensor) -> float:
    return float((box[2:] - box[:2]).clamp(min=0).prod())


def _off_centre(face: Found) -> float:
    """Distance of a face's middle from the picture's, in pixels."""
    height, width = face.size
    return float(((face.box[:2] + face.box[2:]) / 2 - torch.tensor([width / 2, height / 2])).norm())
