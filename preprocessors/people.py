"""What happens when a picture shows nobody, or several people: an option, never a crash."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from .blazepose import Person, find_people
from .detected_parts import DetectedPart, detected_parts
from .errors import ConditionError
from .images import check_image
from .keypoints import Frame, from_blazepose, from_pose_keypoint
from .placement import Box
from .pose_forms import pose_list

OnNoPerson = Literal["error", "skip"]
OnSeveral = Literal["largest", "most central", "index", "all", "error"]


@dataclass(frozen=True)
class Place:
    """Where someone is and how large, in pixels: the middle (x, y) and the body's extent."""

    x: float
    y: float
    size: float


def people_of(
    image: Tensor, on_no_person: OnNoPerson, on_several: OnSeveral, progress: Callable[[], None], person: int = 1
) -> Iterator[tuple[Tensor, list[Person]]]:
    """Every picture ``[H, W, 3]`` of an IMAGE ``[B, H, W, C]`` in 0–1, with the people in it who count.

    Args:
        on_no_person: raise, or give an empty list.
        on_several: who counts.
        progress: called after every picture.
        person: who counts with "index": 1 is the leftmost.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    for number, picture in enumerate(check_image(image)):
        people = find_people(picture)
        places = [place_of(someone) for someone in people]
        chosen = choose(places, _middle(*picture.shape[1::-1]), on_no_person, on_several, person, number)
        yield picture, [people[index] for index in chosen]
        progress()


def choose(
    places: Sequence[Place],
    middle: tuple[float, float],
    on_no_person: OnNoPerson,
    on_several: OnSeveral,
    person: int,
    number: int,
) -> list[int]:
    """Who counts, as indices into ``places``.

    Args:
        places: of the people in one picture.
        middle: of the picture (x, y).
        person: who counts with "index": 1 is the leftmost.
        number: of the picture in the batch, from 0, for the error.

    Raises:
        ConditionError: what the options ask for.
    """
    indices = list(range(len(places)))
    if not places and on_no_person == "error":
        raise ConditionError(
            f"Nobody was found in picture {number + 1} of the batch. Take a photo in which a person fills a good part "
            "of the height, or set on_no_person to 'skip'."
        )
    if len(places) > 1 and on_several == "error":
        raise ConditionError(
            f"{len(places)} people were found in picture {number + 1} of the batch. Crop the photo to one, or set "
            "on_several to 'largest'."
        )
    if on_several == "index":
        if not 1 <= person <= len(places) and on_no_person == "error":
            raise ConditionError(
                f"Person {person} is asked for and picture {number + 1} of the batch shows {len(places)}. Set person "
                "to 1 for the leftmost, 2 for the next, and so on, or on_no_person to 'skip'."
            )
        from_the_left = sorted(indices, key=lambda index: places[index].x)
        return from_the_left[person - 1 : person] if person >= 1 else []
    if on_several == "largest":
        return sorted(indices, key=lambda index: -places[index].size)[:1]
    if on_several == "most central":
        return sorted(indices, key=lambda index: math.dist((places[index].x, places[index].y), middle))[:1]
    return indices


def _middle(width: int, height: int) -> tuple[float, float]:
    return width / 2, height / 2


def place_of(person: Person) -> Place:
    """Where a person of BlazePose's is, and how large."""
    x, y = person.landmarks[[23, 24], :2].mean(0).tolist()
    return Place(x, y, person.extent)


def detect_poses(
    image: Tensor,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    threshold: float = 0.5,
    progress: Callable[[], None] = lambda: None,
    person: int = 1,
    parts: Collection[DetectedPart] = (),
) -> list[Frame]:
    """OpenPose-18 keypoints of an IMAGE ``[B, H, W, C]`` in 0–1, a frame a picture.

    Args:
        on_no_person: raise, or give a frame without people.
        on_several: who counts.
        threshold: keypoints less visible than this, in 0–1, are not seen.
        progress: called after every picture.
        person: who counts with "index": 1 is the leftmost.
        parts: what is looked for besides the body.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    frames = []
    for picture, people in people_of(image, on_no_person, on_several, progress, person):
        frame = from_blazepose(people, width=picture.shape[1], height=picture.shape[0], threshold=threshold)
        if parts:
            frame = replace(frame, parts=detected_parts(picture, people, threshold, parts))
        frames.append(frame)
    return frames


def choose_people(
    poses: Any,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    person: int = 1,
) -> list[dict[str, Any]]:
    """A POSE_KEYPOINT with the people who count; what else other nodes wrote of them, hands and faces, stays.

    Args:
        on_no_person: raise, or give a frame without people.
        on_several: who counts.
        person: who counts with "index": 1 is the leftmost.

    Raises:
        ConditionError: what the options ask for, or no proper POSE_KEYPOINT.
    """
    chosen = []
    for number, (pose, frame) in enumerate(zip(pose_list(poses), from_pose_keypoint(poses), strict=True)):
        # Someone without a point is nobody.
        there = [index for index, points in enumerate(frame.people) if (points[:, 2] > 0).any()]
        places = [_place_of_points(frame.people[index]) for index in there]
        kept = choose(places, _middle(frame.width, frame.height), on_no_person, on_several, person, number)
        chosen.append(pose | {"people": [pose["people"][there[index]] for index in kept]})
    return chosen


def _place_of_points(points: Tensor) -> Place:
    """Of keypoints ``[18, 3]``: the middle and the diagonal of the box around those that are seen."""
    seen = points[points[:, 2] > 0, :2]
    low, high = seen.amin(0), seen.amax(0)
    return Place(*((low + high) / 2).tolist(), float((high - low).norm()))


def people_boxes(
    image: Tensor,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    progress: Callable[[], None] = lambda: None,
    person: int = 1,
) -> list[Box | None]:
    """The box around everyone who counts, for every picture of an IMAGE ``[B, H, W, C]`` in 0–1; None is nobody.

    Args:
        on_no_person: raise, or give None.
        on_several: who counts.
        progress: called after every picture.
        person: who counts with "index": 1 is the leftmost.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    return [_box(people) for _, people in people_of(image, on_no_person, on_several, progress, person)]


def _box(people: list[Person]) -> Box | None:
    """Around the masks, and the landmarks inside the picture: a mask may miss a thin arm."""
    corners = []
    for person in people:
        height, width = person.size
        marked = person.mask > 0.5
        rows, columns = (marked.any(axis).nonzero()[:, 0] for axis in (1, 0))
        if len(rows):
            corners += [(columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1)]
        points = person.landmarks[person.landmarks[:, 2] >= 0.5, :2]
        corners += (points.clamp(min=0).minimum(torch.tensor([width, height]))).tolist()
    if not corners:
        return None
    x, y = ([int(corner[axis]) for corner in corners] for axis in (0, 1))
    return Box(min(x), min(y), max(1, max(x) - min(x)), max(1, max(y) - min(y)))
