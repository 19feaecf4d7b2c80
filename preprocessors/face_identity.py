"""Who is in each picture: one identity vector a picture."""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .antelopev2 import FaceAnalyser, SeenFace
from .errors import ConditionError
from .face_choice import OnNoFace, choose
from .face_embedding import WIDTH, FaceEmbedding
from .images import check_image

OnSeveral = Literal["largest", "most central", "match", "error"]


def embed_faces(
    image: Tensor,
    analyser: FaceAnalyser,
    on_no_face: OnNoFace = "error",
    on_several: OnSeveral = "largest",
    match_image: Tensor | None = None,
    progress: Callable[[], None] = lambda: None,
) -> tuple[FaceEmbedding, Tensor]:
    """The identity in each picture of an IMAGE ``[B, H, W, C]`` in 0–1.

    Args:
        on_no_face: raise, or give zeros.
        on_several: which face counts; ``"match"``: the one most like the largest face of ``match_image``.
        match_image: ``[1 or B, H, W, C]`` in 0–1.
        progress: called after every picture, of ``match_image`` too where it is asked for.

    Returns:
        The vectors, and where the face is: boolean ``[B, H, W]``.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    image = check_image(image)
    wanted = _wanted(analyser, match_image, len(image), progress) if on_several == "match" else None
    vectors, masks = [], []
    for number, picture in enumerate(image):
        faces = choose(analyser.faces(picture), on_no_face, "all" if wanted is not None else on_several, number)
        found = [analyser.embed(picture, face) for face in faces] or [torch.zeros(WIDTH)]
        best = int(_likeness(torch.stack(found), wanted[number]).argmax()) if wanted is not None else 0
        vectors.append(found[best])
        masks.append(_box_mask(faces[best]) if faces else torch.zeros(picture.shape[:2], dtype=torch.bool))
        progress()
    return FaceEmbedding(torch.stack(vectors), analyser.model), torch.stack(masks)


def _wanted(analyser: FaceAnalyser, match_image: Tensor | None, count: int, progress: Callable[[], None]) -> Tensor:
    """Vectors ``[count, 512]`` of the faces to look for."""
    if match_image is None:
        raise ConditionError(
            "on_several is 'match', and match_image is not connected. Connect a photo of the person, or set on_several "
            "to 'largest'."
        )
    match_image = check_image(match_image)
    if len(match_image) not in (1, count):
        raise ConditionError(
            f"match_image has {len(match_image)} pictures and the image {count}. Give one picture, or one for each."
        )
    vectors = []
    for number, picture in enumerate(match_image):
        faces = analyser.faces(picture)
        if not faces:
            raise ConditionError(f"No face was found in picture {number + 1} of match_image. Take another photo.")
        vectors.append(analyser.embed(picture, choose(faces, "error", "largest", number)[0]))
        progress()
    return torch.stack(vectors).expand(count, -1)


def _likeness(vectors: Tensor, wanted: Tensor) -> Tensor:
    """Cosine of each of some vectors ``[n, 512]`` with one ``[512]``."""
    return F.cosine_similarity(vectors, wanted[None])


def _box_mask(face: SeenFace) -> Tensor:
    """Where a face's box lies: boolean ``[H, W]``."""
    mask = torch.zeros(face.size, dtype=torch.bool)
    left, top, right, bottom = (max(0, round(edge)) for edge in face.box.tolist())
    mask[top:bottom, left:right] = True
    return mask
