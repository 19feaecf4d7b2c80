"""One way to parse people, whatever does the work: the bundled coarse parsing, or a network of the user's.

A network labels a whole picture and knows no people. Who counts is found with BlazePose, and so is the side of limbs
where a label set does not tell left from right.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from . import parsing
from .blazepose import Person, find_people
from .images import bounded, check_image, pixel_centres
from .label_sets import LIMBS
from .labels import LIP_20, Parsing, label_number
from .people import OnNoPerson, OnSeveral, Place, choose, place_of

#: Networks and people are looked at with the longer side at most this, and the labels enlarged: they are certain to no
#: more than a two-hundredth of the picture.
WORKING_SIDE = 1536
#: A pixel is somebody's whose mask alone is above this. Where several are, or none, the masks count, less this many
#: times the distance to the body.
MASK_THRESHOLD, DISTANCE_WEIGHT = 0.5, 4.0
#: BlazePose's landmarks along each limb, the person's left side and right side.
CHAINS = {
    "arm": ((11, 13, 15, 19), (12, 14, 16, 20)),
    "leg": ((23, 25, 27, 31), (24, 26, 28, 32)),
    "shoe": ((27, 29, 31), (28, 30, 32)),
}
#: The rest of a body's outline: nose to shoulders, and the sides of the torso.
TORSO = ((0, 11, 23, 24, 12, 0), (11, 12))


class Parser(Protocol):
    """A network that labels every pixel."""

    def labels(self, picture: Tensor) -> Tensor:
        """Labels of a picture ``[H, W, 3]`` in 0–1 on the CPU: ``LabelSet.numbers``, uint8 ``[H, W]``."""


def parse(
    image: Tensor,
    parser: Parser | None = None,
    on_no_person: OnNoPerson = "error",
    on_several: OnSeveral = "largest",
    progress: Callable[[], None] = lambda: None,
    person: int = 1,
) -> Parsing:
    """A parsing with LIP's labels of an IMAGE ``[B, H, W, C]`` in 0–1.

    Args:
        parser: a network; None is the bundled coarse parsing.
        on_no_person: raise, or give a picture of background only. A network that labels something has found someone.
        on_several: who counts; what is nearer to somebody else becomes background.
        progress: called after every picture.
        person: who counts with "index": 1 is the leftmost.

    Raises:
        ConditionError: what the options ask for, or no proper image.
    """
    if parser is None:
        return parsing.parse(image, on_no_person, on_several, progress, person)
    rows = []
    for number, picture in enumerate(check_image(image)):
        small = bounded(picture, WORKING_SIDE)
        labels = parser.labels(small)
        sideless = bool((labels >= len(LIP_20)).any())
        people = find_people(small) if sideless or on_several != "all" else []
        places = [place_of(someone) for someone in people]
        if not labels.any():
            places = []
        elif not places:
            # BlazePose sees nobody in a pair of legs, or in someone from above; the network does, and it counts.
            places = [Place(small.shape[1] / 2, small.shape[0] / 2, float(max(small.shape)))]
        middle = small.shape[1] / 2, small.shape[0] / 2
        chosen = choose(places, middle, on_no_person, on_several, person, number)
        if len(chosen) < len(people) or not chosen:
            labels = torch.where(_nearest_is(people, chosen, labels), labels, 0)
        if sideless:
            labels = with_sides(labels, people)
        rows.append(_enlarged(labels, picture.shape[:2]))
        progress()
    return Parsing(torch.stack(rows))


def _enlarged(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Labels uint8 ``[h, w]`` at a picture's size, the nearest one each."""
    rows, columns = (
        ((torch.arange(length) + 0.5) * (given / length)).long().clamp(max=given - 1)
        for length, given in zip(size, labels.shape, strict=True)
    )
    return labels[rows][:, columns]


def _nearest_is(people: list[Person], chosen: list[int], labels: Tensor) -> Tensor:
    """Where one of the chosen people is nearer than anybody else, boolean ``[H, W]``.

    Masks of people who touch overlap, and a network sees hair and hands beyond them: there the distance to the body, in
    parts of its size, counts as well.
    """
    kept = torch.zeros(labels.shape, dtype=torch.bool)
    if not chosen:
        return kept
    where = labels > 0
    pixels = pixel_centres(labels.shape)[where]
    masks = torch.stack([someone.mask[where] for someone in people])
    nearest = masks.argmax(0)
    unclear = (masks > MASK_THRESHOLD).sum(0) != 1
    distances = torch.stack([_distance(pixels[unclear], someone) for someone in people])
    nearest[unclear] = (masks[:, unclear] - DISTANCE_WEIGHT * distances).argmax(0)
    kept[where] = torch.isin(nearest, torch.tensor(chosen))
    return kept


def _distance(pixels: Tensor, person: Person) -> Tensor:
    """Distance of points ``[n, 2]`` to a person's skeleton, in parts of the person's extent."""
    limbs = (chain for sides in CHAINS.values() for chain in sides)
    distances = [_chain_distance(pixels, person, chain) for chain in (*TORSO, *limbs)]
    return torch.stack(distances).amin(0) / max(person.extent, 1.0)


def _chain_distance(pixels: Tensor, person: Person, chain: Sequence[int]) -> Tensor:
    points = person.landmarks[:, :2]
    sticks = zip(chain, chain[1:], strict=False)
    return torch.stack([parsing.stick_distance(pixels, points[a], points[b]) for a, b in sticks]).amin(0)


def with_sides(labels: Tensor, people: list[Person]) -> Tensor:
    """Left or right in place of each sideless limb.

    A pixel takes the side of the nearest limb of the nearest person. With nobody found it is the half of the limbs'
    pixels it is in, as of someone who faces us.
    """
    labels = labels.clone()
    for number, limb in enumerate(LIMBS, len(LIP_20)):
        where = labels == number
        if not where.any():
            continue
        pixels = pixel_centres(labels.shape)[where]
        if people:
            left, right = (
                torch.stack([_chain_distance(pixels, someone, CHAINS[limb][side]) for someone in people]).amin(0)
                for side in (0, 1)
            )
            is_left = left <= right
        else:
            is_left = pixels[:, 0] > pixels[:, 0].mean()
        sides = [label_number(f"{side}-{limb}") for side in ("Left", "Right")]
        labels[where] = torch.where(is_left, *sides).to(torch.uint8)
    return labels
