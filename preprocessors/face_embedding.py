"""Identity of a face as a vector, and its file."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError, reason

#: Length of ArcFace's vectors.
WIDTH = 512
#: What a vector of CLIP's is called that sees the parsing's face.
REGION_MODEL = "CLIP"
#: Under what name a file's metadata says that it is ours.
FORMAT = "mannequin.face_embedding.v1"


@dataclass(frozen=True, eq=False)
class FaceEmbedding:
    """A vector for each picture of a batch.

    Attributes:
        raw: fp32 ``[B, 512]`` (another width for CLIP's) as the network gives them, not normalised (MCLD wants these);
            zeros where there was no face.
        model: name of the pack of networks they come from. Vectors of different ones have nothing to do with one
            another.
    """

    raw: Tensor
    model: str

    @property
    def normalised(self) -> Tensor:
        """``[B, 512]`` of length 1; zeros stay zeros."""
        return F.normalize(self.raw, dim=1)

    @property
    def found(self) -> Tensor:
        """Boolean ``[B]``: which pictures had a face."""
        return self.raw.any(dim=1)

    def mean(self) -> "FaceEmbedding":
        """One vector ``[1, 512]``, the mean over the pictures with a face: steadier than any one photo of a person."""
        if not self.found.any():
            return FaceEmbedding(self.raw[:1], self.model)
        return FaceEmbedding(self.raw[self.found].mean(0, keepdim=True), self.model)


def save_embedding(embedding: FaceEmbedding, file: Path) -> None:
    """Write a safetensors file."""
    from safetensors.torch import save_file

    metadata = {"format": FORMAT, "face_model": embedding.model}
    save_file({"raw": embedding.raw.contiguous()}, str(file), metadata=metadata)


def is_embedding(file: Path) -> bool:
    """Whether a file is one of ours, by its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            return (content.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
        return False


def load_embedding(file: Path) -> FaceEmbedding:
    """Read what :func:`save_embedding` wrote.

    Raises:
        ConditionError: it is no safetensors file, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as content:
            metadata, names = content.metadata() or {}, list(content.keys())
            raw = content.get_tensor("raw") if "raw" in names else torch.zeros(0)
    except (SafetensorError, OSError) as error:
        raise ConditionError(
            f"'{file.name}' cannot be read as safetensors ({reason(error)}). It is truncated or another "
            "kind of file: save the face again with Save Face Embedding."
        ) from error
    if metadata.get("format") != FORMAT or raw.ndim != 2 or 0 in raw.shape:
        raise ConditionError(
            f"'{file.name}' is no face embedding: it holds {', '.join(names[:3]) or 'nothing'}. Choose a file that "
            "Save Face Embedding wrote."
        )
    raw = raw.float()
    if not torch.isfinite(raw).all():
        raise ConditionError(f"'{file.name}' holds values that are not numbers. Save the face again.")
    return FaceEmbedding(raw, metadata.get("face_model", "unknown"))
