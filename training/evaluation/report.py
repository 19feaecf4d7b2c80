"""What an evaluation writes: tables, figures pair by pair, and a contact sheet."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from .columns import Column
from .inception import DIMENSIONS
from .run import Evaluation, Outcome, differences
from .sheets import contact_sheet
from .tables import Row, Table, compact, markdown, pairs_csv, summary_csv


def write_report(
    evaluation: Evaluation, outcomes: Sequence[Outcome], bounds: set[str], against: str | None, out: Path
) -> str:
    """Write ``table.md``, ``compact.md``, ``table.csv``, ``per_pair.csv`` and ``sheet.png`` to a folder.

    Args:
        bounds: names of outcomes that show what a perfect result has, and take no part in the comparison.
        against: name of the outcome that the others' differences are shown to.

    Returns:
        The tables as Markdown.
    """
    rows = [Row(outcome.name, evaluation.figures(outcome), outcome.name not in bounds) for outcome in outcomes]
    size = _size(set().union(*(outcome.sizes for outcome in outcomes)))
    notes = _notes(evaluation, rows)
    table = Table(evaluation.protocol, len(evaluation.pairs), size, evaluation.columns, rows, notes)
    text = markdown(table)
    if against:
        text += "\n" + markdown(_differences(evaluation, outcomes, bounds, against, size))
    values = {outcome.name: outcome.values for outcome in outcomes}
    written = {
        "table.md": text,
        "compact.md": compact(table),
        "table.csv": summary_csv(table),
        "per_pair.csv": pairs_csv(evaluation.protocol, evaluation.pairs, values, evaluation.columns),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, content in written.items():
        (out / name).write_text(content, encoding="utf-8")
    _sheet(evaluation, outcomes).save(out / "sheet.png")
    return text


def _differences(
    evaluation: Evaluation, outcomes: Sequence[Outcome], bounds: set[str], against: str, size: str
) -> Table:
    by_name = {outcome.name: outcome for outcome in outcomes}
    rows = [
        Row(name, differences(outcome, by_name[against]), ranked=False)
        for name, outcome in by_name.items()
        if name != against and name not in bounds
    ]
    what = f"Mean differences to “{against}”, pair by pair,"
    note = "A difference whose interval has 0 in it may be one of the choice of pairs alone."
    return Table(evaluation.protocol, len(evaluation.pairs), size, evaluation.columns, rows, [note], what)


def _size(sizes: set[tuple[int, int]]) -> str:
    """Heights and widths in words."""
    texts = [f"{height} × {width}" for height, width in sorted(sizes)]
    if len(texts) == 1:
        return f"{texts[0]} pixels (height × width)"
    return f"pictures from {texts[0]} to {texts[-1]} pixels (height × width)"


def _notes(evaluation: Evaluation, rows: Sequence[Row]) -> list[str]:
    """What is missing and why, and what else a reader must know of the figures."""
    defined = {key for row in rows for key in row.figures}
    notes = [f"{missing.title}: not measured. {missing.how}" for missing in evaluation.left_out]
    for metric in (*evaluation.metrics, *evaluation.set_metrics):
        columns = (*metric.columns, *getattr(metric, "set_columns", ()))
        absent = [column.title for column in columns if column.shown and column.key not in defined]
        if absent:
            notes.append(f"{', '.join(absent)}: undefined here; {metric.needs}.")
    if evaluation.inception:
        notes.append(_inception_note(evaluation))
    partly = [
        f"{column.title} {min(counts)}" + (f"–{max(counts)}" if min(counts) < max(counts) else "")
        for column in evaluation.columns
        if column.shown and (counts := _counts(column, rows)) and min(counts) < len(evaluation.pairs)
    ]
    if partly:
        notes.append(f"Pairs behind a mean where it is not all {len(evaluation.pairs)}: {'; '.join(partly)}.")
    return notes


def _counts(column: Column, rows: Sequence[Row]) -> list[int]:
    return [row.figures[column.key].count for row in rows if column.key in row.figures]


def _inception_note(evaluation: Evaluation) -> str:
    real = len(evaluation.real_features())
    of = "the data set given with --real" if evaluation.real else "the pairs' targets; papers take the training split"
    note = (
        f"FID and KID compare with {real} pictures of {of}. FID has no interval; KID's is of one block of all pictures."
    )
    if min(real, len(evaluation.pairs)) < DIMENSIONS:
        note += (
            f" With fewer than {DIMENSIONS} pictures FID comes out far too large, and can be compared within this "
            "table only; KID does not."
        )
    return note


def _sheet(evaluation: Evaluation, outcomes: Sequence[Outcome]) -> Image.Image:
    people, pairs = evaluation.people, evaluation.pairs[: evaluation.shown]
    records = [(people.record(pair.source), people.record(pair.target)) for pair in pairs]
    heading = f"Protocol {evaluation.protocol.name}: {len(pairs)} of {len(evaluation.pairs)} pairs"
    return contact_sheet(records, [(outcome.name, outcome.pictures) for outcome in outcomes], heading)
