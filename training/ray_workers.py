"""Rows of work that Ray's workers share: on this machine, or on a cluster by its address.

Ray Data hands the rows out. A worker or a machine that is lost costs the rows it had in hand: they go to another.
"""

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocessors.errors import reason

from .errors import TrainingError

ROOT = Path(__file__).resolve().parents[1]
#: Our packages, which a cluster's machines get from this one.
PACKAGES = ("training", "preprocessors", "model_patches")
#: Rows beyond this share blocks: Ray keeps an entry for each block.
MOST_BLOCKS = 2000
#: Little goes through Ray's memory; Ray takes no less.
OBJECT_STORE_BYTES = 80 * 2**20
#: Ray's own reports, off: it would send statistics, and draw its progress over ours.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


@dataclass(frozen=True)
class Workers:
    """Who works.

    Attributes:
        count: processes; None is one for every GPU or CPU of the cluster.
        address: of a running cluster; None starts Ray on this machine, for this run.
        on_gpus: whether each has a GPU, or its share of one; every one has a CPU of its own.
    """

    count: int | None = None
    address: str | None = None
    on_gpus: bool = False


def spread(
    rows: Sequence[Mapping[str, Any]], worker: type, arguments: tuple, workers: Workers
) -> Iterator[dict[str, Any]]:
    """What workers make of rows, in any order, each once.

    Args:
        worker: a class that every worker makes one of, and calls with the columns of a row at a time, as Ray Data's
            ``map_batches`` has it. A row may be done twice, when whoever had it in hand is lost.
        arguments: of the class; all that pickle takes.

    Raises:
        TrainingError: Ray is not installed or not there, or a worker cannot go on.
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
        _connect(ray, workers)
        yield from _worked(ray, rows, worker, arguments, workers).iter_rows()
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


def _connect(ray: Any, workers: Workers) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if workers.address is None:
        # "local": None would join whatever cluster somebody has started on this machine.
        here = {"num_cpus": workers.count, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
        ray.init("local", **here, **options)
        return
    packages = {"py_modules": [str(ROOT / name) for name in PACKAGES]}
    try:
        ray.init(address=workers.address, runtime_env=packages, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise TrainingError(
            f"No Ray cluster answers at '{workers.address}' ({reason(error)}). Start one there with 'ray start "
            "--head', and give the address that it prints. If it asks for a token, set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN as on its machines."
        ) from error


def _worked(ray: Any, rows: Sequence[Mapping[str, Any]], worker: type, arguments: tuple, workers: Workers) -> Any:
    """A data set with a row for every one, which is worked on when the row is read."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    count, gpus = shared_out(workers, ray.cluster_resources())
    return ray.data.from_items(list(rows), override_num_blocks=min(len(rows), MOST_BLOCKS)).map_batches(
        worker,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=min(count, len(rows))),
        num_cpus=1,
        num_gpus=gpus or None,
    )


def shared_out(workers: Workers, resources: Mapping[str, float]) -> tuple[int, float]:
    """How many workers there are, and the share of a GPU that each has.

    Args:
        resources: the cluster's, by Ray's names.

    Raises:
        TrainingError: there is nothing for a worker.
    """
    cpus, gpus = (int(resources.get(name, 0)) for name in ("CPU", "GPU"))
    if workers.on_gpus and not gpus:
        raise TrainingError("Ray sees no GPU. Give --device cpu to work on the processors.")
    if not cpus:
        raise TrainingError(
            "The Ray cluster has no processor to work on. Add machines: 'ray start --address=…' on each of them."
        )
    count = workers.count or (gpus if workers.on_gpus else cpus)
    # A worker's share lies in one GPU: eight workers on three are three on each, not two and two thirds.
    return count, 1 / math.ceil(count / gpus) if workers.on_gpus else 0.0
