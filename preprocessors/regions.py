"""The rectangles R_i around the labels of a parsing (TruePose, section 4.1)."""

from collections.abc import Iterator

from torch import Tensor

from .labels import Parsing


def region_crops(image: Tensor, parsing: Parsing) -> Iterator[tuple[int, int, Tensor]]:
    """Every picture's labels, background excluded, with the crop around each.

    Args:
        image: ``[B, H, W, 3]``; the parsing has the same pictures.

    Yields:
        Picture number, label number, crop ``[1, h, w, 3]``.
    """
    for row, labels in enumerate(parsing.labels):
        for label in labels.unique().tolist():
            if label == 0:
                continue
            y, x = (labels == label).nonzero(as_tuple=True)
            top, bottom, left, right = int(y.min()), int(y.max()) + 1, int(x.min()), int(x.max()) + 1
            yield row, label, image[row : row + 1, top:bottom, left:right]
