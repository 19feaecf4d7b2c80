"""An evaluation through Ray: batches of pairs, which workers let predictors make and measure."""

import argparse
import os
import pickle
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from preprocessors.errors import ConditionError

from ..errors import TrainingError
from ..ray_workers import Workers, spread
from .run import Evaluation, Outcome, starts

#: The number that the pictures FID and KID compare with have among the predictors.
REAL = -1


def outcomes(
    options: argparse.Namespace,
    evaluation: Evaluation,
    names: Sequence[str],
    workers: Workers,
    progress: Callable[[int], object] = lambda count: None,
) -> list[Outcome]:
    """Every predictor over all pairs, as :meth:`Evaluation.run` gives them, and the features of the real pictures.

    The batches are those of one process, so that their figures are too.

    Args:
        options: of :mod:`training.evaluate`, by which every worker opens all of it by itself.
        evaluation: the same, opened here; its own networks do nothing.
        names: the predictors', in order.
        progress: told how many pairs, or real pictures, were done.

    Raises:
        TrainingError: Ray is not installed or not there, or a worker said why it cannot go on.
    """
    batches = starts(evaluation.pairs, evaluation.batch)
    real = starts(evaluation.real_names(), evaluation.batch) if evaluation.inception else range(0)
    rows = [{"who": REAL, "start": start} for start in real]
    rows += [{"who": number, "start": start} for number in range(len(names)) for start in batches]
    parts: dict[tuple[int, int], Any] = {}
    with closing(spread(rows, RayWorker, (options, Path.cwd()), workers)) as done:
        for row in done:
            if row["wrong"]:
                raise TrainingError(row["wrong"])
            # Of our own workers, to whom Ray itself speaks so.
            part = pickle.loads(row["part"])  # noqa: S301
            parts[row["who"], row["start"]] = part
            progress(len(part if row["who"] == REAL else part.rows))
    if real:
        evaluation.take_real_features([parts[REAL, start] for start in real])
    return [evaluation.outcome(name, [parts[number, start] for start in batches]) for number, name in enumerate(names)]


class RayWorker:
    """Opens the data set, the predictors and the metrics' networks once, and measures any batches.

    Args:
        folder: what paths are relative to, where a worker's machine has it.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._opened: tuple[Evaluation, list] | None = None
        with suppress(OSError):
            os.chdir(folder)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the rows of a batch give, in pickle's words, or what is wrong, in ours."""
        found = [self._part(int(who), int(start)) for who, start in zip(batch["who"], batch["start"], strict=True)]
        parts, wrong = (np.array(column, object) for column in zip(*found, strict=True))
        return {"who": batch["who"], "start": batch["start"], "part": parts, "wrong": wrong}

    def _part(self, who: int, start: int) -> tuple[bytes, str]:
        from ..evaluate import opened

        try:
            self._opened = self._opened or opened(self._options, self._options.device)
            evaluation, chosen = self._opened
            if who == REAL:
                part = evaluation.real_part(start)
            else:
                part = evaluation.part(chosen[who].name, chosen[who].predictor, start)
        except (TrainingError, ConditionError) as error:
            return b"", str(error)
        return pickle.dumps(part), ""
