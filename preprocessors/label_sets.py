"""Label sets of parsing networks, and what their classes are among LIP's twenty.

The classes stand in their networks' order: LIP, ATR and Pascal-Person-Part as in SCHP (Li et al., "Self-Correction for
Human Parsing", 2019), ATR also as in segformer_b2_clothes, fashn as in fashn-ai/fashn-human-parser.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import ConditionError
from .labels import LIP_20

ATR_18 = (
    *("Background", "Hat", "Hair", "Sunglasses", "Upper-clothes", "Skirt", "Pants", "Dress", "Belt"),
    *("Left-shoe", "Right-shoe", "Face", "Left-leg", "Right-leg", "Left-arm", "Right-arm", "Bag", "Scarf"),
)
PASCAL_7 = ("Background", "Head", "Torso", "Upper Arms", "Lower Arms", "Upper Legs", "Lower Legs")
FASHN_18 = (
    *("background", "face", "hair", "top", "dress", "skirt", "pants", "belt", "bag"),
    *("hat", "scarf", "glasses", "arms", "hands", "legs", "feet", "torso", "jewelry"),
)

#: Limbs whose side a class does not tell: a parsing's "arm" is Left-arm or Right-arm. They are numbered after LIP's.
LIMBS = ("arm", "leg", "shoe")
#: What LIP has no label for and what lies on top of something that it has: where such a class wins, the network's
#: next choice counts, so that a belt is part of the trousers or the dress it holds. Without scores to choose by, it is
#: this label.
ON_TOP = {
    "belt": "Pants",
    **dict.fromkeys(("jewelry", "jewellery", "tie", "watch"), "Upper-clothes"),
}
#: A class's plain name (letters only) → LIP's label, or a limb. A bag is background, since LIP has no label for it.
#: Skin of the torso goes with the torso's clothes; Pascal's parts may be bare or dressed, and its head has no hair.
MEANING = {
    **{re.sub("[^a-z]", "", name.lower()): name for name in LIP_20},
    **dict.fromkeys(("bag", "bagwallet", "umbrella", "unlabeled"), "Background"),
    **dict.fromkeys(("top", "torso", "torsoskin", "shirt", "shirtblouse", "toptshirtsweatshirt"), "Upper-clothes"),
    **dict.fromkeys(("sweater", "vest"), "Upper-clothes"),
    **dict.fromkeys(("cardigan", "jacket", "cape"), "Coat"),
    **dict.fromkeys(("shorts", "trousers"), "Pants"),
    **dict.fromkeys(("glasses", "eyeglasses"), "Sunglasses"),
    **dict.fromkeys(("sock", "tightsstockings", "legwarmer"), "Socks"),
    **{"head": "Face", "jumpsuit": "Jumpsuits", "gloves": "Glove", "hands": "arm", "hand": "arm", "arms": "arm"},
    **dict.fromkeys(("upperarms", "lowerarms"), "arm"),
    **dict.fromkeys(("legs", "upperlegs", "lowerlegs"), "leg"),
    **dict.fromkeys(("feet", "foot", "shoe", "shoes"), "shoe"),
}
#: How transformers names classes that nobody has named.
NAMELESS = re.compile(r"label_?\d+", re.IGNORECASE)


@dataclass(frozen=True)
class LabelSet:
    """What a network's classes are called, in its order.

    Attributes:
        name: the set's, for messages.
        classes: names of the classes.
    """

    name: str
    classes: tuple[str, ...]

    @property
    def labels(self) -> tuple[str | None, ...]:
        """What each class is: a label of LIP's, one of :data:`LIMBS`, or None for the network's next choice.

        A class that is not known is background.
        """
        return tuple(
            None if _plain(name) in ON_TOP else MEANING.get(_plain(name), "Background") for name in self.classes
        )

    @property
    def numbers(self) -> tuple[int | None, ...]:
        """The same as numbers: LIP's, then those of :data:`LIMBS`."""
        names = (*LIP_20, *LIMBS)
        return tuple(None if label is None else names.index(label) for label in self.labels)

    @property
    def fixed_numbers(self) -> tuple[int, ...]:
        """The same where there is no next choice: of a picture of labels."""
        pairs = zip(self.classes, self.numbers, strict=True)
        return tuple(LIP_20.index(ON_TOP[_plain(name)]) if number is None else number for name, number in pairs)


def _plain(name: str) -> str:
    return re.sub("[^a-z]", "", name.lower())


LABEL_SETS = {
    known.name: known
    for known in (
        LabelSet("LIP-20", LIP_20),
        LabelSet("ATR-18", ATR_18),
        LabelSet("Pascal-7", PASCAL_7),
        LabelSet("fashn-18", FASHN_18),
    )
}
#: The sets SCHP's networks were trained on.
SCHP_SETS = ("LIP-20", "ATR-18", "Pascal-7")


def choose_label_set(
    choice: str, classes: Sequence[str], count: int, among: Iterable[str] = tuple(LABEL_SETS)
) -> LabelSet:
    """The label set of a network.

    Args:
        choice: a name of :data:`LABEL_SETS`, or "auto": by the classes' names, or by their number where they have none.
        classes: their names in the network's order, if its file has them.
        count: how many classes there are.
        among: names of the sets that a number may mean.

    Raises:
        ConditionError: the set has another number of classes, or "auto" cannot tell.
    """
    sizes = ", ".join(f"{known.name} {len(known.classes)}" for known in LABEL_SETS.values())
    if choice != "auto":
        chosen = LABEL_SETS[choice]
        if len(chosen.classes) != count:
            raise ConditionError(
                f"The network tells {count} classes apart and {choice} has {len(chosen.classes)}. Set label_set to the "
                f"one it was trained with ({sizes})."
            )
        return chosen
    if any(not NAMELESS.fullmatch(name) for name in classes):
        return recognise(classes)
    fitting = [name for name in among if len(LABEL_SETS[name].classes) == count]
    if len(fitting) != 1:
        may_be = f"may be {' or '.join(fitting)}" if fitting else f"is of no known set ({sizes})"
        mend = "Set label_set to the one it was trained with." if fitting else "It is no human parsing network."
        raise ConditionError(f"The network's {count} classes have no names, and that number {may_be}. {mend}")
    return LABEL_SETS[fitting[0]]


def recognise(classes: Sequence[str]) -> LabelSet:
    """The label set with these names, in any capitals; by its names where the set as a whole is not known.

    Raises:
        ConditionError: none of the names is that of something people wear or have.
    """
    plain = [_plain(name) for name in classes]
    for known in LABEL_SETS.values():
        if plain == [_plain(name) for name in known.classes]:
            return known
    own = LabelSet("the network's own", tuple(classes))
    if not any(number for number in own.numbers):
        raise ConditionError(
            f"None of the network's classes is known: {', '.join(classes[:30])}. It is no human parsing network, or "
            "its config.json has other names than LIP, ATR, Pascal-Person-Part or fashn; then set label_set."
        )
    return own


def largest_label(scores: Tensor, label_set: LabelSet, place: Callable[[Tensor], Tensor]) -> Tensor:
    """The label with the highest score at every pixel.

    Args:
        scores: ``[C, h, w]``, one map a class.
        label_set: of C classes.
        place: enlarges one map to the picture's size ``[H, W]``; one at a time, since twenty of a large one are many.

    Returns:
        :attr:`LabelSet.numbers`, uint8 ``[H, W]``; the first of equals.
    """
    best = labels = None
    for row, number in zip(scores, label_set.numbers, strict=True):
        if number is None:
            continue
        values = place(row)
        if best is None or labels is None:
            best, labels = values, torch.full(values.shape, number, dtype=torch.uint8, device=values.device)
            continue
        labels[values > best] = number
        best = torch.maximum(best, values)
    if labels is None:
        raise ConditionError(
            "The network has no class but what lies on top of clothes; a parsing cannot be made of it."
        )
    return labels
