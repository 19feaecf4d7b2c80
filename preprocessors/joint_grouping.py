"""From heat maps and tags to people (Newell et al., "Associative Embedding", 2017, as HigherHRNet reads it).

Every peak of a joint's heat map is a candidate; joints whose tags are alike are of one person. Who gets which candidate
is decided pair by pair, the most alike first, where the published code solves an assignment problem.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import ConditionError
from .images import check_image
from .keypoints import Frame, from_coco_17

#: COCO's joints in the order in which people are put together: the head, the trunk, the limbs outwards.
_ORDER = (0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16)
#: Candidates of a joint, the side of the square of which each is the peak, and how far tags of one person lie apart.
_MOST, _PEAK, _APART = 30, 5, 1.0
#: Whoever shows fewer joints is nobody.
_FEWEST = 3

#: Heat maps ``[1, 17, h, w]``, tags ``[1, 17, h, w]`` and finer heat maps ``[1, 17, h', w']`` of one picture.
Maps = tuple[Tensor, Tensor, Tensor]


@dataclass
class _Person:
    """Joints found so far, by number: x, y on the map, and the score; and their tags."""

    joints: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    tags: list[float] = field(default_factory=list)

    @property
    def tag(self) -> float:
        return sum(self.tags) / len(self.tags)

    def add(self, joint: int, place: tuple[float, float, float], tag: float) -> None:
        self.joints[joint] = place
        self.tags.append(tag)


def estimate_poses(
    image: Tensor,
    network: Callable[[Tensor], Maps],
    threshold: float = 0.1,
    progress: Callable[[], None] = lambda: None,
) -> list[Frame]:
    """OpenPose-18 keypoints of everybody in an IMAGE ``[B, H, W, C]`` in 0–1, a frame a picture.

    Args:
        network: gives the maps of a picture ``[1, 3, H, W]``, at any size.
        threshold: a peak below it, in 0–1, is no joint.
        progress: called after every picture.

    Raises:
        ConditionError: no proper image, or an estimator of other joints than COCO's 17.
    """
    frames = []
    for picture in check_image(image):
        height, width = picture.shape[:2]
        frames.append(from_coco_17(find_people(picture, network, threshold), width, height))
        progress()
    return frames


def find_people(picture: Tensor, network: Callable[[Tensor], Maps], threshold: float = 0.1) -> Tensor:
    """COCO's joints ``[people, 17, 3]`` of everybody in a picture ``[H, W, 3]`` in 0–1: x, y in pixels, score.

    Args:
        network, threshold: as in :func:`estimate_poses`.

    Raises:
        ConditionError: an estimator of other joints than COCO's 17.
    """
    coarse, tags, fine = (maps.float().cpu() for maps in network(picture.movedim(-1, 0)[None]))
    if not coarse.shape[1] == tags.shape[1] == fine.shape[1] == len(_ORDER):
        raise ConditionError(
            f"The estimator has {fine.shape[1]} joints and {tags.shape[1]} tags; COCO's {len(_ORDER)} of each are "
            "needed to tell people apart. Load one that was trained on COCO or Human-Art."
        )
    height, width = picture.shape[:2]
    scale = torch.tensor([width / fine.shape[-1], height / fine.shape[-2], 1.0])
    return group(coarse, tags, fine, threshold) * scale


def group(coarse: Tensor, tags: Tensor, fine: Tensor, threshold: float = 0.1) -> Tensor:
    """People ``[people, 17, 3]`` in pixels of ``fine``, whose first pixel's centre is at 0.5: x, y, score.

    Args:
        coarse, tags, fine: of one picture; see :data:`Maps`. Both heat maps count alike.
    """
    size = fine.shape[-2:]
    coarse, tags = (F.interpolate(maps, size=size, mode="bilinear", align_corners=False) for maps in (coarse, tags))
    heat = ((coarse + fine) / 2)[0]
    people: list[_Person] = []
    for joint in _ORDER:
        candidates = _candidates(heat[joint], tags[0, joint], threshold)
        free = _match(people, candidates, joint)
        for place, tag in free:
            people.append(_Person())
            people[-1].add(joint, place, tag)
    found = torch.zeros(len(people), len(_ORDER), 3)
    for number, person in enumerate(people):
        for joint, place in person.joints.items():
            found[number, joint] = torch.tensor(place)
    return found[(found[..., 2] > 0).sum(1) >= _FEWEST]


_Candidate = tuple[tuple[float, float, float], float]


def _candidates(heat: Tensor, tags: Tensor, threshold: float) -> list[_Candidate]:
    """Peaks of a map ``[h, w]``, the highest first: place and score, and the tag there."""
    peaks = F.max_pool2d(heat[None], _PEAK, stride=1, padding=_PEAK // 2)[0] == heat
    scores, places = (heat * peaks).flatten().topk(min(_MOST, heat.numel()))
    width = heat.shape[1]
    listed = []
    for score, index in zip(scores.tolist(), places.tolist(), strict=True):
        if score > threshold:
            row, column = divmod(index, width)
            x, y = (coordinate + 0.5 for coordinate in _towards_higher(heat, row, column))
            listed.append(((x, y, score), float(tags[row, column])))
    return listed


def _towards_higher(heat: Tensor, row: int, column: int) -> tuple[float, float]:
    """x, y of a peak, moved a quarter of a pixel to the higher of its neighbours."""

    def step(line: Sequence[float], index: int) -> float:
        before, after = line[max(index - 1, 0)], line[min(index + 1, len(line) - 1)]
        return 0.25 * ((after > before) - (after < before))

    return column + step(heat[row].tolist(), column), row + step(heat[:, column].tolist(), row)


def _match(people: Sequence[_Person], candidates: Sequence[_Candidate], joint: int) -> list[_Candidate]:
    """Give people their candidates for a joint; those that nobody got come back."""
    pairs = sorted(
        (round(abs(tag - person.tag)), -place[2], index, number)
        for number, person in enumerate(people)
        for index, (place, tag) in enumerate(candidates)
        if abs(tag - person.tag) < _APART
    )
    taken: set[int] = set()
    served: set[int] = set()
    for _, _, index, number in pairs:
        if index not in taken and number not in served:
            people[number].add(joint, *candidates[index])
            taken.add(index)
            served.add(number)
    return [candidate for index, candidate in enumerate(candidates) if index not in taken]
