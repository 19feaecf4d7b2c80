"""What the rows of a batch are: the condition or ∅, which part of the picture, under which hooks.

The host evaluates lists of conds, in any order and number, and tells a patch only a label and a uuid of each. It copies
a cond with an area to the other lists, uuid and all; guiders name their lists as they like; other packs evaluate conds
of their own. So the question is answered where the conds themselves are at hand, at every evaluation.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

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
        hooks: the hook group whose weights it is computed under; None is the model's own.
    """

    null: bool
    place: Place | None
    hooks: Any = None

    @property
    def strengths(self) -> tuple[float, ...]:
        """How strong each of its hooks is. Keyframes change that, after an evaluation was announced."""
        return () if self.hooks is None else tuple(hook.strength for hook in self.hooks.hooks)


class Rows(NamedTuple):
    """A chunk's rows in a tensor: which, of how many images, and what they are."""

    rows: slice
    images: int
    part: Part


class Evaluation(NamedTuple):
    """One evaluation: its chunks by label and uuid, how many images its latent has, and its noise level when asked."""

    parts: Mapping[tuple[int, Any], Part]
    batch: int
    sigma: Callable[[], float]


class Conds:
    """The conds of one sampling run, and which of them are ∅.

    Args:
        guider: whose ``conds`` these are, before the host has prepared them; None where nobody guides.
    """

    def __init__(self, guider: Any = None):
        self._guider = guider
        self._given = {name: {cond["uuid"] for cond in conds} for name, conds in self._lists()}
        self._null: dict[Any, bool] = {}

    def _lists(self) -> list[tuple[str, Sequence[dict]]]:
        conds = getattr(self._guider, "conds", None) or {}
        return [(name, entries) for name, entries in conds.items() if entries]

    @property
    def hooked(self) -> bool:
        """Whether any of them is computed under other weights than the model's own."""
        return any(cond.get("hooks") is not None for _, entries in self._lists() for cond in entries)

    @property
    def groups(self) -> int:
        """Under how many groups of hooks, none included, conds that are not ∅ are computed."""
        return len({cond.get("hooks") for name, conds in self._lists() for cond in conds if not _says_null(cond, name)})

    def evaluated(self, conds: Sequence[Sequence[dict] | None], latent: Tensor, sigma: Tensor) -> Evaluation:
        """What is evaluated: lists of conds, whose number is the label, over ``latent`` ``[B, C, h, w]``."""
        self.judge()
        whole = (int(latent.shape[-2]), int(latent.shape[-1]))
        parts = {
            (label, cond["uuid"]): Part(self.is_null(label, cond["uuid"]), _place(cond, whole), cond.get("hooks"))
            for label, entries in enumerate(conds)
            for cond in entries or ()
        }
        # Read once an evaluation, and only if somebody asks: a GPU would wait for it at every site.
        return Evaluation(parts, latent.shape[0], functools.cache(lambda: float(sigma[0])))

    def judge(self) -> None:
        """Say of every cond of the guider whether it is ∅. What the host has copied gets a uuid of its own."""
        for name, entries in self._lists():
            for cond in entries:
                if cond["uuid"] in self._given.get(name, ()):
                    self._null[cond["uuid"]] = _says_null(cond, name)
                    continue
                if any(cond["uuid"] in uuids for uuids in self._given.values()):
                    cond["uuid"] = uuid4()
                if cond["uuid"] not in self._null:
                    # Another list's area: its words, and so its nature, are of an own cond of this list.
                    origin = next((entry for entry in entries if entry is not cond and _text(entry) is _text(cond)), {})
                    self._null[cond["uuid"]] = _says_null(origin, name)

    def is_null(self, label: int, uuid: Any) -> bool:
        """Whether a chunk is ∅."""
        if uuid in self._null:
            return self._null[uuid]
        # Not of the guider: another pack evaluates it, to guide away from it (the old Perp-Neg's empty prompt).
        return bool(self._null) or label == 1


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
    half = len(area) // 2
    (height, width), (top, left) = area[:2], area[half : half + 2]
    return Place(whole, top, left, (min(whole[0] - top, height), min(whole[1] - left, width)))


def rows_of(extra: Extra, batch: int, conds: Conds) -> list[Rows]:
    """The chunks of a tensor with ``batch`` rows, which may be a multiple of the latent's (images cut into tiles)."""
    labels = extra["cond_or_uncond"]
    uuids = extra.get("uuids") or [None] * len(labels)
    shown = tuple(int(side) for side in extra["original_shape"][-2:])
    images = extra["original_shape"][0]
    evaluation: Evaluation | None = extra.get(EVALUATION)
    known = evaluation.parts if evaluation else {}
    parts = [
        known.get(chunk) or Part(conds.is_null(*chunk), Place.all_of(shown))
        for chunk in zip(labels, uuids, strict=False)
    ]
    parts = [part if part.place.size == shown else part._replace(place=None) for part in parts]
    of_chunk = evaluation.batch if evaluation else images // len(parts)
    # A pack that cuts the picture into tiles hands over one batch of all chunks a tile.
    parts *= max(1, images // (len(parts) * of_chunk))
    if len(labels) != len(uuids) or len(parts) * of_chunk != images or batch % len(parts):
        raise PatchError(
            f"A batch of {images} images arrived for {len(labels)} conditionings. Another node in this graph regroups "
            "the batch in a way that hides which rows are whose: leave it out."
        )
    size = batch // len(parts)
    return [Rows(slice(i * size, (i + 1) * size), of_chunk, part) for i, part in enumerate(parts)]


def evaluate(executor, model, conds, x_in, timestep, model_options, *args, **kwargs):
    """CALC_COND_BATCH wrapper: patches are told what is evaluated."""
    options = model_options.get("transformer_options", {})
    run = options.get(RUN)
    if run is not None:
        options = options | {EVALUATION: run.conds.evaluated(conds, x_in, timestep)}
        model_options = model_options | {"transformer_options": options}
    return executor(model, conds, x_in, timestep, model_options, *args, **kwargs)


def prepared(executor, guider, sigmas, extra_args, *args, **kwargs):
    """SAMPLER_SAMPLE wrapper: the host has prepared the conds, and nobody has copied them yet."""
    run = extra_args["model_options"]["transformer_options"].get(RUN)
    if run is not None:
        run.conds.judge()
    return executor(guider, sigmas, extra_args, *args, **kwargs)
