"""Ctrl-C that waits until what was begun is whole."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """Attributes:
    heard: whether someone asked this process to stop.
    """

    def __init__(self) -> None:
        self.heard = False

    def __call__(self, *_) -> None:
        self.heard = True


@contextmanager
def signals() -> Iterator[Stop]:
    """Within the block, Ctrl-C and a polite kill only ask."""
    stop = Stop()
    names = (signal.SIGINT, signal.SIGTERM)
    before = {name: signal.signal(name, stop) for name in names}
    try:
        yield stop
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
