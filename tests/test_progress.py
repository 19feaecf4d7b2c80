"""Long one-off work tells of every unit, stops between two of them when interrupted, and leaves nothing behind."""

import functools
from collections.abc import Callable
from types import SimpleNamespace

import comfy.model_management
import comfy.utils
import pytest
import torch
from mannequin.nodes.body import MannequinPoseMannequin
from mannequin.nodes.crop import MannequinFitImage, MannequinPasteBack
from mannequin.nodes.face import MannequinCropFace, MannequinEmbedFace
from mannequin.nodes.parsing import MannequinEncodeRegions, MannequinParsePerson
from mannequin.nodes.pose import MannequinDetectPose, MannequinDrawPose
from mannequin.nodes.pose_estimator import MannequinEstimatePose
from mannequin.nodes.pose_field_preview import MannequinPreviewPoseField
from mannequin.nodes.texture import MERGED, SEPARATE, MannequinTextureMap
from mannequin.preprocessors.antelopev2 import SeenFace
from mannequin.preprocessors.densepose import DensePose
from mannequin.preprocessors.labels import Parsing
from mannequin.preprocessors.placement import place
from pose_field_parts import estimator, pose
from small import random

PHOTOS = random(3, 64, 48, 3).sigmoid()
PEOPLE, COARSE = {"on_no_person": "skip", "on_several": "largest"}, {"threshold": 0.1, "resolution": 64}


class Analyser:
    """A face in the middle of every picture."""

    model = "none"

    def faces(self, picture: torch.Tensor) -> list[SeenFace]:
        return [SeenFace(torch.tensor([9.0, 9, 30, 30]), torch.zeros(5, 2), tuple(picture.shape[:2]), 1.0)]

    def embed(self, picture: torch.Tensor, face: SeenFace) -> torch.Tensor:
        return picture.mean() * torch.ones(512)


def surface() -> DensePose:
    iuv = torch.randint(0, 256, (3, 64, 48, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    iuv[..., 0] %= 25
    return DensePose(iuv)


def texture(photos: str, paint: str):
    return MannequinTextureMap.execute(PHOTOS, surface(), photos, paint)


@functools.cache
def pair() -> list:
    """A frame with two people, as Pose Mannequin gives it."""
    return mannequin('{"people": [{"position": [0, 0]}, {"position": [1, 0]}]}').args[0]


def mannequin(text: str = "", shown=None):
    sizes = {"width": 96, "height": 128, "hidden_points": "keep", "on_no_person": "error"}
    return MannequinPoseMannequin.execute(mannequin=text, pose=shown, **sizes)


def encoder():
    def encode_image(picture, crop):
        return SimpleNamespace(image_embeds=picture.mean((1, 2, 3))[:, None].expand(-1, 8), last_hidden_state=None)

    return SimpleNamespace(encode_image=encode_image)


def labelled() -> Parsing:
    labels = torch.zeros(3, 64, 48, dtype=torch.uint8)
    labels[:, :20], labels[1:, 40:] = 5, 9
    return Parsing(labels)


def pasted():
    fitted = place((64, 48), 32, 32, "crop", [None] * 3)
    return MannequinPasteBack.execute(random(3, 32, 32, 3, seed=2).sigmoid(), fitted, PHOTOS, 4)


#: What is run, and how many units it has.
WORK: dict[str, tuple[Callable, int]] = {
    "Detect Pose": (lambda: MannequinDetectPose.execute(PHOTOS, **PEOPLE, threshold=0.5), 3),
    "Draw Pose": (lambda: MannequinDrawPose.execute(pose(frames=3), 96, 64), 3),
    "Draw Pose, as published": (lambda: MannequinDrawPose.execute(pose(frames=3), 96, 64, style="PCDMs"), 3),
    "Estimate Pose": (
        lambda: MannequinEstimatePose.execute(estimator(), PHOTOS, **PEOPLE, threshold=0.1, resolution=64),
        3,
    ),
    "Pose Mannequin": (lambda: mannequin(shown=pair()), 2 + 1),
    "Parse Person": (lambda: MannequinParsePerson.execute(PHOTOS, **PEOPLE), 3),
    "Encode Regions": (lambda: MannequinEncodeRegions.execute(encoder(), PHOTOS, labelled()), 3 + 2),
    "Crop Face": (lambda: MannequinCropFace.execute(PHOTOS, "skip", "largest", 0.5, 32, True), 3),
    "Embed Face": (lambda: MannequinEmbedFace.execute(Analyser(), PHOTOS, "error", "largest", False), 3),
    "Embed Face, match": (lambda: MannequinEmbedFace.execute(Analyser(), PHOTOS, "error", "match", False, PHOTOS), 6),
    "Fit Image": (
        lambda: MannequinFitImage.execute(PHOTOS, "width × height", 32, 32, "person", "white", 0.1, **PEOPLE),
        3,
    ),
    "Paste Back": (pasted, 3),
    "Texture Map": (lambda: texture(MERGED, "off"), 3),
    "Texture Map, painted": (lambda: texture(MERGED, "MCLD"), 3 + 24),
    "Texture Maps, painted": (lambda: texture(SEPARATE, "seamless"), 3 * (1 + 24)),
    "Preview Pose Field": (lambda: MannequinPreviewPoseField.execute(PHOTOS, pose(width=48), estimator()), 3),
}


def told(monkeypatch, work: Callable, stop_at: int = 0) -> tuple[list[tuple[int, int]], object]:
    """Progress as the host is told of it, and the result; at a unit, the user interrupts."""
    seen = []

    def hook(value, total, preview=None, node_id=None):
        seen.append((value, total))
        if len(seen) == stop_at:
            comfy.model_management.interrupt_current_processing()

    with monkeypatch.context() as patch:
        patch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
        if not stop_at:
            return seen, work().args
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            work()
    return seen, None


@pytest.mark.parametrize("name", WORK)
def test_every_unit_is_told_and_an_interrupt_heard_between_two(monkeypatch, name):
    work, units = WORK[name]
    pair()
    seen, result = told(monkeypatch, work)
    assert seen == [(number, units) for number in range(1, units + 1)]
    assert told(monkeypatch, work, 2)[0] == seen[:2]
    assert same(told(monkeypatch, work)[1], result)


def same(one, other) -> bool:
    """Of results, whatever they hold."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dict__"):
        return same(list(vars(one).values()), list(vars(other).values()))
    return one == other
