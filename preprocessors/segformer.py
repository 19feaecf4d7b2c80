"""SegFormer from a local folder (``config.json``, ``model.safetensors``, how it sees pictures), through transformers.

Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers", 2021. Human parsing
networks of this kind are segformer_b2_clothes (ATR's classes) and fashn-human-parser.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from .errors import ConditionError, reason
from .label_sets import LabelSet, choose_label_set, largest_label

WEIGHTS, CONFIG, PREPROCESSOR = "model.safetensors", "config.json", "preprocessor_config.json"
#: The layer that scores the classes, which a backbone alone has not.
CLASSES_KEY = "decode_head.classifier.weight"
#: transformers' own choice where a folder does not say.
SIDE, MEAN, DEVIATION = 512, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Pillow's numbers for resampling finer than bilinear: Lanczos, for which bicubic stands here, and bicubic.
FINE = (1, 3)
#: The network's input has no longer side than this, whatever the folder asks for.
LONGEST = 2048
#: SegFormer thins four times and then three times by two; a smaller input has no pixel left.
SHORTEST = 32


@dataclass(frozen=True)
class Sight:
    """How pictures are made ready for a network.

    Attributes:
        size: height and width of its input; one number is the shorter side, with the picture's aspect.
        mean, deviation: of red, green and blue in 0–1.
        mode: of resampling, ``F.interpolate``'s.
    """

    size: tuple[int, int] | int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    mode: str

    def prepare(self, picture: Tensor) -> Tensor:
        """A picture ``[H, W, 3]`` in 0–1 as the network's input ``[1, 3, h, w]``."""
        channels = picture.movedim(-1, 0)[None]
        size = self._size(*picture.shape[:2])
        small = F.interpolate(channels, size=size, mode=self.mode, antialias=True).clamp(0, 1)
        mean, deviation = (small.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.deviation))
        return (small - mean) / deviation

    def _size(self, height: int, width: int) -> list[int]:
        size = self.size
        if isinstance(size, int):
            scale = size / min(height, width)
            size = round(height * scale), round(width * scale)
        return [min(max(side, SHORTEST), LONGEST) for side in size]


class Segformer(nn.Module):
    """The network, what it sees, and what its classes are."""

    def __init__(self, network: nn.Module, sight: Sight, label_set: LabelSet):
        super().__init__()
        self.network = network
        self.sight = sight
        self.label_set = label_set

    def labels(self, picture: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """Labels of a picture ``[H, W, 3]`` in 0–1 on the CPU: LabelSet.numbers, uint8 ``[H, W]``.

        Args:
            device: where the network is. It alone works there: not every accelerator resamples as the CPU does.
        """
        scores = self.network(pixel_values=self.sight.prepare(picture).to(device)).logits[0].float().cpu()

        def place(row: Tensor) -> Tensor:
            return F.interpolate(row[None, None], picture.shape[:2], mode="bilinear", align_corners=False)[0, 0]

        return largest_label(scores, self.label_set, place)


def is_segformer(folder: Path) -> bool:
    """Whether a folder's ``config.json`` says so; also False where there is none, or a damaged one."""
    try:
        return _architecture(_read(folder / CONFIG)) == "segformer"
    except ConditionError:
        return False


def load(folder: Path, label_set: str = "auto") -> Segformer:
    """Read a network in full precision, on the CPU. Nothing is looked up or downloaded.

    Args:
        folder: with ``config.json`` and ``model.safetensors``, and mostly ``preprocessor_config.json``.
        label_set: a name of ``LABEL_SETS``, or "auto": by the names in ``config.json``.

    Raises:
        ConditionError: something is missing, damaged, or another kind of network.
    """
    config = _read(folder / CONFIG)
    architecture = _architecture(config)
    if architecture != "segformer":
        raise ConditionError(
            f"'{folder.name}' holds a network of type '{architecture}'; Load Parser reads SegFormer (model_type "
            "'segformer' in config.json), such as segformer_b2_clothes, and SCHP as .onnx."
        )
    sight = _sight(_read(folder / PREPROCESSOR) if (folder / PREPROCESSOR).is_file() else {}, folder)
    network = _network(folder)
    names = network.config.id2label
    classes = [str(names[number]) for number in sorted(names)]
    chosen = choose_label_set(label_set, classes, network.config.num_labels)
    return Segformer(network, sight, chosen).eval()


def _network(folder: Path) -> Any:
    from transformers import SegformerForSemanticSegmentation

    try:
        network, report = SegformerForSemanticSegmentation.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except (SafetensorError, RuntimeError, ValueError, TypeError, KeyError, OSError) as error:
        raise ConditionError(
            f"The SegFormer in '{folder.name}' cannot be read ({reason(error)}). Its files are cut short or do not "
            "belong together: download config.json and model.safetensors again and compare their sizes."
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise ConditionError(
            f"'{WEIGHTS}' in '{folder.name}' lacks {len(missing)} of the network's weights, {missing[0]} among them: "
            "it is only a backbone, or another network than config.json says. Take both from one place."
        )
    return network.float().requires_grad_(False)


def _read(file: Path) -> dict[str, Any]:
    """A JSON file's dictionary."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConditionError(
            f"There is no {file.name} in '{file.parent.name}'. A SegFormer is a folder with {CONFIG}, {WEIGHTS} and "
            f"{PREPROCESSOR}, as its page offers them: put all three there."
        ) from error
    except ValueError as error:
        raise ConditionError(f"{file.name} in '{file.parent.name}' is no JSON ({error}). Download it again.") from error
    if not isinstance(values, dict):
        raise ConditionError(f"{file.name} in '{file.parent.name}' holds no settings. Download it again.")
    return values


def _architecture(config: dict[str, Any]) -> str:
    return str(config.get("model_type", "unknown"))


def _sight(settings: dict[str, Any], folder: Path) -> Sight:
    """What ``preprocessor_config.json`` says, in its older and newer forms."""
    size = settings.get("size", SIDE)
    mean, deviation = settings.get("image_mean") or MEAN, settings.get("image_std") or DEVIATION
    if not settings.get("do_normalize", True):
        mean, deviation = (0.0,) * 3, (1.0,) * 3
    mode = "bicubic" if settings.get("resample") in FINE else "bilinear"
    try:
        if isinstance(size, dict):
            size = int(size["shortest_edge"]) if "shortest_edge" in size else (int(size["height"]), int(size["width"]))
        elif isinstance(size, int):
            size = (size, size)
        else:
            size = tuple(int(side) for side in size)
        mean, deviation = (tuple(float(value) for value in values) for values in (mean, deviation))
        if len(mean) != 3 or len(deviation) != 3 or not all(deviation):
            raise ValueError("three colours are needed")
    except (KeyError, TypeError, ValueError) as error:
        raise ConditionError(
            f"{PREPROCESSOR} in '{folder.name}' has a size, image_mean or image_std that cannot be read "
            f"({error}). Download it again."
        ) from error
    return Sight(size, mean, deviation, mode)
