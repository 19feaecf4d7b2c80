"""Benchmarks of single steps at a small size: they stop where variants do not do what they are called."""

import math

import pytest
import torch

from benchmarks import guidance, imagpose
from benchmarks.measure import arithmetic, parts_of, passes


def test_parts_arithmetic_and_passes():
    with torch.inference_mode(False):
        first, second = torch.nn.Linear(8, 16), torch.nn.Linear(16, 4)

    def run() -> None:
        with torch.inference_mode(False):
            second(first(torch.ones(3, 8)).relu()).sum().backward()

    _, operations = arithmetic(lambda: second(first(torch.ones(3, 8))))
    assert operations == pytest.approx(2 * 3 * (8 * 16 + 16 * 4) / 1e12)
    query = torch.ones(2, 1, 5, 8)
    _, attended = arithmetic(lambda: torch.nn.functional.scaled_dot_product_attention(query, query, query))
    assert attended == pytest.approx(2 * 2 * 2 * 5 * 5 * 8 / 1e12)
    seconds = parts_of(run, {"first": [first], "both": [second]})
    assert min(seconds.values()) > 0 and seconds["first"] + seconds["both"] < seconds["whole"]
    layers = {"first": first, "second": second}
    assert passes(run, layers) == (None, {"first": (1, 1), "second": (1, 1)})
    assert passes(lambda: first(torch.ones(1, 8)), layers)[1] == {"first": (1, 0), "second": (0, 0)}
    assert not first._forward_hooks and not first._forward_pre_hooks


def test_imagpose():
    rows = imagpose.measure(True, (128, 128), 1)
    assert rows[imagpose.SINGLE]["ratio"] == rows[imagpose.JOINT]["of_without_cva"] == 1
    operations = {name: row["teraflop"] for name, row in rows.items()}
    # The same four pictures; among joint tiles every pixel looks at four times as many.
    assert operations[imagpose.SINGLE] == operations[imagpose.BATCH] < operations[imagpose.JOINT]
    assert operations[imagpose.JOINT] < operations[imagpose.CVA_16] < operations[imagpose.CVA]
    for name, row in rows.items():
        assert sum(row[part] for part in imagpose.PARTS) == pytest.approx(1)
        assert (row[imagpose.VIEWS] > 0) == (name in (imagpose.CVA, imagpose.CVA_16))
    assert imagpose.table((128, 128), rows).count("\n") == 2 * len(rows) + 4


def test_guidance():
    rows = guidance.measure(True, (128, 96), 1)
    shares = {name: row["arithmetic"] - 1 for name, row in rows.items()}
    for decoder in guidance.DECODERS:
        every, second = (shares[f"{decoder}, {words}"] for words in guidance.EVERY.values())
        assert every == pytest.approx(2 * second) and second > 0
    assert all(math.isfinite(row["ratio"]) and row["seconds"] > 0 for row in rows.values())
    assert guidance.table((128, 96), rows).count("\n") == len(rows) + 1


def test_more_than_one_gradient_is_said():
    networks = {"the UNet": (2, 0), "TAESD": (2, 4), "the estimator": (2, 2)}
    with pytest.raises(SystemExit, match="^2 guided steps went through the networks"):
        guidance._check(networks, 2)
