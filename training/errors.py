"""Errors of the command lines in this folder."""


class TrainingError(Exception):
    """A sentence a user can act on: what is wrong, what was expected, how to get it."""
