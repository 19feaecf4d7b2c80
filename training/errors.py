"""Errors of the command lines in this folder."""

#: What a shell says of a program that Ctrl-C ended.
INTERRUPTED = 130


class TrainingError(Exception):
    """A sentence a user can act on: what is wrong, what was expected, how to get it."""
