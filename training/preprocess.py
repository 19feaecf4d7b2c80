"""Computes what is known of every picture, once: ``python -m training.preprocess SOURCE OUT``.

SOURCE is ``synthetic:identities=100``, ``watched:identities=100`` (the same people, seen by several cameras),
``deepfashion:FOLDER,split=train,size=512x352``, ``market1501:FOLDER``,
``folder:FOLDER,size=512x352``, ``captioned:FOLDER,size=512x512``, ``stored:FOLDER`` (another run's OUT, to add steps
to), ``mirrored:FOLDER`` (the same, and every picture's mirror image), ``beside:FOLDER,people=2`` (its people side by
side), ``fitted:FOLDER`` (with DensePose of a mannequin in their pose), or a YAML file with ``kind:``, ``root:`` and the
options. OUT is a new folder, or that of a run that was stopped: the same command goes on with it, and does only what is
left.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from preprocessors.label_sets import LABEL_SETS

from .data import atomic
from .data.records import People
from .data.sources import open_people, parse_source
from .data.store import FORMATS, begin, left_to_do
from .errors import TrainingError, concluded
from .preprocessing import on_ray
from .preprocessing.alone import alone
from .preprocessing.pipeline import OPTIONS as NETWORKS
from .preprocessing.pipeline import Pipeline, possible_steps
from .preprocessing.step import Setup
from .preprocessing.steps import STEPS, in_order
from .preprocessing.work import BrokenRecords, Job, Worker, complete_fields
from .ray_workers import Workers

#: Names of a unit, which is what a killed worker loses at most: this many, less in a small data set, so that there
#: are this many units to share.
LARGEST_UNIT, FEWEST_UNITS = 64, 32
#: A run with more broken pictures than this is stopped: something else is wrong.
MOST_BROKEN = 100
#: Workers that are started where nobody says how many.
MOST_WORKERS = 8


def preprocess(
    job: Job, people: People, workers: int | None = 0, address: str | None = None, quiet: bool = False
) -> int:
    """Do what is left of a job.

    Args:
        people: the job's source, opened.
        workers: processes through Ray; 0 works in this one, None is as many as the cluster has GPUs or CPUs.
        address: of a Ray cluster; None is this machine.
        quiet: show no progress.

    Returns:
        How many records were computed now.

    Raises:
        TrainingError: the store is of another job, or another run writes it; or some records cannot be computed, and
            the others are.
    """
    complete = complete_fields(people)
    Pipeline(job.steps, job.setup, complete).check(people.record(people.names[0]))
    computed = {field for step in job.steps for field in STEPS[step].gives}
    begin(job.out, people, job.settings() | {"complete_fields": sorted(complete | computed)}, job.format, job.unit)
    with alone(job.out):
        atomic.clear(job.out)
        count, broken = _write_all(job, people, Workers(workers, address, job.setup.device.startswith("cuda")), quiet)
        left = sum(len(unit.names) for unit in left_to_do(job.out, people.names, job.format, job.unit))
        atomic.clear(job.out, older_than_s=0)
    if broken:
        shown = "\n".join(broken[:10] + [f"… and {len(broken) - 10} more"] * (len(broken) > 10))
        raise TrainingError(
            f"{shown}\nThese pictures cannot be used, and {left:,} of {len(people.names):,} records are left to do. "
            "Put unbroken ones in their place and run the same command again."
        )
    if left:
        raise TrainingError(
            f"{left} of {len(people.names)} records were computed elsewhere and are not in '{job.out}'. Give an OUT on "
            "a disk that all machines of the cluster share, under the same path."
        )
    return count


def _write_all(job: Job, people: People, workers: Workers, quiet: bool) -> tuple[int, list[str]]:
    """How many records were computed now, and what is wrong with those that could not be."""
    from tqdm import tqdm

    units = left_to_do(job.out, people.names, job.format, job.unit)
    total, left = len(people.names), sum(len(unit.names) for unit in units)
    broken: list[str] = []

    def add(sentences: Sequence[str]) -> None:
        broken.extend(sentences)
        if len(broken) > MOST_BROKEN:
            raise TrainingError(f"More than {MOST_BROKEN} pictures cannot be used. The first: {broken[0]}")

    with tqdm(total=total, initial=total - left, unit=" pictures", disable=quiet, dynamic_ncols=True) as bar:
        if units and workers.count != 0:
            on_ray.run(job, units, workers, bar.update, add)
        elif units:
            worker = Worker(job)
            for unit in units:
                try:
                    worker.write(unit, bar.update)
                except BrokenRecords as error:
                    add(error.sentences)
    return left - len(broken), broken


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 and a sentence where something is wrong, 130 after Ctrl-C."""
    options = _options(arguments)

    def work() -> str:
        device, workers = _who_works(options)
        job, people = _job(options, device)
        count = preprocess(job, people, workers, options.address, options.quiet)
        return f"'{job.out}' has {len(people.names):,} records and is whole; {count:,} were computed now.\n"

    return concluded(work, f"Stopped. The same command goes on with '{options.out}' where it was stopped.")


def _job(options: argparse.Namespace, device: str) -> tuple[Job, People]:
    """The job that the command line asks for, and its data set."""
    source = parse_source(options.source)
    if "root" in source:
        # Workers may stand in other folders.
        source["root"] = str(Path(source["root"]).expanduser().resolve())
    people = open_people(source)
    if not people.names:
        raise TrainingError(f"'{options.source}' has no pictures.")
    networks = {name: _there(getattr(options, name)) for name in NETWORKS}
    setup = Setup(label_set=options.label_set, texture_size=options.texture_size, device=device, **networks)
    if options.steps is None:
        known = set(people.record(people.names[0]).fields) | complete_fields(people)
        steps = possible_steps(setup, known)
    else:
        steps = in_order([name.strip() for name in options.steps.split(",") if name.strip()])
    unit = options.unit or min(LARGEST_UNIT, max(1, len(people.names) // FEWEST_UNITS))
    return Job(source, options.out.expanduser().resolve(), options.format, unit, tuple(steps), setup), people


def _who_works(options: argparse.Namespace) -> tuple[str, int | None]:
    """Device, and number of workers: where nobody says it, one for each of this machine's or the cluster's."""
    import torch

    gpus = torch.cuda.device_count() if options.device is None or options.device.startswith("cuda") else 0
    device = options.device or ("cuda" if gpus else "cpu")
    if options.workers is not None or options.address:
        return device, options.workers
    return device, gpus or min(MOST_WORKERS, os.cpu_count() or 1)


def _there(file: Path | None) -> Path | None:
    if file is None:
        return None
    if not file.expanduser().exists():
        raise TrainingError(f"There is no '{file}'. Give the path of the network's file or folder.")
    return file.expanduser().resolve()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.preprocess",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="the data set")
    parser.add_argument("out", type=Path, metavar="OUT", help="where the records go")
    parser.add_argument("--format", choices=list(FORMATS), default="shards", help="tar shards, or a folder of files")
    parser.add_argument(
        "--steps", help=f"with commas between, of {', '.join(STEPS)}; without, all that the given networks can do"
    )
    parser.add_argument("--unit", type=_count, help=f"pictures of a shard, or of a worker's turn ({LARGEST_UNIT})")
    parser.add_argument("--texture-size", type=_side, default=512, help="of texture maps' latents, in pixels (512)")
    work = parser.add_argument_group("who works")
    work.add_argument(
        "--workers", type=int, metavar="N", help="processes, through Ray; 0 is this one, without Ray (one a GPU or CPU)"
    )
    work.add_argument(
        "--address", help="of a Ray cluster, which shares the disk of SOURCE and OUT; without, Ray runs on this machine"
    )
    work.add_argument("--device", help="where networks work (cuda where this machine has one, else cpu)")
    work.add_argument("--quiet", action="store_true", help="show no progress")
    networks = parser.add_argument_group("networks that do not come with the pack")
    networks.add_argument("--parser", type=Path, metavar="F", help="a SegFormer's folder, or SCHP as .onnx")
    networks.add_argument("--label-set", choices=["auto", *LABEL_SETS], default="auto", help="the parser's")
    networks.add_argument("--densepose", type=Path, metavar="F", help="DensePose as .torchscript")
    networks.add_argument("--faces", type=Path, metavar="F", help="folder of insightface's antelopev2")
    networks.add_argument("--vae", type=Path, metavar="F", help="folder of AutoencoderKL, or a TAESD .safetensors")
    networks.add_argument(
        "--clip-vision", type=Path, metavar="F", help="folder of CLIPVisionModelWithProjection, or a small one's file"
    )
    networks.add_argument("--dino", type=Path, metavar="F", help="DINOv2 as .safetensors")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    """A number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more is needed")
    return number


def _side(text: str) -> int:
    """A multiple of eight."""
    side = int(text)
    if side < 8 or side % 8:
        raise argparse.ArgumentTypeError("a multiple of 8 is needed")
    return side


if __name__ == "__main__":
    sys.exit(main())
