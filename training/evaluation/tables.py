"""Tables of an evaluation as Markdown and CSV; each says by which protocol, over how many pairs, and at what size."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.records import Pair
from .columns import Column
from .protocols import Protocol
from .run import Figure

#: Figures that say most of what there is to say.
COMPACT = ("psnr_person", "garment_colour", "garment_mean", "garment_pattern", "sharpness", "pose_error", "ssim_256")


@dataclass(frozen=True, eq=False)
class Row:
    """A predictor's line.

    Attributes:
        name: the predictor's.
        figures: by column.
        ranked: whether it may be the best; the bound may not.
    """

    name: str
    figures: Mapping[str, Figure]
    ranked: bool = True


@dataclass(frozen=True, eq=False)
class Table:
    """Everything a table says.

    Attributes:
        protocol: by which.
        pairs: how many.
        size: of the pictures, in words.
        columns: figures, in order.
        rows: predictors, in order.
        notes: sentences under it.
        what: the figures are.
    """

    protocol: Protocol
    pairs: int
    size: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    what: str = "Means"

    def best(self, column: Column) -> set[str]:
        """Names of the best rows, as far as the digits shown tell; nobody's where only one is ranked."""
        known = {row.name: _rounded(row, column) for row in self.rows if row.ranked and column.key in row.figures}
        if len(known) < 2:
            return set()
        best = (max if column.better == "higher" else min)(known.values())
        return {name for name, value in known.items() if value == best}


def _rounded(row: Row, column: Column) -> float:
    return round(row.figures[column.key].mean, column.digits)


def markdown(table: Table) -> str:
    """Metrics down, predictors across, the best in bold, 95 % intervals in brackets."""
    shown = [column for column in table.columns if column.shown and _known(table, column)]
    lines = [
        f"Protocol **{table.protocol.name}** ({table.protocol.describe()}). {table.pairs} pairs, {table.size}. "
        f"{table.what} with 95 % bootstrap intervals over people; ↑ higher is better, ↓ lower is better.",
        "",
        line([f"{table.protocol.name}, {table.pairs} pairs", *(row.name for row in table.rows)]),
        line(["---", *("---:" for _ in table.rows)]),
    ]
    for column in shown:
        best = table.best(column)
        cells = [cell(row.figures.get(column.key), column, row.name in best) for row in table.rows]
        lines.append(line([column.heading, *cells]))
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def compact(table: Table) -> str:
    """Markdown for a reader in a hurry: predictors down, the figures of :data:`COMPACT` across, without intervals."""
    shown = [column for column in table.columns if column.key in COMPACT and _known(table, column)]
    titles = [column.heading for column in shown]
    lines = [line([f"{table.protocol.name}, {table.pairs} pairs", *titles]), line(["---", *("---:" for _ in shown)])]
    for row in table.rows:
        figures = [(row.figures.get(column.key), column) for column in shown]
        cells = ["–" if figure is None else _number(figure.mean, column.digits) for figure, column in figures]
        lines.append(line([row.name, *cells]))
    return "\n".join(lines) + "\n"


def _known(table: Table, column: Column) -> bool:
    return any(column.key in row.figures for row in table.rows)


def line(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def cell(figure: Figure | None, column: Column, best: bool = False) -> str:
    """A figure with its interval, where it has one."""
    if figure is None:
        return "–"
    mean = _number(figure.mean, column.digits)
    mean = f"**{mean}**" if best else mean
    if math.isnan(figure.low):
        return mean
    return f"{mean} ({_number(figure.low, column.digits)} … {_number(figure.high, column.digits)})"


def _number(value: float, digits: int) -> str:
    if math.isinf(value):
        return "∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text


def summary_csv(table: Table) -> str:
    """A line for every predictor and figure, those of single garments included."""
    lines = [
        [
            *(table.protocol.name, table.pairs, table.size, row.name, column.key, column.better),
            *(_exact(value) for value in (figure.mean, figure.low, figure.high)),
            figure.count,
        ]
        for row in table.rows
        for column in table.columns
        if (figure := row.figures.get(column.key)) is not None
    ]
    head = ["protocol", "pairs", "size", "predictor", "metric", "better", "mean", "low", "high", "count"]
    return _csv([head, *lines])


def pairs_csv(
    protocol: Protocol, pairs: Sequence[Pair], values: Mapping[str, Mapping[str, np.ndarray]], columns: Sequence[Column]
) -> str:
    """A line for every predictor and pair; empty where undefined.

    Args:
        values: ``[pairs]`` by predictor and column.
    """
    keys = [column.key for column in columns if all(column.key in found for found in values.values())]
    lines = [
        [protocol.name, name, pair.source, pair.target, *(_exact(found[key][number]) for key in keys)]
        for name, found in values.items()
        for number, pair in enumerate(pairs)
    ]
    return _csv([["protocol", "predictor", "source", "target", *keys], *lines])


def _exact(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


def _csv(lines: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
