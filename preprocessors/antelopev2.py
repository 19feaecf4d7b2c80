"""Identity of faces by insightface's models, of which ``antelopev2`` is the one MCLD was trained with.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019; Guo et al., "Sample and
Computation Redistribution for Efficient Face Detection" (SCRFD), 2021. insightface is optional and imported when it is
asked for. Its code is MIT; its models are for non-commercial research only.
"""

import contextlib
import importlib.util
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError, reason
from .face_embedding import WIDTH
from .face_packs import expected_tree
from .onnx import runtime

#: Side of the detector's input, as in MCLD.
DETECTOR_SIDE = 640
#: The detector makes the longer side 640: the shorter one of a picture narrower than this would have no pixel.
NARROWEST = 1 / 64
#: A picture searched again in a margin is first thinned to about this, which the detector thins further.
AGAIN_SIDE = 1280
#: How packages are called that provide the modules insightface needs and ComfyUI does not bring.
PACKAGES = {"cv2": "opencv-python", "onnx": "onnx", "skimage": "scikit-image"}


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A face the detector found.

    Attributes:
        box: ``[4]``: left, top, right, bottom in pixels of the picture.
        points: ``[5, 2]``: eyes, nose, corners of the mouth.
        size: height and width of the picture.
        score: the detector's confidence.
    """

    box: Tensor
    points: Tensor
    size: tuple[int, int]
    score: float


@dataclass(frozen=True, eq=False)
class FaceAnalyser:
    """insightface's detector and recogniser of a pack.

    Attributes:
        model: the pack's name.
        detector: SCRFD, made ready.
        recogniser: ArcFace.
    """

    model: str
    detector: object
    recogniser: object

    def faces(self, picture: Tensor) -> list[SeenFace]:
        """The faces in a picture ``[H, W, 3]`` in 0–1, in the detector's order, the surest first."""
        pixels = _bgr(picture)
        # A face that fills the picture is too large for the detector: with a margin it is not.
        return self._detect(pixels, picture.shape[:2]) or self._detect_in_margin(pixels, picture.shape[:2])

    def embed(self, picture: Tensor, face: SeenFace) -> Tensor:
        """The vector ``[512]`` of a face of a picture ``[H, W, 3]`` in 0–1, not normalised.

        Raises:
            ConditionError: the pack's recogniser gives vectors of another length.
        """
        from insightface.app.common import Face

        with _quiet():
            known = Face(bbox=face.box.numpy(), kps=face.points.numpy(), det_score=face.score)
            vector = np.asarray(self.recogniser.get(_bgr(picture), known), np.float32).reshape(-1)
        if vector.size != WIDTH:
            raise ConditionError(
                f"The recogniser of '{self.model}' gives vectors of length {vector.size}; {WIDTH} is needed. Use "
                "antelopev2."
            )
        return torch.from_numpy(vector.copy())

    def _detect(self, pixels: np.ndarray, size: tuple[int, int]) -> list[SeenFace]:
        with _quiet():
            boxes, points = self.detector.detect(pixels)
        boxes, points = (torch.from_numpy(np.asarray(values, np.float32)) for values in (boxes, points))
        return [SeenFace(box[:4], five, size, float(box[4])) for box, five in zip(boxes, points, strict=True)]

    def _detect_in_margin(self, pixels: np.ndarray, size: tuple[int, int]) -> list[SeenFace]:
        """With a margin of half the picture on every side."""
        step = max(1, max(size) // AGAIN_SIDE)
        thin = pixels[::step, ::step]
        top, left = thin.shape[0] // 2, thin.shape[1] // 2
        padded = np.pad(thin, ((top, top), (left, left), (0, 0)))
        place = torch.tensor([left, top])
        return [
            SeenFace((face.box - place.repeat(2)) * step, (face.points - place) * step, size, face.score)
            for face in self._detect(padded, size)
        ]


def _bgr(picture: Tensor) -> np.ndarray:
    """A picture ``[H, W, 3]`` in 0–1 as OpenCV has it: uint8, blue first."""
    height, width = picture.shape[:2]
    missing = [max(0, int(max(height, width) * NARROWEST) + 1 - side) for side in (height, width)]
    if any(missing):
        picture = F.pad(picture, (0, 0, 0, missing[1], 0, missing[0]))
    return np.ascontiguousarray((picture * 255).round().to(torch.uint8).numpy()[..., ::-1])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """insightface reports every model on the console, and what it uses of scikit-image is deprecated there."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def load_analyser(name: str, folder: Path) -> FaceAnalyser:
    """The detector and recogniser in a folder of ``.onnx`` files, which must exist: insightface downloads otherwise.

    Args:
        name: the pack's.
        folder: where its files lie.

    Raises:
        ConditionError: insightface or onnxruntime is missing, or a network is, or a file is damaged.
    """
    analysis = _insightface()
    present = sorted(file.name for file in folder.glob("*.onnx"))
    if not present:
        raise ConditionError(f"{folder} holds no .onnx file. This is what is needed:\n\n{_tree(name, folder)}")
    try:
        with _quiet():
            app = analysis(
                name=str(folder.resolve()), allowed_modules=["detection", "recognition"], providers=runtime.providers()
            )
            app.prepare(ctx_id=0, det_size=(DETECTOR_SIDE, DETECTOR_SIDE))
    except (AssertionError, KeyError) as error:
        # insightface asserts that there is a detector.
        raise ConditionError(_lacks("network that finds faces", name, folder, present)) from error
    except (*_damaged(), ValueError, TypeError, OSError) as error:
        raise ConditionError(
            f"insightface cannot read the models in {folder} ({reason(error)}). One is damaged: unpack the zip file "
            "again."
        ) from error
    if "recognition" not in app.models:
        raise ConditionError(_lacks("network that recognises faces", name, folder, present))
    if not getattr(app.det_model, "use_kps", True):
        raise ConditionError(_lacks("detector that also finds eyes, nose and mouth", name, folder, present))
    return FaceAnalyser(name, app.det_model, app.models["recognition"])


def _lacks(what: str, name: str, folder: Path, present: list[str]) -> str:
    return (
        f"There is no {what} among the models in {folder}, which holds {', '.join(present)}. This is what is needed:"
        f"\n\n{_tree(name, folder)}"
    )


def _tree(name: str, folder: Path) -> str:
    """How the files should lie, for a folder that is found where insightface has it or elsewhere."""
    holder = folder.parent.parent if folder.parent.name == folder.name else folder.parent
    return expected_tree(name, holder.parent if holder.name == "models" else holder)


def _insightface() -> Callable:
    """insightface's FaceAnalysis.

    Raises:
        ConditionError: it is not installed, or something it needs is not.
    """
    if importlib.util.find_spec("insightface"):
        runtime.needed("insightface")
    try:
        with _quiet():
            from insightface.app import FaceAnalysis
    except ModuleNotFoundError as error:
        missing = (error.name or "insightface").split(".")[0]
        what = "insightface" if missing == "insightface" else f"{missing}, which insightface needs,"
        raise ConditionError(
            f"{what} is not installed in ComfyUI's Python. Install it into that very Python, be it an embedded or a "
            f"portable one:\n\n{_commands(missing)}\n\nthen restart ComfyUI. Everything else in Mannequin works "
            "without it."
        ) from error
    except ImportError as error:
        raise ConditionError(
            f"insightface is installed and cannot be loaded ({reason(error)}). If this names libGL, put "
            "opencv-python-headless in place of opencv-python. Everything else in Mannequin works without it."
        ) from error
    return FaceAnalysis


def _commands(missing: str) -> str:
    """What to type for a module that is not there.

    insightface goes in alone: it asks for onnxruntime and opencv-python by name, which overwrite other builds of them.
    """
    pip = f'"{sys.executable}" -m pip install'
    if missing != "insightface":
        return f"{pip} {PACKAGES.get(missing, missing)}"
    others = [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]
    return "\n".join([f"{pip} --no-deps insightface", *([f"{pip} {' '.join(others)}"] if others else [])])


def _damaged() -> tuple[type[Exception], ...]:
    """What onnxruntime and onnx raise for a file that is no network."""
    from google.protobuf.message import DecodeError

    return (DecodeError, *runtime.errors())
