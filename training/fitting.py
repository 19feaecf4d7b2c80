"""How well a mannequin takes the pose of people's keypoints: ``python -m training.fitting STORE``.

Of every picture of STORE, which knows its people's DensePose, the DensePose of a mannequin in the pose of their
keypoints, or fitted to the photo (see :mod:`.data.fitted`), is held against it. Means over pictures, with 95 %
bootstrap intervals over people.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import get_args

import numpy as np

from .data.fitted import By, fitted_iuv
from .data.sources import open_people
from .errors import TrainingError, concluded
from .evaluation.bootstrap import confidence_interval
from .evaluation.surfaces import NAMES, surface_agreement


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m training.fitting", description=__doc__.splitlines()[0])
    parser.add_argument("store", metavar="STORE", help="a data set that knows keypoints and DensePose")
    parser.add_argument("--pictures", type=int, metavar="N", help="the first so many; all without")
    parser.add_argument("--by", choices=get_args(By), default="keypoints", help="what is fitted; default: keypoints")
    given = parser.parse_args(arguments)
    return concluded(lambda: measured(given), "Stopped. Nothing was kept.")


def measured(given: argparse.Namespace) -> str:
    """The table, as Markdown.

    Raises:
        TrainingError: there is no such data set, or a record has no DensePose.
        ConditionError: nobody can be fitted to a picture.
    """
    found, whose = [], []
    people = open_people(given.store)
    for record in map(people.record, list(people.names)[: given.pictures]):
        if "iuv" not in record.fields:
            raise TrainingError(f"The record '{record.name}' has no 'iuv' to compare with. Compute it first.")
        found.append(surface_agreement(fitted_iuv(record, given.by), record.fields["iuv"]))
        whose.append(record.identity)
    return table(found, whose) + "\n"


def table(found: Sequence[dict[str, float]], whose: Sequence[str]) -> str:
    """Markdown, a line a measure."""
    lines = [f"| {len(found)} pictures | mean | 95 % |", "| --- | ---: | ---: |"]
    for name in NAMES:
        said = [(one[name], who) for one, who in zip(found, whose, strict=True) if np.isfinite(one[name])]
        values, groups = zip(*said, strict=True) if said else ((), ())
        if not values:
            lines.append(f"| {name} | – | – |")
            continue
        low, high = confidence_interval(np.array(values), groups=groups)
        lines.append(f"| {name} | {np.mean(values):.3f} | {low:.3f} … {high:.3f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
