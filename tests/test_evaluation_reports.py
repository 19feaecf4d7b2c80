"""Runs of the evaluation, and tables and sheets against what they must say."""

import math

import numpy as np
import pytest
from few_people import Few, noise, record

from training.data.records import Pair, Record
from training.errors import TrainingError
from training.evaluation.bootstrap import confidence_interval
from training.evaluation.columns import Column
from training.evaluation.kernel_distance import kernel_distance, kernel_interval
from training.evaluation.predictors import CopySource
from training.evaluation.protocols import PROTOCOLS, counted
from training.evaluation.run import Evaluation, Figure, Outcome, choose_pairs, differences
from training.evaluation.sheets import CAPTION, CELL, GAP, contact_sheet, pose_picture
from training.evaluation.tables import COMPACT, Row, Table, compact, markdown, pairs_csv, summary_csv

CFLD, PIDM = PROTOCOLS["cfld"], PROTOCOLS["pidm"]


# Runs


class Mean:
    """A metric whose figures are known: the result's mean, and nothing where it is dark."""

    columns = (Column("mean", "mean", "higher", 1), Column("never", "never", "lower", 1))
    needs = "it never is"

    def __init__(self, batch: int = 0) -> None:
        self.batch = batch

    def measure(self, pairs, made):
        means = [float(picture.mean()) for picture in made]
        return [{"mean": mean if mean > 10 else math.nan, "never": math.nan} for mean in means]


def flat(name: str, value: int) -> Record:
    return Record(name, "x", "y", np.full((8, 8, 3), value, np.uint8))


def test_a_run_measures_every_pair_once():
    people = Few(*(flat(f"p{value}", value) for value in (0, 20, 40, 60)))
    told = []
    evaluation = Evaluation(CFLD, people, people.pairs, [Mean()], batch=5, shown=7)
    outcome = evaluation.run("copy", CopySource(CFLD), told.append)
    assert told == [5, 5, 2] and len(outcome.pictures) == 7 and outcome.sizes == {(8, 8)}
    wanted = [float(pair.source[1:]) or math.nan for pair in people.pairs]
    assert np.array_equal(outcome.values["mean"], wanted, equal_nan=True)
    figures = evaluation.figures(outcome)
    assert figures.keys() == {"mean"} and figures["mean"].mean == 40 and figures["mean"].count == 9
    assert 20 <= figures["mean"].low < 40 < figures["mean"].high <= 60


def test_the_last_partial_batch_is_dropped_where_the_protocol_does():
    assert [counted(count, 64) for count in (10, 64, 100, 500)] == [10, 64, 64, 448] and counted(500, 0) == 500
    people = Few(*(flat(f"p{value}", value) for value in (20, 40, 60)))
    values = Evaluation(PIDM, people, people.pairs, [Mean(4)]).run("copy", CopySource(PIDM)).values["mean"]
    assert values[:4].tolist() == [20, 20, 40, 40] and np.isnan(values[4:]).all()


def test_differences_are_taken_pair_by_pair():
    def outcome(*values):
        return Outcome(
            "x",
            {"mean": np.array(values), "none": np.full(len(values), np.nan)},
            None,
            [],
            set(),
            [str(number) for number in range(len(values))],
        )

    found = differences(outcome(1, 20, math.nan, math.inf), outcome(0.5, 19.5, 3, math.inf))
    assert found == {"mean": Figure(0.5, 0.5, 0.5, 2)}


@pytest.mark.parametrize("made", [[], [noise(8, 9, 3)], [np.zeros((8, 8, 3), np.float32)]])
def test_predictors_that_give_something_else(made):
    class Wrong:
        name = "wrong"

        def predict(self, pairs):
            return made

    people = Few(flat("a", 1), flat("b", 2), pairs=[Pair("a", "b")])
    with pytest.raises(TrainingError, match="'wrong' gave"):
        Evaluation(CFLD, people, people.pairs, []).run("wrong", Wrong())


def test_pairs_are_drawn_by_the_seed():
    pairs = [Pair(str(number), "x") for number in range(100)]
    drawn = choose_pairs(pairs, 10, 0)
    assert len(set(drawn)) == 10 and drawn == sorted(drawn, key=pairs.index)
    assert drawn == choose_pairs(pairs, 10, 0) != choose_pairs(pairs, 10, 1)
    assert choose_pairs(pairs, None, 0) == choose_pairs(pairs, 200, 0) == pairs
    with pytest.raises(TrainingError, match="no pairs"):
        choose_pairs([], 3, 0)


# Tables and sheets


def table(**changes) -> Table:
    columns = (
        Column("up", "Up", "higher", 2),
        Column("down", "Down", "lower", 1),
        Column("hidden", "Hidden", "lower", 1, shown=False),
        Column("unknown", "Unknown", "lower", 1),
    )
    nan = math.nan
    rows = (
        Row("one", {"up": Figure(0.501, 0.4, 0.6, 9), "down": Figure(3, 2, 4, 9), "hidden": Figure(1, 1, 1, 9)}),
        Row("t|wo", {"up": Figure(0.499, 0.4, 0.6, 9), "down": Figure(2, nan, nan, 9)}),
        Row("bound", {"up": Figure(math.inf, nan, nan, 9)}, ranked=False),
    )
    return Table(CFLD, 9, "64 × 56", columns, **{"rows": rows, "notes": ["LPIPS: not measured."]} | changes)


def test_a_table_names_its_protocol_and_marks_the_best():
    lines = markdown(table()).splitlines()
    assert "**cfld**" in lines[0] and "9 pairs" in lines[0] and "64 × 56" in lines[0] and "σ = 1.5" in lines[0]
    assert lines[2:6] == [
        "| cfld, 9 pairs | one | t\\|wo | bound |",
        "| --- | ---: | ---: | ---: |",
        # Equal in the digits shown: both are the best.
        "| Up ↑ | **0.50** (0.40 … 0.60) | **0.50** (0.40 … 0.60) | ∞ |",
        "| Down ↓ | 3.0 (2.0 … 4.0) | **2.0** | – |",
    ]
    assert lines[6:] == ["", "- LPIPS: not measured."]
    assert "| Down ↓ | 0.0 (0.0 … -0.1) |" in markdown(table(rows=[Row("x", {"down": Figure(-0.04, 0, -0.06, 1)})]))
    alone = table(rows=table().rows[::2])
    assert not alone.best(alone.columns[0]), "one that is compared with nothing is no best"


def test_csv_has_everything():
    lines = summary_csv(table()).splitlines()
    assert lines[0] == "protocol,pairs,size,predictor,metric,better,mean,low,high,count"
    assert lines[1] == "cfld,9,64 × 56,one,up,higher,0.501,0.4,0.6,9" and len(lines) == 7
    assert lines[5] == "cfld,9,64 × 56,t|wo,down,lower,2,,,9"
    values = {"one": {"up": np.array([0.25, math.nan]), "down": np.array([1, 2.5])}}
    assert pairs_csv(PIDM, [Pair("a", "b"), Pair("b", "a")], values, table().columns).splitlines() == [
        "protocol,predictor,source,target,up,down",
        "pidm,one,a,b,0.25,1",
        "pidm,one,b,a,,2.5",
    ]


def test_a_sheet_has_a_row_a_pair_and_a_column_a_predictor():
    keypoints = np.zeros((18, 3), np.float32)
    keypoints[:3] = [[28, 10, 1], [28, 20, 1], [10, 25, 0.5]]
    first, second = record("a", size=(64, 48)), record("b", 1, (64, 48), keypoints=keypoints)
    red, blue = (np.full((64, 48, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    pairs = [(first, second), (second, first)]
    sheet = np.asarray(
        contact_sheet(pairs, [("a name that is too long to be shown whole", [red, blue])], "protocol cfld")
    )
    width = round(CELL * 48 / 64)
    assert sheet.shape == (2 * CAPTION + GAP + 2 * (CELL + CAPTION + GAP), 4 * (width + GAP) + GAP, 3)
    x, y = GAP + 3 * (width + GAP) + width // 2, 2 * CAPTION + GAP + CELL // 2
    assert sheet[y, x].tolist() == [255, 0, 0] and sheet[y + CELL + CAPTION + GAP, x].tolist() == [0, 0, 255]
    assert (sheet[CAPTION : 2 * CAPTION, -GAP:] == 255).all(), "captions stay in their columns"
    assert pose_picture(second).any() and not pose_picture(first).any()
    assert pose_picture(second).shape == second.image.shape


def test_a_result_is_not_compared_with_its_own_target():
    """Results that resemble their own targets, of the targets' distribution: the distance is 0."""
    generator, found, hits = np.random.default_rng(0), [], 0
    for seed in range(60):
        truth = generator.normal(size=(40, 6))
        made = 0.9 * truth + math.sqrt(1 - 0.81) * generator.normal(size=truth.shape)
        found.append(kernel_distance(truth, made, paired=True))
        low, high = kernel_interval(truth, made, paired=True, resamples=200, seed=seed)
        assert low <= found[-1] <= high
        hits += low <= 0 <= high
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found)) and hits >= 50


def test_people_are_drawn_whole():
    generator, hits, alone = np.random.default_rng(0), 0, 0
    for seed in range(100):
        values = np.repeat(generator.normal(size=30), 10) + 0.1 * generator.normal(size=300)
        low, high = confidence_interval(values, resamples=200, seed=seed, groups=np.arange(300) // 10)
        hits += low <= 0 <= high
        low, high = confidence_interval(values, resamples=200, seed=seed)
        alone += low <= 0 <= high
    assert hits >= 86 and alone < 60


def test_a_compact_table_has_a_line_a_predictor_and_the_chosen_figures():
    chosen, other = Column(COMPACT[0], "person, dB", "higher", 2), Column("l1", "L1", "lower", 4)
    rows = [
        Row("a | b", {COMPACT[0]: Figure(12.345, 12, 13, 5), "l1": Figure(0.1, 0, 1, 5)}),
        Row("c", {COMPACT[0]: Figure(math.inf, math.nan, math.nan, 5)}),
        Row("d", {}),
    ]
    assert compact(Table(CFLD, 5, "small", [chosen, other], rows)).splitlines() == [
        "| cfld, 5 pairs | person, dB ↑ |",
        "| --- | ---: |",
        "| a \\| b | 12.35 |",
        "| c | ∞ |",
        "| d | – |",
    ]
