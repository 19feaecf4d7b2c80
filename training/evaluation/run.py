"""Every predictor over every pair, measured by every metric."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data.records import Pair, People, Record
from ..errors import TrainingError
from .bootstrap import confidence_interval, set_intervals
from .columns import Column, LeftOut, PairMetric, SetMetric
from .image_metrics import frechet_distance
from .inception import COLUMNS, Inception
from .kernel_distance import kernel_distance, kernel_interval
from .predictors import Predictor
from .protocols import Protocol, counted


@dataclass(frozen=True)
class Figure:
    """What a table shows of a predictor in a metric.

    Attributes:
        mean: over the pairs that count.
        low, high: its interval; NaN where none is known.
        count: of the pairs, or of the pictures, behind it.
    """

    mean: float
    low: float
    high: float
    count: int


@dataclass(frozen=True, eq=False)
class Part:
    """What one batch of pairs gives of a predictor.

    Attributes:
        rows: figures by column of every pair.
        features: ``[pairs, 2048]``, where there is a network for them.
        pictures: the results that the contact sheet shows.
        sizes: heights and widths that occur.
        identities: who is in each pair.
        kept: what each metric of the set keeps of every pair.
    """

    rows: list[dict[str, float]]
    features: np.ndarray | None
    pictures: list[np.ndarray]
    sizes: set[tuple[int, int]]
    identities: list[str]
    kept: Sequence[list[Any]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One predictor's results.

    Attributes:
        name: the predictor's.
        values: by column, ``[pairs]``, NaN where undefined or not counted.
        features: ``[pairs, 2048]``, where there is a network for them.
        pictures: the first pairs' results.
        sizes: heights and widths that occur.
        identities: who is in each pair.
        kept: what each metric of the set keeps of every pair.
    """

    name: str
    values: dict[str, np.ndarray]
    features: np.ndarray | None
    pictures: list[np.ndarray]
    sizes: set[tuple[int, int]]
    identities: list[str]
    kept: Sequence[list[Any]] = ()


@dataclass(eq=False)
class Evaluation:
    """What is measured, and how.

    Attributes:
        protocol: the family's.
        people, pairs: the data set and those of its pairs that count.
        metrics: of single pairs.
        inception: for FID and KID; None leaves them out.
        real: the data set whose pictures FID and KID compare with; None takes the pairs' targets.
        left_out: metrics that cannot be measured.
        batch: pairs a predictor is given at once.
        shown: how many of the first pairs' results are kept for a contact sheet.
        set_metrics: of all pairs together.
    """

    protocol: Protocol
    people: People
    pairs: Sequence[Pair]
    metrics: Sequence[PairMetric]
    inception: Inception | None = None
    real: People | None = None
    left_out: Sequence[LeftOut] = ()
    batch: int = 8
    shown: int = 12
    set_metrics: Sequence[SetMetric] = ()
    _real_features: np.ndarray | None = field(default=None, repr=False)

    @property
    def columns(self) -> list[Column]:
        """Every figure that is measured, in the order of tables."""
        of_pairs = (column for metric in (*self.metrics, *self.set_metrics) for column in metric.columns)
        of_sets = (column for metric in self.set_metrics for column in metric.set_columns)
        return [*(COLUMNS if self.inception else ()), *of_pairs, *of_sets]

    def run(self, name: str, predictor: Predictor, progress: Callable[[int], object] = lambda count: None) -> Outcome:
        """One predictor over all pairs; ``progress`` is told how many were done.

        Raises:
            TrainingError: the predictor gives something else than pictures of the targets' sizes.
        """
        parts = []
        for start in starts(self.pairs, self.batch):
            parts.append(self.part(name, predictor, start))
            progress(len(parts[-1].rows))
        return self.outcome(name, parts)

    def part(self, name: str, predictor: Predictor, start: int) -> Part:
        """One predictor over the batch of pairs that begins with number ``start``; raises as :meth:`run`."""
        names = self.pairs[start : start + self.batch]
        pairs = [(self.people.record(pair.source), self.people.record(pair.target)) for pair in names]
        made = predictor.predict(pairs)
        _check(name, pairs, made)
        looked = [metric.look(pairs, made) for metric in self.set_metrics]
        return Part(
            self._measure(pairs, made, looked),
            self.inception.features(made) if self.inception else None,
            made[: max(0, self.shown - start)],
            {picture.shape[:2] for picture in made},
            [target.identity for _, target in pairs],
            looked,
        )

    def outcome(self, name: str, parts: Sequence[Part]) -> Outcome:
        """What all batches of a predictor give together, in the order of the pairs."""
        rows = [row for part in parts for row in part.rows]
        values = {
            column.key: np.array([row[column.key] for row in rows])
            for metric in (*self.metrics, *self.set_metrics)
            for column in metric.columns
        }
        for metric in self.metrics:
            for column in metric.columns:
                values[column.key][counted(len(rows), metric.batch) :] = np.nan
        return Outcome(
            name,
            values,
            np.concatenate([part.features for part in parts]) if self.inception else None,
            [picture for part in parts for picture in part.pictures],
            set().union(*(part.sizes for part in parts)),
            [identity for part in parts for identity in part.identities],
            [[each for part in parts for each in part.kept[number]] for number in range(len(self.set_metrics))],
        )

    def figures(self, outcome: Outcome) -> dict[str, Figure]:
        """By column, where anything is defined."""
        found = self._inception_figures(outcome.features) if outcome.features is not None else {}
        for metric, kept in zip(self.set_metrics, outcome.kept, strict=True):
            found |= _set_figures(metric, kept, outcome.identities)
        return found | means(outcome)

    def real_features(self, progress: Callable[[int], object] = lambda count: None) -> np.ndarray:
        """Of the pictures that FID and KID compare with; computed once."""
        if self._real_features is None:
            parts = []
            for start in starts(self.real_names(), self.batch):
                parts.append(self.real_part(start))
                progress(len(parts[-1]))
            self.take_real_features(parts)
        return self._real_features

    def real_part(self, start: int) -> np.ndarray:
        """Features of the batch of those pictures that begins with number ``start``."""
        people, names = self.real or self.people, self.real_names()
        return self.inception.features([people.record(name).image for name in names[start : start + self.batch]])

    def take_real_features(self, parts: Sequence[np.ndarray]) -> None:
        """Have the features of all batches of those pictures, in their order."""
        self._real_features = np.concatenate(parts)

    def real_names(self) -> list[str]:
        """Which pictures those are, each once: one that is there twice would count as its own neighbour."""
        names = list(self.real.names) if self.real else list(dict.fromkeys(pair.target for pair in self.pairs))
        return names[: counted(len(names), self.protocol.inception_batch)]

    def _measure(
        self, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray], looked: Sequence[list[Any]]
    ) -> list[dict[str, float]]:
        rows: list[dict[str, float]] = [{} for _ in pairs]
        for metric in self.metrics:
            for row, found in zip(rows, metric.measure(pairs, made), strict=True):
                row.update(found)
        for metric, kept in zip(self.set_metrics, looked, strict=True):
            for row, each in zip(rows, kept, strict=True):
                row.update(metric.of_pair(each))
        return rows

    def _inception_figures(self, features: np.ndarray) -> dict[str, Figure]:
        """FID, which has no interval: its bias changes with every resample. KID, times 1000."""
        made = features[: counted(len(features), self.protocol.inception_batch)]
        real = self.real_features()
        if min(len(made), len(real)) < 2:
            return {}
        nan = float("nan")
        # Where no target occurs twice, a picture and its truth have one number.
        paired = self.real is None and len({pair.target for pair in self.pairs}) == len(self.pairs)
        kernel = 1000 * kernel_distance(real, made, paired)
        low, high = (1000 * edge for edge in kernel_interval(real, made, paired))
        return {
            "fid": Figure(frechet_distance(real, made), nan, nan, len(made)),
            "kid_times_1000": Figure(kernel, low, high, len(made)),
        }


def starts(rows: Sequence[Any], batch: int) -> range:
    """Where batches begin."""
    return range(0, len(rows), batch)


def means(outcome: Outcome) -> dict[str, Figure]:
    """By column, where anything is defined."""
    found = {}
    for key, values in outcome.values.items():
        known = ~np.isnan(values)
        if known.any():
            found[key] = _figure(values[known], _whose(outcome, known))
    return found


def _set_figures(metric: SetMetric, kept: Sequence[Any], identities: Sequence[str]) -> dict[str, Figure]:
    """Figures of all pairs together, where they are defined."""
    found = {key: value for key, value in metric.of_set(kept).items() if not np.isnan(value)}
    if not found:
        return {}
    intervals = set_intervals(kept, metric.of_set, _groups(identities) or range(len(kept)))
    return {key: Figure(value, *intervals[key], len(kept)) for key, value in found.items()}


def differences(outcome: Outcome, reference: Outcome) -> dict[str, Figure]:
    """How much higher one predictor's figures are than another's, pair by pair: the choice of the pairs, which moves
    both, cancels."""
    found = {}
    for key, values in outcome.values.items():
        both = np.isfinite(values) & np.isfinite(reference.values[key])
        if both.any():
            found[key] = _figure(values[both] - reference.values[key][both], _whose(outcome, both))
    return found


def _whose(outcome: Outcome, chosen: np.ndarray) -> list[str]:
    return [identity for identity, kept in zip(outcome.identities, chosen, strict=True) if kept]


def _figure(values: np.ndarray, identities: Sequence[str]) -> Figure:
    """A perfect picture's PSNR is infinite, and so is then the mean."""
    if np.isinf(values).any():
        return Figure(float("inf"), float("nan"), float("nan"), len(values))
    return Figure(float(values.mean()), *confidence_interval(values, groups=_groups(identities)), len(values))


def _groups(identities: Sequence[str]) -> Sequence[str] | None:
    """One person's pairs are alike: people are drawn whole, where there are several."""
    return identities if len(set(identities)) > 1 else None


def _check(name: str, pairs: Sequence[tuple[Record, Record]], made: Sequence[np.ndarray]) -> None:
    if len(made) != len(pairs):
        raise TrainingError(f"'{name}' gave {len(made)} pictures for {len(pairs)} pairs.")
    for (source, target), picture in zip(pairs, made, strict=True):
        if picture.dtype != np.uint8 or picture.shape != target.image.shape:
            raise TrainingError(
                f"'{name}' gave a picture {picture.dtype} {list(picture.shape)} for the pair {source.name} → "
                f"{target.name}; uint8 {list(target.image.shape)}, the target's size, is needed."
            )


def choose_pairs(pairs: Sequence[Pair], count: int | None, seed: int) -> list[Pair]:
    """``count`` of the pairs, drawn without repetition and in their order; all where there are no more.

    Raises:
        TrainingError: there are none.
    """
    if len(pairs) == 0:
        raise TrainingError("The data set has no pairs of two pictures of one person.")
    if count is None or count >= len(pairs):
        return list(pairs)
    if count < 1:
        raise TrainingError(f"At least one pair is needed; --pairs says {count}.")
    chosen = np.random.default_rng(seed).choice(len(pairs), count, replace=False)
    return [pairs[index] for index in sorted(chosen)]
