"""A Ray cluster of several nodes on this machine, for tests that kill some of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from devtools.host import ROOT
from training.ray_workers import OBJECT_STORE_BYTES, QUIET

#: Seconds until something has to be there, on a machine that others use as well.
PATIENCE_S = 600


class RayCluster:
    """A head that does no work, and nodes with one processor each."""

    def __init__(self, nodes: int) -> None:
        # Ray's workers step back behind everything else on a machine (15): tests would wait for what others do.
        wanted = QUIET | {"RAY_worker_niceness": "0"}
        os.environ.update({name: os.environ.get(name, value) for name, value in wanted.items()})
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = []
        self.have(nodes)

    @property
    def address(self) -> str:
        return self._cluster.address

    def have(self, nodes: int) -> None:
        """Start what is lacking to so many nodes."""
        while len(self._nodes) < nodes:
            self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES))

    def kill_node(self) -> None:
        """As if the power had failed."""
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def kill_worker(self) -> None:
        """SIGKILL to one of the processes that work now."""
        worker: psutil.Process = until(lambda: next(iter(self.workers()), None))
        worker.kill()

    def workers(self) -> list[psutil.Process]:
        """The processes that work."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in self._nodes]
        children = [child for raylet in raylets for child in psutil.Process(raylet).children()]
        return [child for child in children if "MapWorker" in "".join(child.cmdline())]

    def close(self) -> None:
        self._cluster.shutdown()


def until(known: Callable):
    """What a question's answer is, once it has one."""
    end = time.monotonic() + PATIENCE_S
    while not (answer := known()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return answer


class Command:
    """``python -m training.COMMAND …`` as users run it, in a session of its own.

    Args:
        log: a file for what it says, its progress too.
    """

    def __init__(self, log: Path, *words: object) -> None:
        self.log = log
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *map(str, words)],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, known: Callable):
        """As :func:`until`, and the command has not ended before."""

        def asked():
            answer = known()
            assert answer or self._process.poll() is None, self.said
            return answer

        return until(asked)

    def stop(self, how: signal.Signals) -> int:
        """Its status after a signal to all of its own processes, as a terminal sends Ctrl-C."""
        assert self._process.poll() is None, self.said
        os.killpg(self._process.pid, how)
        return self.status()

    def status(self) -> int:
        """When it has ended."""
        return self._process.wait(PATIENCE_S)
