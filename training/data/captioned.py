"""Anyone's folder of captioned pictures: beside ``name.jpg`` its caption ``name.txt``, and its poses ``name.json``."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from preprocessors.errors import ConditionError
from preprocessors.keypoints import from_pose_keypoint
from preprocessors.pose_json import read_pose

from ..errors import TrainingError
from .names import distinct_names
from .pictures import Fit, Size, checked_fit, parse_size, picture_size, pictures_in, placed, read_picture
from .records import Pair, Record, from_text, largest

CAPTION, POSE = ".txt", ".json"


class CaptionedPictures:
    """All pictures of a folder and of those in it, each of whoever it shows, with what it shows in words.

    There is no source: every picture is paired with itself.

    Args:
        root: has pictures, and beside each its caption in UTF-8. Beside some or all of them may be everybody's poses, a
            POSE_KEYPOINT as the node Save Pose and OpenPose write it; the others' are found by the steps people and
            keypoints of ``python -m training.preprocess``.
        size: of the records, height × width; None leaves pictures at their own, which training cannot batch.
        fit: how pictures of another aspect get that size: "crop", their middle; "pad", white beside them; or "squash".

    Raises:
        TrainingError: there is no picture, one without a caption, or two files that differ in their ending only.
    """

    def __init__(self, root: str | Path, size: str | None = None, fit: Fit = "crop") -> None:
        root, self.size, self.fit = Path(root), parse_size(size), checked_fit(fit)
        if not root.is_dir():
            raise TrainingError(f"There is no folder '{root}'.")
        folders = [root, *sorted(path for path in root.rglob("*") if path.is_dir() and not _hidden(path, root))]
        files = {file.relative_to(root).as_posix(): file for folder in folders for file in pictures_in(folder).values()}
        if not files:
            raise TrainingError(f"'{root}' has no pictures.")
        silent = [place for place, file in files.items() if not file.with_suffix(CAPTION).is_file()]
        if silent:
            raise TrainingError(
                f"{len(silent)} of {len(files)} pictures in '{root}' have no caption, '{silent[0]}' among them. Write "
                f"what each shows into a text file of its name, as '{Path(silent[0]).stem}{CAPTION}'; an empty one "
                "says nothing."
            )
        names = distinct_names({place: Path(place).with_suffix("").as_posix().replace("/", "_") for place in files})
        self._files = {names[place]: file for place, file in files.items()}
        self.names = list(self._files)
        self.pairs = [Pair(name, name) for name in self.names]

    def record(self, name: str) -> Record:
        """One picture."""
        file = self._files[name]
        image = read_picture(file, self.size, self.fit)
        try:
            caption = file.with_suffix(CAPTION).read_text(encoding="utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise TrainingError(f"'{file.with_suffix(CAPTION)}' is no text in UTF-8 ({error}). Save it so.") from error
        fields = {"caption": from_text(caption)}
        pose = file.with_suffix(POSE)
        if pose.is_file():
            size = picture_size(file)
            people = self._people(pose, size)
            fields |= {"people": people, "keypoints": largest(people)}
        return Record(name, name, name, image, fields)

    def _people(self, pose: Path, picture: Size) -> np.ndarray:
        """Everybody's keypoints, in pixels of the record."""
        try:
            frames = from_pose_keypoint(read_pose(pose, picture[::-1]))
        except ConditionError as error:
            raise TrainingError(f"'{pose}': {error}") from error
        if len(frames) != 1:
            raise TrainingError(f"'{pose}' has {len(frames)} frames, and a picture needs one.")
        (frame,) = frames
        canvas = (frame.height, frame.width)
        return _moved(frame.people, canvas, picture, self.size or picture, self.fit)


def _moved(people: Tensor, canvas: Size, picture: Size, size: Size, fit: Fit) -> np.ndarray:
    """Keypoints ``[P, 18, 3]`` of a canvas on the picture as a record has it; what is cut off is not seen."""
    scale, begin = placed(picture, size, fit)
    # x before y.
    factor = torch.tensor([scale[axis] * picture[axis] / canvas[axis] for axis in (1, 0)])
    places = people[..., :2] * factor + torch.tensor(begin[::-1])
    inside = ((places >= 0) & (places < torch.tensor(size[::-1]))).all(-1, keepdim=True)
    shown = (people[..., 2:] > 0) & inside
    moved = torch.cat([places, torch.ones_like(places[..., :1])], -1) * shown
    return moved[shown.any(1)[:, 0]].numpy().astype(np.float32)


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)
