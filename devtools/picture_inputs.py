"""Files that pictures are made of and that are no photo: labels as programs write them, and what CLIP is shown."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from preprocessors.images import squashed
from preprocessors.label_pictures import palette
from preprocessors.labels import LIP_20
from preprocessors.parsers import parse
from preprocessors.regions import region_crops

from .host import ROOT

PHOTO = "mannequin_source.png"
LABELS = "labels.png"
#: Regions that are shown, and the side of CLIP's square.
REGIONS, SIDE = ("Hair", "Face", "Upper-clothes", "Pants"), 224


def region_file(label: str) -> str:
    return f"region_{label}.png"


def write_inputs(folder: Path) -> None:
    """The example photo's parsing in SCHP's colours, and the rectangles around some of its labels."""
    with Image.open(ROOT / "workflows" / "inputs" / PHOTO) as photo:
        image = torch.from_numpy(np.asarray(photo.convert("RGB"), np.float32) / 255)[None]
    parsing = parse(image)
    colours = palette(len(LIP_20))[parsing.labels[0].long()].to(torch.uint8)
    Image.fromarray(colours.numpy()).save(folder / LABELS)
    for _, label, crop in region_crops(image, parsing):
        if LIP_20[label] in REGIONS:
            seen = (squashed(crop, SIDE, SIDE)[0] * 255).round().to(torch.uint8)
            Image.fromarray(seen.numpy()).save(folder / region_file(LIP_20[label]))
