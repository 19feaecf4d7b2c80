"""Errors of the command lines in this folder, and how such a command ends."""

import sys
from collections.abc import Callable

from preprocessors.errors import ConditionError

#: What a shell says of a program that Ctrl-C ended.
INTERRUPTED = 130


class TrainingError(Exception):
    """A sentence a user can act on: what is wrong, what was expected, how to get it."""


def concluded(work: Callable[[], str], stopped: str) -> int:
    """A command's exit status: 0 and its text, 1 and a sentence where something is wrong, 130 after Ctrl-C.

    Args:
        stopped: the sentence that is said then.
    """
    try:
        text = work()
    except (TrainingError, ConditionError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{stopped}\n")
        return INTERRUPTED
    sys.stdout.write(text)
    return 0
