"""What the rows of a batch are: the condition or ∅, which part of the picture, under which hooks.

The host evaluates lists of conds, in any order and number, and tells a patch only a label and a uuid of each. It copies
a cond with an area to the other lists, uuid and all; guiders name their lists as they like; other packs evaluate conds
of their own. So the question is answered where the conds themselves are at hand, at every evaluation.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from .comfy_host import EVALUATION, KEY, RUN, Extra
from .errors import PatchError
from .place import Grid, Place

#: A true entry of a conditioning's dictionary: it is ∅, whatever a guider calls it.
NULL = f"{KEY}_null"
#: Names that guiders give to ∅: "negative", "empty_negative_prompt", "uncond", "reference_negative".
_NULL_NAME = re.compile(r"(^|_)(negative|neg|uncond|unconditional|empty|null)(_|$)")


class Part(NamedTuple):
    """One chunk of a batch.

    Attributes:
        null: whether it is the null condition ∅, which no patch acts on.
        place: what it shows; None is a tile of unknown place.
        hooks: under which weights it is computed; None is the model's own.
    """

    null: bool
    place: Place | None
    hooks: Hashable = None


class Rows(NamedTuple):
    """A chunk's rows in a tensor: which, of how many images, and what they are."""

    rows: slice
    images: int
    part: Part


class Evaluation(NamedTuple):
    """One evaluation's chunks by label and uuid, and the batch and size of its latent."""

    parts: Mapping[tuple[int, Any], Part]
    batch: int
    whole: Grid


class Conds:
    """The conds of one sampling run, and which of them are ∅.

    Args:
        guider: whose ``conds`` these are, before the host has prepared them; None where nobody guides.
    """

    def __init__(self, guider: Any = None):
        self._guider = guider
        self._given = {name: {cond["uuid"] for cond in conds} for name, conds in self._lists()}

    def _lists(self) -> list[tuple[str, Sequence[dict]]]:
        conds = getattr(self._guider, "conds", None) or {}
        return [(name, entries) for name, entries in conds.items() if entries]

    def evaluated(self, conds: Sequence[Sequence[dict] | None], latent: Tensor) -> Evaluation:
        """What is evaluated: lists of conds, whose number is the label, over ``latent`` ``[B, C, h, w]``."""
        whole = (int(latent.shape[-2]), int(latent.shape[-1]))
        parts = {
            (label, cond["uuid"]): Part(self._is_null(cond, label), _place(cond, whole), _hooks(cond))
            for label, entries in enumerate(conds)
            for cond in entries or ()
        }
        return Evaluation(parts, latent.shape[0], whole)

    def _is_null(self, cond: dict, label: int) -> bool:
        for name, entries in self._lists():
            if any(cond is entry for entry in entries):
                return self._is_null_in(name, entries, cond)
        for name, uuids in self._given.items():
            if cond["uuid"] in uuids:
                # Copied once more on the way here.
                return _says_null(cond, name)
        # Not of the guider: another pack evaluates it, to guide away from it (the old Perp-Neg's empty prompt).
        return bool(self._given) or label == 1

    def _is_null_in(self, name: str, entries: Sequence[dict], cond: dict) -> bool:
        if cond["uuid"] in self._given.get(name, ()):
            return _says_null(cond, name)
        # The host's copy of another list's area: its words, and so its nature, are of an own cond of this list.
        origin = next((entry for entry in entries if entry is not cond and _text(entry) is _text(cond)), {})
        return _says_null(origin, name)

    def without_evaluation(self, uuid: Any, label: int) -> bool:
        """Whether a chunk is ∅ where the host's evaluation was passed by: only its label and uuid are known."""
        names = [name for name, uuids in self._given.items() if uuid in uuids]
        return bool(_NULL_NAME.search(names[0])) if names else label == 1


def _says_null(cond: dict, name: str) -> bool:
    if cond.get(NULL):
        return True
    if "prompt_type" in cond:
        return cond["prompt_type"] == "negative"
    return bool(_NULL_NAME.search(name))


def _text(cond: dict) -> Any:
    return cond.get("model_conds", {}).get("c_crossattn")


def _place(cond: dict, whole: Grid) -> Place | None:
    area = cond.get("area")
    if area is None:
        return Place.all_of(whole)
    height, width, top, left = area
    return Place(whole, top, left, (min(whole[0] - top, height), min(whole[1] - left, width)))


def _hooks(cond: dict) -> Hashable:
    """A hook group and how strong each of its hooks is now, which keyframes change."""
    group = cond.get("hooks")
    return None if group is None else (group, tuple(hook.strength for hook in group.hooks))


def rows_of(extra: Extra, batch: int, conds: Conds) -> list[Rows]:
    """The chunks of a tensor with ``batch`` rows, which may be a multiple of the latent's (images cut into tiles)."""
    labels = extra["cond_or_uncond"]
    uuids = extra.get("uuids") or [None] * len(labels)
    shown = tuple(int(side) for side in extra["original_shape"][-2:])
    evaluation: Evaluation | None = extra.get(EVALUATION)
    if evaluation is None:
        parts = [
            Part(conds.without_evaluation(uuid, label), Place.all_of(shown))
            for label, uuid in zip(labels, uuids, strict=True)
        ]
    else:
        parts = [evaluation.parts[chunk] for chunk in zip(labels, uuids, strict=True)]
        parts = [part if part.place.size == shown else part._replace(place=None) for part in parts]
        # A pack that cuts the picture into tiles hands over one batch of all chunks a tile.
        parts *= max(1, extra["original_shape"][0] // (len(labels) * evaluation.batch))
    images, left_over = divmod(extra["original_shape"][0], len(parts))
    if left_over or batch % len(parts):
        raise PatchError(
            f"A batch of {batch} rows arrived for {len(parts)} conditionings. Another node in this graph regroups the "
            "batch in a way that hides which rows are whose: leave it out, or put it behind sampling."
        )
    size = batch // len(parts)
    return [Rows(slice(i * size, (i + 1) * size), images, part) for i, part in enumerate(parts)]


def evaluate(executor, model, conds, x_in, timestep, model_options, *args, **kwargs):
    """CALC_COND_BATCH wrapper: patches are told what is evaluated."""
    options = model_options.get("transformer_options", {})
    run = options.get(RUN)
    if run is not None:
        options = options | {EVALUATION: run.conds.evaluated(conds, x_in)}
        model_options = model_options | {"transformer_options": options}
    return executor(model, conds, x_in, timestep, model_options, *args, **kwargs)
