"""The papers' table: re-identification by real pictures alone, and with synthesised ones beside them."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..evaluation.columns import Column
from ..evaluation.run import Figure
from ..evaluation.tables import cell, line

#: In per cent.
COLUMNS = (
    Column("rank1", "Rank-1, %", "higher", 1),
    Column("rank5", "Rank-5, %", "higher", 1),
    Column("mean_ap", "mAP, %", "higher", 1),
)
#: What nothing synthesised is called.
ALONE = "real alone"


@dataclass(frozen=True)
class Outcome:
    """One training's end.

    Attributes:
        share: of the real pictures, per cent.
        seed: of the share, the pairs and the training.
        name: of what was synthesised, or :data:`ALONE`.
        real, synthesised: how many pictures it learned from.
        steps: batches.
        seconds: that it took since it was last begun.
        scores: in 0–1, by the keys of :data:`COLUMNS`.
    """

    share: int
    seed: int
    name: str
    real: int
    synthesised: int
    steps: int
    seconds: float
    scores: Mapping[str, float]


def over_seeds(values: Sequence[float]) -> Figure:
    """The mean, and Student's interval of it by 95 %; none of a single value.

    Seeds are few: a bootstrap of three values would be far too sure of them.
    """
    from scipy import stats

    values = np.asarray(values, float)
    mean, count = float(values.mean()), len(values)
    if count < 2:
        return Figure(mean, float("nan"), float("nan"), count)
    reach = float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5)
    return Figure(mean, mean - reach, mean + reach, count)


def markdown(outcomes: Sequence[Outcome]) -> str:
    """A table for each figure: shares down; real pictures alone, then with others', and the differences."""
    names, shares = _names(outcomes), sorted({outcome.share for outcome in outcomes})
    seeds = len({outcome.seed for outcome in outcomes})
    parts = [
        f"Single-query protocol. Means over {seeds} seeds with Student's 95 % intervals; differences from {ALONE} are "
        "paired by seed."
    ]
    for column in COLUMNS:
        titles = [title for name in names for title in ([name] if name == ALONE else [name, "difference"])]
        heading = [column.heading, "real pictures", "synthesised", *titles]
        rows = [line(heading), line(["---", *("---:" for _ in heading[1:])])]
        for share in shares:
            cells = [f"{share} % real", *(_counted(outcomes, share, kind) for kind in ("real", "synthesised"))]
            for name in names:
                values = _values(outcomes, share, name, column.key)
                cells.append(cell(_figure(list(values.values())), column))
                if name != ALONE:
                    alone = _values(outcomes, share, ALONE, column.key)
                    both = [values[seed] - alone[seed] for seed in sorted(values.keys() & alone.keys())]
                    cells.append(cell(_figure(both), column))
            rows.append(line(cells))
        parts.append("\n".join(rows))
    hours = sum(outcome.seconds for outcome in outcomes) / 3600
    parts.append(f"{len(outcomes)} trainings of BoT, {hours:.2f} hours together.")
    return "\n\n".join(parts) + "\n"


def summary_csv(outcomes: Sequence[Outcome]) -> str:
    """A line for every training."""
    file = io.StringIO()
    keys = [column.key for column in COLUMNS]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["share", "seed", "training", "real", "synthesised", "steps", "seconds", *keys])
    for each in outcomes:
        told = [each.share, each.seed, each.name, each.real, each.synthesised, each.steps, f"{each.seconds:.1f}"]
        writer.writerow([*told, *(f"{each.scores[key]:.6f}" for key in keys)])
    return file.getvalue()


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys([ALONE, *(outcome.name for outcome in outcomes)]))


def _values(outcomes: Sequence[Outcome], share: int, name: str, key: str) -> dict[int, float]:
    """Per cent, by seed."""
    return {each.seed: 100 * each.scores[key] for each in outcomes if (each.share, each.name) == (share, name)}


def _figure(values: Sequence[float]) -> Figure | None:
    return over_seeds(values) if values else None


def _counted(outcomes: Sequence[Outcome], share: int, kind: str) -> str:
    """How many pictures of a kind; a range where trainings differ."""
    counts = {getattr(each, kind) for each in outcomes if each.share == share} - (
        {0} if kind == "synthesised" else set()
    )
    return "–" if not counts else " … ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
