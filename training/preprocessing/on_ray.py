"""Units of work through Ray Data: on this machine, or on a cluster by its address."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preprocessors.errors import reason

from ..data.store import Unit
from ..errors import TrainingError
from .step import SetupError
from .work import BrokenRecords, Job, Worker

ROOT = Path(__file__).resolve().parents[2]
#: Our packages, which a cluster's machines get from this one.
PACKAGES = ("training", "preprocessors", "model_patches")
#: Units beyond this share blocks: Ray keeps an entry for each block.
MOST_BLOCKS = 2000
#: Only names and counts go through Ray's memory; Ray takes no less.
OBJECT_STORE_BYTES = 80 * 2**20
#: Ray's own reports, off: it would send statistics, and draw its progress over ours.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def run(
    job: Job,
    units: Sequence[Unit],
    workers: int,
    address: str | None,
    gpu_share: float,
    done: Callable[[int], None],
    broken: Callable[[Sequence[str]], None],
) -> None:
    """Let workers write units, in any order.

    Args:
        workers: how many, each with a CPU of its own.
        address: of a running cluster; None starts Ray on this machine, for this run.
        gpu_share: of a GPU, for every worker.
        done: called with the number of records of every unit that is written.
        broken: called with what is wrong with the records of a unit; may raise.

    Raises:
        TrainingError: Ray is not installed or not there, or a worker said why it cannot go on.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise TrainingError(
            "Workers need Ray, which is not installed: pip install 'ray[data]', or give --workers 0 to work in this "
            "process alone."
        ) from error
    try:
        _start(ray, workers, address, gpu_share)
        for row in _written(ray, job, units, workers, gpu_share).iter_rows():
            if row["fatal"]:
                raise SetupError(row["broken"])
            if row["broken"]:
                broken(row["broken"].split("\n"))
            done(int(row["count"]))
    except ray.exceptions.RayError as error:
        raise TrainingError(
            f"A worker of Ray's stopped ({_reason(error)}). Run the same command again, with fewer workers if memory "
            "is short; with --workers 0 it shows where."
        ) from error
    finally:
        ray.shutdown()


def _reason(error: BaseException) -> str:
    """The first line of what Ray wraps."""
    while (inner := getattr(error, "cause", None) or error.__cause__) is not None:
        error = inner
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _start(ray: Any, workers: int, address: str | None, gpu_share: float) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        # "local": None would join whatever cluster somebody has started on this machine.
        here = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        ray.init("local", **here, **options)
    else:
        packages = {"py_modules": [str(ROOT / name) for name in PACKAGES]}
        try:
            ray.init(address=address, runtime_env=packages, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise TrainingError(
                f"No Ray cluster answers at '{address}' ({reason(error)}). Start one there with 'ray start --head', "
                "and give the address that it prints. If it asks for a token, set RAY_AUTH_MODE=token and "
                "RAY_AUTH_TOKEN as on its machines."
            ) from error
    if gpu_share and not ray.cluster_resources().get("GPU"):
        raise TrainingError("Ray sees no GPU. Give --device cpu to work on the processors.")


def _written(ray: Any, job: Job, units: Sequence[Unit], workers: int, gpu_share: float) -> Any:
    """A data set with a row for every unit, which is written when the row is read."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    rows = [{"number": unit.number, "names": "\n".join(unit.names)} for unit in units]
    return ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS)).map_batches(
        RayWorker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(units))),
        num_cpus=1,
        num_gpus=gpu_share or None,
    )


class RayWorker:
    """A :class:`Worker` as Ray Data calls it. What a user can mend comes back as sentences."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Write the units of a batch: how many records were computed, what is wrong, and whether that ends the run."""
        rows = [self._write(Unit(int(batch["number"][n]), str(batch["names"][n]).split("\n"))) for n in _places(batch)]
        counts, broken, fatal = zip(*rows, strict=True)
        return {"count": np.array(counts), "broken": np.array(broken), "fatal": np.array(fatal)}

    def _write(self, unit: Unit) -> tuple[int, str, bool]:
        count = 0

        def done() -> None:
            nonlocal count
            count += 1

        try:
            self._worker = self._worker or Worker(self._job)
            self._worker.write(unit, done)
        except BrokenRecords as error:
            return count, str(error), False
        except TrainingError as error:
            return count, str(error), True
        return count, "", False


def _places(batch: dict[str, np.ndarray]) -> range:
    return range(len(batch["number"]))
