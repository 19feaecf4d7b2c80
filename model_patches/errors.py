"""What a patch cannot do, as a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager


class PatchError(ValueError):
    """A sentence for the user; nodes put their name in front of it."""


@contextmanager
def said_by(node: str) -> Iterator[None]:
    """What is wrong within the block is said under a node's name.

    While sampling, the host shows an error at the sampler: only the sentence can tell whose it is.
    """
    try:
        yield
    except PatchError as error:
        raise PatchError(f"{node}: {error}" if node else str(error)) from error
