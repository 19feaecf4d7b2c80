"""How alike views are that IMAGPose generates together: ``python -m training.consistency STORE WEIGHTS …``.

A source is brought into up to three poses of the person's other pictures, at once in one joint picture, and in a run
for each (T1). Between the views of a person: the difference of every garment's mean colour, ΔE₀₀, where the targets'
parsing shows it; and the faces' likeness, with --face-pack. The pictures themselves stand beside them: light and folds
differ there too. DIR gets ``table.md``.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .data.records import Pair, People, Record
from .draws import number_of
from .errors import TrainingError, concluded
from .evaluation import face_metric
from .evaluation.columns import Column
from .evaluation.consistency import face_consistency, garment_consistency
from .evaluation.garment_colour import GARMENTS
from .evaluation.predictors import parsing_of
from .evaluation.run import Figure, Outcome, differences, means
from .evaluation.tables import cell, line
from .imagpose import IMAGPoseScenario, load_scenario
from .methods.joint_pictures import OTHERS

TOGETHER, APART, TRUTH = "together", "in separate runs", "the pictures themselves"
ALL = Column("garments", "garment's mean colour between views, ΔE₀₀", "lower", 2)
FACE = Column("face", "face similarity between views", "higher", 3)
COLUMNS = (ALL, *(Column(name, f"{name}, ΔE₀₀", "lower", 2) for name in GARMENTS), FACE)
#: A source and the targets whose poses it is brought into.
Group = tuple[Record, list[Record]]
#: Of a face in a picture uint8 ``[H, W, 3]``: ``[D]``, or None.
FaceVector = Callable[[np.ndarray], np.ndarray | None]


def chosen_groups(pairs: Sequence[Pair], count: int | None, seed: int) -> list[tuple[str, list[str]]]:
    """Names of sources and of two or three targets of each, drawn without repetition; all sources without a count.

    Raises:
        TrainingError: nobody has so many pictures.
    """
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in pairs:
        targets[source].append(target)
    sources = [source for source, theirs in targets.items() if len(theirs) > 1]
    if not sources:
        raise TrainingError(
            "Nobody in this data set has a source and two other pictures, and views are compared with each other. Take "
            "data with three or more pictures of a person."
        )
    if count is not None and count < len(sources):
        places = np.random.default_rng(seed).choice(len(sources), count, replace=False)
        sources = [sources[place] for place in sorted(places)]
    groups = []
    for source in sources:
        order = np.random.default_rng([seed, number_of(source)]).permutation(len(targets[source]))
        groups.append((source, [targets[source][place] for place in order[:OTHERS]]))
    return groups


def compared(
    together: IMAGPoseScenario,
    apart: IMAGPoseScenario,
    people: People,
    groups: Sequence[tuple[str, list[str]]],
    face: FaceVector | None = None,
    progress: Callable[[int], object] = lambda count: None,
) -> list[Outcome]:
    """How alike the views of each group are, made in each of the ways.

    Args:
        together, apart: of the same weights; the latter T1.
        face: None leaves faces out.
    """
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in (TOGETHER, APART, TRUTH)}
    sizes, identities = set(), []
    for start in range(0, len(groups), together.batch):
        part: list[Group] = [
            (people.record(source), [people.record(target) for target in targets])
            for source, targets in groups[start : start + together.batch]
        ]
        singly = iter(apart.predict([(source, target) for source, targets in part for target in targets]))
        made = {
            TOGETHER: together.together(part),
            APART: [[next(singly) for _ in targets] for _, targets in part],
            TRUTH: [[target.image for target in targets] for _, targets in part],
        }
        for name, views in made.items():
            pairs = zip(views, part, strict=True)
            rows[name] += [_measured(shown, targets, face) for shown, (_, targets) in pairs]
        identities += [source.identity for source, _ in part]
        sizes |= {target.image.shape[:2] for _, targets in part for target in targets}
        progress(len(part))
    return [
        Outcome(
            name,
            {column.key: np.array([row.get(column.key, np.nan) for row in found]) for column in COLUMNS},
            None,
            [],
            sizes,
            identities,
        )
        for name, found in rows.items()
    ]


def _measured(views: Sequence[np.ndarray], targets: Sequence[Record], face: FaceVector | None) -> dict[str, float]:
    garments = garment_consistency(views, [parsing_of(target) for target in targets])
    found = garments | ({ALL.key: float(np.mean(list(garments.values())))} if garments else {})
    return found | ({FACE.key: face_consistency([face(view) for view in views])} if face else {})


def table(outcomes: Sequence[Outcome], notes: Sequence[str] = ()) -> str:
    """Markdown: figures down, ways across, and behind them how much higher the first's are than the second's."""
    together, apart, *_ = outcomes
    given: Mapping[str, Mapping[str, Figure]] = {outcome.name: means(outcome) for outcome in outcomes}
    given = {**given, f"{together.name} − {apart.name}": differences(together, apart)}
    count = len(together.identities)
    lines = [
        f"{count} sources. Means with 95 % bootstrap intervals over people; ↑ higher is better, ↓ lower is better.",
        "",
        line([f"{count} sources", *given]),
        line(["---", *("---:" for _ in given)]),
    ]
    for column in COLUMNS:
        if any(column.key in figures for figures in given.values()):
            cells = [cell(figures.get(column.key), column) for figures in given.values()]
            lines.append(line([column.heading, *cells]))
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    return "\n".join(lines) + "\n"


def consistency(options: argparse.Namespace) -> str:
    """Measure what the command line asks for and write the table; it as Markdown.

    Raises:
        TrainingError: something is missing, or is not what it should be.
        ConditionError: the face models are not what they should be.
    """
    from tqdm import tqdm

    from .autoencoders import load_autoencoder
    from .evaluate import open_data

    people = open_data(options.store)
    groups = chosen_groups(people.pairs, options.sources, options.seed)
    face = face_metric.load_face_metric(options.face_pack.expanduser()).vector if options.face_pack else None
    autoencoder = load_autoencoder(options.autoencoder.expanduser())
    settings = {name: getattr(options, name) for name in ("steps", "guidance", "seed", "batch")}
    together, apart = (
        load_scenario(options.weights.expanduser(), autoencoder, people, scenario, **settings)
        for scenario in ("several", "T1")
    )
    with tqdm(total=len(groups), unit="source", disable=options.quiet, dynamic_ncols=True) as shown:
        outcomes = compared(together, apart, people, groups, face, shown.update)
    without = face_metric.WITHOUT
    text = table(outcomes, () if face else (f"{FACE.title}: not measured. {without.how}",))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "table.md").write_text(text, encoding="utf-8")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    options = _options(arguments)
    return concluded(lambda: consistency(options), "Stopped. Nothing was kept.")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.consistency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", metavar="STORE", help="the data set; people have three or more pictures")
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="IMAGPose's, as training train wrote them")
    parser.add_argument("--autoencoder", type=Path, required=True, metavar="F", help="the one they were trained with")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the table goes")
    parser.add_argument("--sources", type=int, metavar="N", help="how many, drawn with --seed; all without")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of sources and targets, and of the noise")
    parser.add_argument("--face-pack", type=Path, metavar="DIR", help="insightface's buffalo_s, unpacked")
    parser.add_argument("--steps", type=int, metavar="N", help="of the sampler; the recipe's number without")
    parser.add_argument("--guidance", type=float, help="its scale; the recipe's number without")
    parser.add_argument("--batch", type=int, default=8, help="sources at once (8)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
