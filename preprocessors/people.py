"""What happens when a picture shows nobody, or several people: an option, never a crash."""

from collections.abc import Callable, Iterator
from typing import Literal

from torch import Tensor

from .blazepose import Person, find_people
from .errors import ConditionError
from .images import check_image
from .keypoints import Frame, from_blazepose

OnNoPerson = Literal["error", "skip"]
OnSeveral = Literal["largest", "most central", "all", "error"]


def people_of(
    image: Tensor, on_no_person: OnNoPerson, on_several: OnSeveral, progress: Callable[[], None]
) -> Iterator[tuple[Tensor, list[Person]]]:
    """Every picture ``[H, W, 3]`` of an IMAGE ``[B, H, W, C]`` in 0–1, with the people in it who count.

    Args:
        on_no_person: raise, or give an empty list.
        on_several: who counts.
        progress: called after every picture.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    for number, picture in enumerate(check_image(image)):
        yield picture, _choose(find_people(picture), on_no_person, on_several, number)
        progress()


def _choose(people: list[Person], on_no_person: str, on_several: str, number: int) -> list[Person]:
    """Who counts, by a node's options; ``number`` is the picture's place in the batch, for the error."""
    if not people and on_no_person == "error":
        raise ConditionError(
            f"Nobody was found in picture {number + 1} of the batch. Take a photo in which a person fills a good part "
            "of the height, or set on_no_person to 'skip'."
        )
    if len(people) > 1 and on_several == "error":
        raise ConditionError(
            f"{len(people)} people were found in picture {number + 1} of the batch. Crop the photo to one, or set "
            "on_several to 'largest'."
        )
    if on_several == "largest":
        return people[:1]
    if on_several == "most central":
        return sorted(people, key=_off_centre)[:1]
    return people


def _off_centre(person: Person) -> float:
    """Distance of the hips' middle from the picture's, in pixels."""
    height, width = person.size
    return float((person.landmarks[[23, 24], :2].mean(0) - person.landmarks.new_tensor([width / 2, height / 2])).norm())


def detect_poses(
    image: Tensor,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    threshold: float = 0.5,
    progress: Callable[[], None] = lambda: None,
) -> list[Frame]:
    """OpenPose-18 keypoints of an IMAGE ``[B, H, W, C]`` in 0–1, a frame a picture.

    Args:
        on_no_person: raise, or give a frame without people.
        on_several: who counts.
        threshold: keypoints less visible than this, in 0–1, are not seen.
        progress: called after every picture.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    return [
        from_blazepose(people, width=picture.shape[1], height=picture.shape[0], threshold=threshold)
        for picture, people in people_of(image, on_no_person, on_several, progress)
    ]
