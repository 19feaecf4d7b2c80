"""DensePose R-CNN from its TorchScript file: boxes and 25 maps each, decoded to surface coordinates.

The file is the chart-based network of detectron2, exported so that nothing has to be compiled. It takes a uint8 picture
``[3, H, W]`` and gives, for N people, the best first: boxes ``[N, 4]`` (x0, y0, x1, y1), coarse segmentation
``[N, 2 or 15, h, w]``, and fine segmentation, U and V, each ``[N, 25, h, w]``.
"""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .densepose import PARTS, DensePose
from .errors import ConditionError, reason
from .images import check_image
from .people import OnNoPerson, Place, choose

OnSeveral = Literal["most certain", "largest", "most central", "all", "error"]
#: detectron2 tests at a short side of 800 pixels with at most 1333 on the long one.
RESOLUTION, LONGEST = 800, 1333 / 800


class DensePoseNet(nn.Module):
    """The exported network, and the order of colours it was trained with."""

    def __init__(self, script: torch.jit.ScriptModule):
        super().__init__()
        self.script = script
        self.takes_bgr = _mean_is_bgr(script)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """The five outputs for a uint8 picture ``[3, H, W]`` in RGB."""
        outputs = self.script(picture.flip(0) if self.takes_bgr else picture)
        boxes, _, fine, u, v = outputs
        if not (boxes.shape[-1:] == (4,) and fine.shape == u.shape == v.shape and fine.shape[1] == PARTS + 1):
            raise ConditionError(
                "The network's outputs are not DensePose's (boxes, and 25 maps each of segmentation, U and V). Take "
                "densepose_r50_fpn_dl.torchscript or densepose_r101_fpn_dl.torchscript."
            )
        return outputs


def load(file: Path) -> DensePoseNet:
    """Read a TorchScript file, on the CPU.

    Raises:
        ConditionError: it is another kind of file, or cut short.
    """
    # The exported graph calls torchvision's non-maximum suppression; importing it registers the operator.
    import torchvision  # noqa: F401

    try:
        return DensePoseNet(torch.jit.load(file, map_location="cpu").eval())
    except (RuntimeError, ValueError, OSError) as error:
        raise ConditionError(
            f"'{file.name}' cannot be read as TorchScript ({reason(error)}). It is cut short or "
            "another kind of file: take densepose_r50_fpn_dl.torchscript as comfyui_controlnet_aux uses it."
        ) from error


def is_torchscript(file: Path) -> bool:
    """Whether a file is a whole TorchScript archive, by its table of contents.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        return False
    # Pickled weights have the first, and no code.
    return any(name.endswith("/data.pkl") for name in names) and any("/code/" in name for name in names)


def _mean_is_bgr(script: torch.jit.ScriptModule) -> bool:
    """Whether the network's own normalisation begins with blue: ImageNet's mean is smallest there."""
    means = [value.flatten() for name, value in script.named_buffers() if name.split(".")[-1] == "pixel_mean"]
    return bool(means) and means[0].numel() == 3 and bool(means[0][0] < means[0][2])


def detect_densepose(
    image: Tensor,
    network: Callable[[Tensor], tuple[Tensor, ...]],
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "most certain",
    resolution: int = RESOLUTION,
    device: torch.device | str = "cpu",
    progress: Callable[[], None] = lambda: None,
) -> DensePose:
    """Surface coordinates of the people in an IMAGE ``[B, H, W, C]`` in 0–1.

    Args:
        network: :class:`DensePoseNet` on ``device``.
        on_no_person: raise, or give a picture of background.
        on_several: who counts; "most certain" is the network's first, which MCLD takes.
        resolution: the picture's short side for the network, in pixels.
        progress: called after every picture.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    pictures = []
    for number, picture in enumerate(check_image(image)):
        small, scale = _resized(picture, resolution)
        boxes, coarse, fine, u, v = (output.cpu().float() for output in network(small.to(device)))
        boxes = boxes / scale
        iuv = torch.zeros(picture.shape, dtype=torch.uint8)
        # The most certain is painted last, over the others.
        for person in reversed(_choose(boxes, picture.shape[:2], on_no_person, on_several, number)):
            maps = (coarse[person], fine[person], u[person], v[person])
            _paint(iuv, boxes[person], maps)
        pictures.append(iuv)
        progress()
    return DensePose(torch.stack(pictures))


def _resized(picture: Tensor, resolution: int) -> tuple[Tensor, Tensor]:
    """The picture as uint8 ``[3, h, w]`` of the network's size, and its scale for boxes ``[4]``."""
    height, width = picture.shape[:2]
    factor = min(resolution / min(height, width), resolution * LONGEST / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    small = F.interpolate(picture.movedim(-1, 0)[None], size=size, mode="bilinear", antialias=True)[0]
    return (small * 255).round().to(torch.uint8), torch.tensor([size[1] / width, size[0] / height] * 2)


def _choose(boxes: Tensor, size: tuple[int, int], on_no_person: OnNoPerson, on_several: str, number: int) -> list[int]:
    """Who counts, as indices into ``boxes`` ``[N, 4]``, the most certain first."""
    corner, opposite = boxes[:, :2], boxes[:, 2:]
    middles, areas = ((corner + opposite) / 2).tolist(), (opposite - corner).prod(1).tolist()
    places = [Place(x, y, area) for (x, y), area in zip(middles, areas, strict=True)]
    option = "all" if on_several == "most certain" else on_several
    chosen = choose(places, (size[1] / 2, size[0] / 2), on_no_person, option, 1, number)
    return chosen[:1] if on_several == "most certain" else chosen


def _paint(iuv: Tensor, box: Tensor, maps: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    """Decode one person's maps ``[C, h, w]`` into their box of the picture ``[H, W, 3]``, as detectron2 does.

    Whole pixels are cut from the box's corner and from its sides; the maps are enlarged to it, one at a time, since
    25 of them over an 8K picture are 3 GB.
    """
    coarse, fine, u, v = maps
    x, y = (int(value) for value in box[:2])
    size = tuple(max(1, int(value)) for value in (box[2:] - box[:2]).flip(0))
    part = _largest(fine, size) * (_largest(coarse, size) > 0)
    person = torch.zeros(*size, 3, dtype=torch.uint8)
    person[..., 0] = part
    for number in part.unique().tolist():
        if number:
            here = part == number
            for channel, coordinates in ((1, u), (2, v)):
                values = (_enlarged(coordinates[number], size)[here] * 255).clamp(0, 255)
                person[..., channel][here] = values.to(torch.uint8)
    height, width = iuv.shape[:2]
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + size[0], height), min(x + size[1], width)
    if top < bottom and left < right:
        seen = person[top - y : bottom - y, left - x : right - x]
        behind = iuv[top:bottom, left:right]
        behind.copy_(torch.where(seen[..., :1] > 0, seen, behind))


def _largest(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Which of the enlarged maps ``[C, h, w]`` is largest, uint8 ``size``; the first of equals."""
    best, index = _enlarged(maps[0], size), torch.zeros(size, dtype=torch.uint8)
    for number in range(1, len(maps)):
        values = _enlarged(maps[number], size)
        index[values > best] = number
        best = torch.maximum(best, values)
    return index


def _enlarged(values: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(values[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
