"""How good results are: ``python -m training.evaluate STORE --predictor … --out DIR``.

STORE is the folder that ``python -m training.preprocess`` has written, or any source it takes. A predictor is one of

  copy           the source as it is
  garment-mean   the source's mean colour of every label, painted by the target's parsing
  oracle         garment means, and over them what the source shows of the target by true DensePose
  target         the target itself: what the metrics say of a perfect result
  autoencoder    the target through --autoencoder: what no model that works in its latents can exceed
  folder:PATH    results made elsewhere, under the names that PCDMs' or MCLD's code gives them, or --pattern
  FILE           a trained model's weights; with --steps 1,25 twice
  training-free:FILE,use=hpfa,strength=0.8,…
                 a model without a source, and a node that brings it one (training.training_free.Use)
  field:FILE,ESTIMATOR[,PRIOR],scale=0.05,…
                 a trained model under the pose interaction field (training.field_guided.FieldUse)
  pcdms:INPAINTING,PRIOR
                 PCDMs' first two stages; where the second was trained without the prior, it alone
  refined:REFINING,PREDICTOR
                 another predictor's pictures through PCDMs' third stage
  imagpose:FILE,SCENARIO
                 IMAGPose's weights as T1, T2, T3 (other pictures of the person as sources) or several (other poses at
                 once)

DIR gets ``table.md``, ``compact.md`` (some figures, a line a predictor), ``table.csv``, ``per_pair.csv`` and
``sheet.png``. With --workers or --address batches of pairs go to several processes; the figures are the same.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from .data.records import People
from .errors import TrainingError, concluded
from .evaluation import face_metric, inception, on_ray, people_metric, perceptual
from .evaluation.chosen import Chosen, chosen_predictors
from .evaluation.columns import LeftOut, PairMetric, SetMetric
from .evaluation.detail_metrics import DETAIL_METRICS
from .evaluation.pixel_metrics import PIXEL_METRICS
from .evaluation.pose_metric import PoseError
from .evaluation.protocols import PROTOCOLS, Protocol
from .evaluation.report import write_report
from .evaluation.run import Evaluation, Outcome, choose_pairs
from .ray_workers import Workers


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    options = _options(arguments)
    logging.basicConfig(level=logging.ERROR)
    kept = "The same command goes on with the pictures made so far" if options.save_images else "Nothing was kept"
    hint = "." if options.save_images else "; with --save-images the next run would go on from here."
    return concluded(lambda: evaluate(options), f"Stopped. {kept}{hint}")


def evaluate(options: argparse.Namespace) -> str:
    """Measure what the command line asks for and write the files; the tables as Markdown.

    Raises:
        TrainingError: something is missing, or is not what it should be.
        ConditionError: the face models are not what they should be.
    """
    import torch
    from tqdm import tqdm

    def bar(what: str, total: int, unit: str):
        return tqdm(total=total, desc=what, unit=unit, disable=options.quiet, dynamic_ncols=True)

    options.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    alone = options.workers == 0 or (options.workers is None and not options.address)
    # Where others work, too: what is wrong is said before they begin.
    evaluation, chosen = opened(options, options.device if alone else "cpu")
    names, bounds = [each.name for each in chosen], {each.name for each in chosen if each.bound}
    outcomes: list[Outcome] = []
    if not alone:
        # Workers open their own.
        del chosen
        torch.cuda.empty_cache()
        workers = Workers(options.workers, options.address, options.device.startswith("cuda"))
        real = len(evaluation.real_names()) if evaluation.inception else 0
        with bar(f"{len(names)} predictors", real + len(names) * len(evaluation.pairs), "picture") as shown:
            outcomes = on_ray.outcomes(options, evaluation, names, workers, shown.update)
        return write_report(evaluation, outcomes, bounds, options.against, options.out)
    if evaluation.inception:
        with bar("real pictures", len(evaluation.real_names()), "picture") as shown:
            evaluation.real_features(shown.update)
    for each in chosen:
        with bar(each.name, len(evaluation.pairs), "pair") as shown:
            outcomes.append(evaluation.run(each.name, each.predictor, shown.update))
    return write_report(evaluation, outcomes, bounds, options.against, options.out)


def opened(options: argparse.Namespace, device: str) -> tuple[Evaluation, list[Chosen]]:
    """What the command line asks for: the evaluation, with the metrics' networks on a device, and the predictors.

    Raises:
        TrainingError: something is missing, or is not what it should be.
        ConditionError: the face models are not what they should be.
    """
    protocol = PROTOCOLS[options.protocol]
    chosen = chosen_predictors(options, protocol)
    return _evaluation(options, protocol, open_data(options.store), device), chosen


def open_data(text: str) -> People:
    """A store's folder, or any source that ``python -m training.preprocess`` takes.

    Raises:
        TrainingError: it is neither.
    """
    folder = Path(text).expanduser()
    if folder.is_dir():
        from .data.store import StoredPeople

        return StoredPeople(folder)
    if ":" not in text and not text.endswith((".yaml", ".yml")):
        raise TrainingError(
            f"There is no folder '{text}'. Give one that python dev.py training preprocess has written."
        )
    from .data.sources import open_people

    return open_people(text)


def _evaluation(options: argparse.Namespace, protocol: Protocol, people: People, device: str) -> Evaluation:
    metrics: list[PairMetric] = [*(make(protocol) for make in PIXEL_METRICS), *(make() for make in DETAIL_METRICS)]
    left_out: list[LeftOut] = []
    if options.lpips_weights:
        network = perceptual.load_lpips(options.lpips_weights.expanduser())
        metrics.append(perceptual.Perceptual(network, protocol, device))
    else:
        left_out.append(perceptual.WITHOUT)
    features = None
    if options.inception_weights:
        features = inception.load_inception(options.inception_weights.expanduser(), device)
    else:
        left_out.append(inception.WITHOUT)
    if options.face_pack:
        metrics.append(face_metric.load_face_metric(options.face_pack.expanduser()))
    else:
        left_out.append(face_metric.WITHOUT)
    metrics.append(PoseError())
    set_metrics: list[SetMetric] = []
    if options.estimator:
        set_metrics.append(
            people_metric.load_people_metric(options.estimator.expanduser(), options.estimator_side, device)
        )
    else:
        left_out.append(people_metric.WITHOUT)
    pairs = choose_pairs(people.pairs, options.pairs, options.seed)
    real = open_data(options.real) if options.real else None
    return Evaluation(
        protocol,
        people,
        pairs,
        metrics,
        features,
        real,
        left_out,
        batch=options.batch,
        shown=options.rows,
        set_metrics=set_metrics,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("store", metavar="STORE", help="the data set")
    parser.add_argument("--predictor", action="append", required=True, metavar="P", help="who is measured; repeatable")
    parser.add_argument("--name", action="append", metavar="N", help="what tables call each predictor, in their order")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--pairs", type=_count, metavar="N", help="how many, drawn with --seed; all without")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of pairs, and of trained models' noise")
    parser.add_argument("--protocol", choices=list(PROTOCOLS), default="cfld", help="whose settings of the metrics")
    parser.add_argument("--real", metavar="STORE", help="whose pictures FID and KID compare with; the targets without")
    parser.add_argument("--against", metavar="NAME", help="show the differences to this predictor as well")
    parser.add_argument("--pattern", help="file names in folder:PATH, with {source} and {target}")
    parser.add_argument(
        "--save-images", action="store_true", help="keep the results in DIR/images, and go on from them"
    )
    parser.add_argument("--rows", type=_count, default=12, help="of the contact sheet (12)")
    parser.add_argument("--batch", type=_count, default=8, help="pairs at once (8)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    work = parser.add_argument_group("who works")
    work.add_argument(
        "--workers",
        type=_none_or_more,
        metavar="N",
        help="processes, through Ray, each with networks of its own; 0, or neither of the two: this one, without Ray",
    )
    work.add_argument(
        "--address",
        help="of a Ray cluster that shares the disk of all files; without --workers one for each of its GPUs or CPUs",
    )
    networks = parser.add_argument_group("networks of metrics; a metric without its own is left out")
    networks.add_argument("--lpips-weights", type=Path, metavar="F", help="torchvision's alexnet-owt-*.pth")
    networks.add_argument("--inception-weights", type=Path, metavar="F", help="torchvision's inception_v3_google-*.pth")
    networks.add_argument("--face-pack", type=Path, metavar="DIR", help="insightface's buffalo_s, unpacked")
    networks.add_argument("--estimator", type=Path, metavar="F", help="a pose estimator that finds people")
    networks.add_argument(
        "--estimator-side", type=_count, metavar="N", help="shorter side of what it sees; the pictures' own without"
    )
    networks.add_argument("--device", help="of LPIPS, Inception and the estimator; cuda where this machine has one")
    models = parser.add_argument_group("trained models")
    models.add_argument("--autoencoder", type=Path, metavar="F", help="the one they were trained with")
    models.add_argument(
        "--steps",
        type=_counts,
        default=[],
        metavar="N[,N]",
        help="of the sampler; with commas between, a column for each; the method's number without",
    )
    models.add_argument("--guidance", type=float, help="its scale; the method's number without")
    return parser.parse_args(arguments)


def _counts(text: str) -> list[int]:
    """Different numbers from 1 on."""
    numbers = [_count(part) for part in text.split(",")]
    if len(set(numbers)) < len(numbers):
        raise argparse.ArgumentTypeError("every number once is enough")
    return numbers


def _none_or_more(text: str) -> int:
    """A number from 0 on."""
    return int(text) and _count(text)


def _count(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more is needed")
    return number


if __name__ == "__main__":
    sys.exit(main())
