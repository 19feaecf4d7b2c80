"""Global embeddings of CLIP, on a wire or of an image encoder, and what only looks like one."""

from typing import Any

import torch
from torch import Tensor

from ..model_patches.errors import PatchError
from .checks import check_numbers, described

_WHAT = "The CLIP embedding"


def clip_embedding(clip_vision: Any, picture: Tensor) -> Tensor:
    """Embeddings ``[B, D]``, fp32, of whole pictures: CLIP's own preprocessing would cut off head and feet.

    Raises:
        PatchError: the encoder is no CLIP, or gives no numbers.
    """
    output = clip_vision.encode_image(picture, crop=False)
    _check_projected(output, _WHAT, "Load a CLIP with Load CLIP Vision in its place.")
    check_numbers(output.image_embeds, _WHAT)
    return output.image_embeds.float()


def as_embedding(given: Any, width: int, of: str, mend: str) -> Tensor:
    """The embeddings of a CLIP_VISION_OUTPUT as ``[B, width]``, fp32.

    Args:
        of: what each row is of.
        mend: where the right one comes from, as a sentence.

    Raises:
        PatchError: it has none, of another width, of no CLIP, or of no numbers.
    """
    vector = getattr(given, "image_embeds", None)
    if not isinstance(vector, Tensor) or vector.ndim != 2 or vector.shape[-1] != width:
        raise PatchError(
            f"The embedding is {described(vector)}; one row of {width} numbers for each {of} is needed. {mend}"
        )
    _check_projected(given, "The embedding", mend)
    check_numbers(vector, "The embedding")
    return vector.float()


def _check_projected(given: Any, what: str, mend: str) -> None:
    """Raise where an embedding is one of the tokens: CLIP projects its class token, and DINOv2's host class does not.

    Their widths do not tell: DINOv2 large is as wide as CLIP ViT-H/14, base as CLIP ViT-L/14.
    """
    vector, tokens = given.image_embeds, getattr(given, "last_hidden_state", None)
    if isinstance(tokens, Tensor) and tokens.ndim == 3 and torch.equal(tokens[:, 0], vector):
        raise PatchError(
            f"{what} is a class token as it comes out of DINOv2, which is {vector.shape[-1]} wide, too, and no "
            f"embedding of CLIP. {mend}"
        )
