"""Steps that look for a person: points, parsing, DensePose, face, texture map.

A picture without what a step looks for has an answer too: nobody is background and zeros, no face is no field.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..data.records import Record, largest
from .step import Fields, Setup, SingleStep, tensor


class People(SingleStep):
    """BlazePose, which comes with the pack: everybody's points."""

    gives, by_name = ("people",), True

    def one(self, record: Record) -> Fields:
        return {"people": _found(record, "all")}


class Keypoints(SingleStep):
    """The largest person's points: of those that are known, or by BlazePose."""

    gives = ("keypoints",)

    def one(self, record: Record) -> Fields:
        people = record.fields.get("people")
        return {"keypoints": largest(_found(record, "largest") if people is None else people)}


def _found(record: Record, who: Literal["all", "largest"]) -> np.ndarray:
    """Points of the people in a picture who show any, float32 ``[P, 18, 3]``."""
    from preprocessors.people import detect_poses

    (frame,) = detect_poses(tensor(record.image), on_no_person="skip", on_several=who)
    people = frame.people * (frame.people[..., 2:] > 0)
    return people[(people[..., 2] > 0).any(1)].numpy()


class Parse(SingleStep):
    """The largest person's parsing, by the bundled parser or a network."""

    gives = ("parsing",)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._parser = _parser(setup) if setup.parser else None

    def one(self, record: Record) -> Fields:
        from preprocessors.parsers import parse

        return {"parsing": parse(tensor(record.image), self._parser, "skip", "largest").labels[0].numpy()}


class Iuv(SingleStep):
    """DensePose of the most certain person, as MCLD takes it."""

    gives, network = ("iuv",), "densepose"

    def __init__(self, setup: Setup) -> None:
        from preprocessors.densepose_net import load

        super().__init__(setup)
        self._network = load(setup.densepose).to(self.device)

    def one(self, record: Record) -> Fields:
        from preprocessors.densepose_net import detect_densepose

        found = detect_densepose(tensor(record.image), self._network, "skip", device=self.device)
        return {"iuv": found.iuv[0].numpy()}


class FaceBox(SingleStep):
    """The largest face's box, by the detector of the pack."""

    gives = ("face_box",)

    def one(self, record: Record) -> Fields:
        from preprocessors.faces import find_faces

        faces = find_faces(tensor(record.image)[0])
        return {"face_box": faces[0].box.numpy()} if faces else {}


class Face(SingleStep):
    """The largest face's identity vector, by insightface's models."""

    gives, network = ("face",), "faces"

    def __init__(self, setup: Setup) -> None:
        from preprocessors.antelopev2 import load_analyser

        super().__init__(setup)
        self._analyser = load_analyser(setup.faces.name, setup.faces)

    def one(self, record: Record) -> Fields:
        from preprocessors.face_identity import embed_faces

        embedding, _ = embed_faces(tensor(record.image), self._analyser, "skip", "largest")
        return {"face": embedding.raw[0].numpy()} if embedding.found[0] else {}


class Texture(SingleStep):
    """MCLD's texture map; black where DensePose shows nobody."""

    needs, gives = ("iuv",), ("texture",)

    def one(self, record: Record) -> Fields:
        from preprocessors.densepose import DensePose
        from preprocessors.texture_map import TEXTURE, texture_map

        iuv = torch.tensor(record.fields["iuv"])[None]
        if not iuv[..., 0].any():
            return {"texture": np.zeros((TEXTURE, TEXTURE, 3), np.uint8)}
        texture, _ = texture_map(tensor(record.image), DensePose(iuv))
        return {"texture": (texture * 255).round().to(torch.uint8).numpy()}


def _parser(setup: Setup):
    from preprocessors import schp, segformer

    if setup.parser.suffix == ".onnx":
        return schp.load(setup.parser, setup.label_set)
    folder = setup.parser if setup.parser.is_dir() else setup.parser.parent
    return _OnDevice(segformer.load(folder, setup.label_set), setup.device)


class _OnDevice:
    """A SegFormer where networks work."""

    def __init__(self, network: nn.Module, device: str) -> None:
        self._network, self._device = network.to(device), device

    def labels(self, picture: Tensor) -> Tensor:
        return self._network.labels(picture, self._device)
