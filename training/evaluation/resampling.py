"""Results of other sizes, brought to the truth's size by the protocol's resampler."""

import numpy as np

from ..errors import TrainingError
from .protocols import Protocol


def resized(picture: np.ndarray, size: tuple[int, int], protocol: Protocol) -> np.ndarray:
    """A picture uint8 ``[H, W, 3]`` at a height and width, uint8; the very picture where it has them already.

    Decimals are rounded. CFLD's code, which has floats from its decoder here, cuts them off; the PIDM lineage's keeps
    them: less than a grey level.

    Raises:
        TrainingError: the protocol asks for OpenCV and it is not installed.
    """
    if picture.shape[:2] == tuple(size):
        return picture
    if protocol.resampling == "OpenCV's bicubic":
        try:
            import cv2
        except ImportError as error:
            raise TrainingError(
                f"The protocol '{protocol.name}' resizes with OpenCV, which is not installed: pip install "
                "opencv-python-headless"
            ) from error
        made = cv2.resize(picture.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
        return made.round().clip(0, 255).astype(np.uint8)
    import torch
    import torch.nn.functional as F

    pixels = torch.tensor(picture).movedim(-1, 0)[None].float() / 255
    made = F.interpolate(pixels, size=tuple(size), mode="bicubic", antialias=True)[0].movedim(0, -1)
    return (made * 255).round().clamp(0, 255).to(torch.uint8).numpy()
