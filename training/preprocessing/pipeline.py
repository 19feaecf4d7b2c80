"""All steps of a run, one after another, on some records at once."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch

from preprocessors.errors import ConditionError

from ..data.records import Record
from ..errors import TrainingError
from .step import Setup, SetupError, Step
from .steps import STEPS, in_order

#: Command line options of :class:`~.step.Setup`'s networks.
OPTIONS = {
    "parser": "--parser",
    "densepose": "--densepose",
    "faces": "--faces",
    "vae": "--vae",
    "clip_vision": "--clip-vision",
    "dino": "--dino",
}


class Pipeline:
    """Computes what records lack.

    What a record has is not computed again, nor what its data set decides: where that is absent, it is absent. Networks
    are read when the first record needs them.

    Args:
        steps: their names.
        complete: fields that the data set decides.
    """

    def __init__(self, steps: Sequence[str], setup: Setup, complete: Collection[str] = ()) -> None:
        self._names, self._setup = in_order(steps), setup
        self._complete = frozenset(complete)
        self._made: dict[str, Step] = {}

    def __call__(self, records: Sequence[Record]) -> list[Record]:
        """The records with everything the steps give.

        Raises:
            SetupError: a step lacks its network.
            TrainingError: a record lacks a field that a step needs, or a step cannot use a picture.
        """
        records = list(records)
        for name in self._names:
            due = [place for place, record in enumerate(records) if self._due(name, record.name, record.fields)]
            if due:
                for place, given in zip(due, self._done(name, [records[place] for place in due]), strict=True):
                    records[place] = replace(records[place], fields={**given, **records[place].fields})
        return records

    def check(self, record: Record) -> None:
        """Whether a record can be computed, without computing it.

        Raises:
            TrainingError: a step lacks its network or a field.
        """
        have = set(record.fields)
        for name in self._names:
            if self._due(name, record.name, have):
                self._require_network(name)
                have |= set(STEPS[name].gives)

    def _due(self, name: str, record: str, have: Collection[str]) -> bool:
        """Whether a step is to be done on a record that has some fields."""
        step = STEPS[name]
        if all(field in have or field in self._complete for field in step.gives):
            return False
        absent = [need for need in step.needs if need not in have]
        unknown = [need for need in absent if need not in self._complete]
        if unknown:
            raise TrainingError(
                f"The step {name} needs '{unknown[0]}', which '{record}' has not. Add the step {unknown[0]}"
                f"{_with_option(unknown[0])}, or leave {name} out."
            )
        return not absent

    def _done(self, name: str, records: Sequence[Record]) -> list[dict]:
        with torch.inference_mode():
            step = self._step(name)
            try:
                return step(records)
            except ConditionError as error:
                raise TrainingError(f"The step {name} of '{records[0].name}' and what follows: {error}") from error

    def _step(self, name: str) -> Step:
        if name not in self._made:
            self._require_network(name)
            try:
                self._made[name] = STEPS[name](self._setup)
            except (ConditionError, TrainingError) as error:
                raise SetupError(f"The step {name}: {error}") from error
        return self._made[name]

    def _require_network(self, name: str) -> None:
        wanted = STEPS[name].network
        if wanted and getattr(self._setup, wanted) is None:
            raise SetupError(
                f"The step {name} needs a network that does not come with the pack: give it with {OPTIONS[wanted]}."
            )


def _with_option(field: str) -> str:
    wanted = next((step.network for step in STEPS.values() if field in step.gives), None)
    return f" (with {OPTIONS[wanted]})" if wanted else ""


def possible_steps(setup: Setup, fields: Collection[str]) -> list[str]:
    """The steps that can be done with some networks, of records that have some fields, and need not be named."""
    have, possible = set(fields), []
    for name, step in STEPS.items():
        if step.by_name:
            continue
        if (step.network is None or getattr(setup, step.network) is not None) and set(step.needs) <= have:
            possible.append(name)
            have |= set(step.gives)
    return possible
