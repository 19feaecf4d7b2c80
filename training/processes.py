"""Several processes of this machine that train together: torch's own launcher, as ``torchrun`` calls it.

``accelerate launch --num_processes 2`` starts a single one where there is no GPU.
"""

import os
from collections.abc import Sequence

import torch

from .errors import INTERRUPTED, TrainingError

#: Set, accelerate trains on the processors; without GPUs, its processes find one another only with it.
ON_PROCESSORS = "ACCELERATE_USE_CPU"


def is_first() -> bool:
    """Whether this process is the one of several that speaks, or alone."""
    return os.environ.get("RANK", "0") == "0"


def launch(module: str, arguments: Sequence[str], count: int) -> int:
    """Run a module in ``count`` processes; the exit status of the first that failed, 0 where none did.

    Raises:
        TrainingError: there are GPUs, and not one for each.
    """
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    gpus = torch.cuda.device_count()
    if 0 < gpus < count and ON_PROCESSORS not in os.environ:
        raise TrainingError(
            f"{count} processes need a GPU each, and this machine has {gpus}. Give --processes {gpus}, or set "
            f"{ON_PROCESSORS}=true to train on the processors."
        )
    if not gpus:
        os.environ[ON_PROCESSORS] = "true"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    command = ["--standalone", "--nproc_per_node", str(count), "-m", module, *arguments]
    try:
        run.run(run.parse_args(command))
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode
    except SignalException:
        return INTERRUPTED
    return 0
